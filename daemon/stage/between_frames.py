"""`BetweenFrames`: pictures between two drawn ones, at the rate of the output, for models slower than the output."""

import threading
from typing import NamedTuple

from daemon.shared.clock import NS
from daemon.shared.mailbox import Mailbox
from io_bridges.between import BetweenMode, PicturePair
from io_bridges.frames import RenderedFrame

LONGEST = NS // 2
"""Longest interval in ns between two pictures that is filled. A picture after a longer pause is shown at once."""

SHORTEST_TICKS = 1.5
"""Shortest interval that is filled, in ticks. A model that is nearly as fast as the output needs none."""


class _Passage(NamedTuple):
    earlier: RenderedFrame
    later: RenderedFrame
    began: int
    length: int
    """Duration in ns: the interval between the last two pictures."""

    def share(self, at: int) -> float:
        """Return the progress of the passage at a time: 0 at its start, 1 or more after its end."""
        return (at - self.began) / self.length


class _Order(NamedTuple):
    passage: _Passage
    mode: BetweenMode
    due: int


class BetweenFrames:
    """Pictures between two drawn ones, made ahead of their tick on a thread of their own.

    A passage from one picture to the next begins when the next one comes, and takes as long as the next one took to
    come. So the output is one picture late. The clock never waits: a tick whose picture is not ready holds the last.
    """

    def __init__(self) -> None:
        self._passage: _Passage | None = None
        self._newest: RenderedFrame | None = None
        self._came = 0
        self._shown: RenderedFrame | None = None
        self._orders: Mailbox[_Order] = Mailbox()
        self._made: tuple[int, RenderedFrame] | None = None
        self._pair: tuple[_Passage, BetweenMode, PicturePair] | None = None
        self.delay = 0
        """Nanoseconds from the tick at which a picture could be shown until most of what is seen is of it."""

    def choose(self, newest: RenderedFrame, mode: BetweenMode, due: int, following: int) -> RenderedFrame:
        """Return the picture of a tick, and order that of the next one. For the thread of the output clock.

        Args:
            newest: The newest picture of the renderer.
            mode: ``hold`` returns `newest`.
            due: Time of the tick in ns.
            following: Time of the next one.
        """
        if newest is not self._newest:
            self._begin(newest, due, following - due)
        passage = self._passage
        self.delay = 0 if mode == "hold" or passage is None else passage.length // 2
        if mode == "hold" or passage is None or passage.share(due) >= 1:
            self._shown = newest
            return newest
        made = self._made
        if due == passage.began or self._shown is None:
            self._shown = passage.earlier
        elif made is not None and made[0] == due:
            self._shown = made[1]
        if passage.share(following) < 1:
            self._orders.put(_Order(passage, mode, following))
        return self._shown

    def forget(self) -> None:
        """Forget the newest picture, so that the next one is shown at once. For the thread of the output clock."""
        self._newest = self._passage = self._made = None

    def work(self, stopping: threading.Event) -> None:
        """Make ordered pictures until `stopping` is set."""
        serial = 0
        while not stopping.is_set():
            order, newest = self._orders.wait_newer(serial, 0.25)
            if order is not None and newest != serial:
                self.make(order)
            serial = newest

    def make(self, order: _Order | None = None) -> None:
        """Make the picture of an order, by default the newest one."""
        order = order or self._orders.peek()[0]
        if order is None:
            return
        passage, mode, due = order
        if mode == "hold":
            return
        if self._pair is None or self._pair[0] is not passage or self._pair[1] != mode:
            pair = PicturePair(passage.earlier.host_pixels(), passage.later.host_pixels(), mode)
            self._pair = passage, mode, pair
        share = passage.share(due)
        stamps = passage.earlier if share < 0.5 else passage.later
        picture = self._pair[2].at(share)
        frame = RenderedFrame(picture, stamps.index, stamps.source_index, stamps.captured_at, stamps.revision)
        self._made = due, frame

    def _begin(self, newest: RenderedFrame, due: int, period: int) -> None:
        earlier, length = self._newest, due - self._came
        self._newest, self._came = newest, due
        joins = (
            earlier is not None
            and earlier.index >= 0
            and earlier.host_pixels().shape == newest.host_pixels().shape
            and SHORTEST_TICKS * period <= length <= LONGEST
        )
        self._passage = _Passage(earlier, newest, due, length) if joins and earlier is not None else None
