"""`WriterClaim`: the one writer of a segment. Readers learn from its words whether it lives and whether it is the same.

The five words from ``writer_id`` to ``written`` of `io_bridges.shared_memory.ring_layout` stand in every layout.
"""

import os
import secrets
import time

import psutil

from io_bridges.shared_memory.ring_layout import WORD, Words, words_at
from io_bridges.shared_memory.segment import SharedSegment, attach
from presets.errors import BridgeError, BridgeUnavailable

WRITER_GONE_NS = 3_000_000_000
"""A writer whose heartbeat is older counts as gone. A show writes once a second or more often."""

CLAIM_WORDS = 5
_ID, _PID, _STATE, _HEARTBEAT, _WRITTEN = range(CLAIM_WORDS)
_OPEN, _CLOSED = 1, 0
_CHECK_NAME_NS = 1_000_000_000


class WriterRecord:
    """The words of a segment's writer, as a reader sees them."""

    def __init__(self, buffer: memoryview, offset: int) -> None:
        self._offset = offset
        self._words = words_at(buffer, offset, CLAIM_WORDS)
        self.writer_id = int(self._words[_ID])

    @property
    def written(self) -> int:
        """Number of pictures written so far."""
        return int(self._words[_WRITTEN])

    @property
    def pid(self) -> int:
        """Process of the writer."""
        return int(self._words[_PID])

    @property
    def is_same(self) -> bool:
        """True while the writer is the one that was there first."""
        return int(self._words[_ID]) == self.writer_id

    def is_over(self, name: str) -> bool:
        """Return True if the writer is gone, or another has taken its place or, on POSIX, its name."""
        return not (self.is_same and self.is_writing and named_writer(name, self._offset) == self.writer_id)

    @property
    def is_writing(self) -> bool:
        """True if the writer has not closed and its heartbeat is fresh."""
        age = time.monotonic_ns() - int(self._words[_HEARTBEAT])
        # A heartbeat of the future is from before the machine started again.
        return int(self._words[_STATE]) == _OPEN and -WRITER_GONE_NS < age < WRITER_GONE_NS

    @property
    def is_alive(self) -> bool:
        """True if the writer is writing and its process exists."""
        return self.is_writing and 0 < self.pid < 2**31 and psutil.pid_exists(self.pid)


class WriterClaim:
    """This writer's hold on a segment."""

    def __init__(self, segment: SharedSegment, offset: int) -> None:
        """Write the first words into a segment whose former writer is gone."""
        self.name = segment.name
        self.written = 0
        self._offset = offset
        self._words: Words = words_at(segment.buffer, offset, CLAIM_WORDS)
        self._id = secrets.randbelow(2**62) + 1
        self._words[_WRITTEN] = 0
        self._words[_PID] = os.getpid()
        self._words[_HEARTBEAT] = self._checked_at = time.monotonic_ns()
        self._words[_STATE] = _OPEN
        self._words[_ID] = self._id

    def beat(self) -> bool:
        """Renew the heartbeat. Return False if the name no longer leads to this segment, which happens on POSIX.

        Raises `BridgeError` if another writer has taken the name.
        """
        now = time.monotonic_ns()
        if int(self._words[_ID]) != self._id:
            raise self._taken()
        self._words[_HEARTBEAT] = now
        if now - self._checked_at < _CHECK_NAME_NS:
            return True
        self._checked_at = now
        return self.holds_name()

    def holds_name(self) -> bool:
        """Return True if the name leads to this segment, False if it was removed. Raises `BridgeError` if taken."""
        found = named_writer(self.name, self._offset)
        if found not in (None, self._id):
            raise self._taken()
        return found is not None

    def count(self) -> None:
        """Publish one more picture."""
        self.written += 1
        self._words[_WRITTEN] = self.written

    def release(self) -> bool:
        """Tell the readers that the writer has closed. Return True if the name is still this writer's."""
        try:
            mine = int(self._words[_ID]) == self._id and self.holds_name()
        except BridgeError:
            return False
        if mine:
            self._words[_STATE] = _CLOSED
        return mine

    def _taken(self) -> BridgeError:
        return BridgeError(f"Another program has taken the shared memory {self.name!r}. Choose another name")


def named_writer(name: str, offset: int) -> int | None:
    """Return the id of the writer of the segment that a name leads to now, 0 without one. None without a segment."""
    found = attach(name)
    if found is None:
        return None
    try:
        room = found.size >= offset + CLAIM_WORDS * WORD
        return WriterRecord(found.buffer, offset).writer_id if room else 0
    finally:
        found.close()


def refuse_living_writer(segment: SharedSegment, offset: int) -> None:
    """Raise `BridgeUnavailable` if a segment has a living writer."""
    writer = WriterRecord(segment.buffer, offset)
    if writer.is_alive:
        where = "this show" if writer.pid == os.getpid() else f"another program (process {writer.pid})"
        raise BridgeUnavailable(
            f"The shared memory {segment.name!r} is written by {where}. Close it, or choose another name"
        )
