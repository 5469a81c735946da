"""`PresetDisk`: reads and writes presets beside the threads of the controls, since a disk may hang.

One request at a time is with the disk, on a thread that is given up after `LIMIT` seconds. A control waits for a
healthy disk, so that messages keep their order. It does not wait for one that has been slow until that has caught up.
"""

import queue
import threading
from collections.abc import Callable, Hashable

from daemon.shared.threads import restart_on_crash
from io_bridges.show_control import ControlReply, Later

LIMIT = 5.0
"""Seconds that the disk has for one request."""
MOST_WAITING = 16
"""Requests that wait for the disk. More are refused."""
MOST_HUNG = 3
"""Threads that may hang in the disk. With so many, a request is refused at once."""
MOST_JOINED = 4096
"""Senders that wait for one request together. More are refused."""
NO_ANSWER = "the presets folder does not answer; everything that needs no preset's file still works"
BUSY = "the disk is busy with earlier presets; send it again"

Finish = Callable[[], ControlReply]
Work = Callable[[], Finish]
"""Reads or writes the disk, and returns what acts on the outcome. That is not called once the request is given up."""
Refuse = Callable[[str], ControlReply]
"""Counts a refusal with its sentence, and returns the reply."""


class DiskRequest:
    """One request to the disk, and those who wait for its outcome."""

    def __init__(self, work: Work, refuse: Refuse, key: Hashable = None) -> None:
        """Requests with the same `key` that wait are one; None is like no other."""
        self.key = key
        self._work = work
        self._refuse = refuse
        self._lock = threading.Lock()
        self._is_claimed = False
        self._reply: ControlReply | None = None
        self._laters: list[Later] = []
        self._done = threading.Event()

    def run(self) -> None:
        """Work with the disk, which may hang, and act on the outcome."""
        finish = self._work()
        if self._claim():
            self._answer(finish())

    def give_up(self, sentence: str) -> None:
        """Refuse the request, unless its outcome is known."""
        if self._claim():
            self._answer(self._refuse(sentence))

    def reply(self, seconds: float) -> ControlReply | None:
        """Wait for the outcome. Return None if it is not known in time."""
        return self._reply if self._done.wait(seconds) else None

    def reply_later(self, later: Later) -> bool:
        """Have `later` called with the outcome, now or when it is known. Return False if too many wait for it."""
        with self._lock:
            reply = self._reply
            if reply is None:
                if len(self._laters) >= MOST_JOINED:
                    return False
                self._laters.append(later)
                return True
        later(reply)
        return True

    def _claim(self) -> bool:
        with self._lock:
            claimed, self._is_claimed = self._is_claimed, True
        return not claimed

    def _answer(self, reply: ControlReply) -> None:
        with self._lock:
            self._reply = reply
            laters, self._laters = self._laters, []
        self._done.set()
        for later in laters:
            later(reply)


class PresetDisk:
    """All requests of one show for its presets. Any thread may call it."""

    patience = 0.1
    """Seconds that a control waits for a disk that has not been slow."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[DiskRequest] = queue.Queue(MOST_WAITING)
        self._by_key: dict[Hashable, DiskRequest] = {}
        """Requests that have not begun, by key."""
        self._hung: list[threading.Thread] = []
        self._is_slow = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ask(self, address: str, request: DiskRequest, later: Later | None, waits: bool = True) -> ControlReply:
        """Have a request done in its turn. Return the reply, which is pending if the outcome comes `later`.

        Args:
            address: Address of the message.
            request: The request, which may join one with the same key.
            later: Gets the outcome of a pending reply.
            waits: False if a sender that gets a later reply does not wait at all.
        """
        try:
            request = self._put(request)
        except queue.Full:
            request.give_up(NO_ANSWER if self._hung else BUSY)
        seconds = self.patience if (waits or later is None) and not self._is_slow else 0.0
        reply = request.reply(seconds)
        if reply is not None:
            return reply
        self._is_slow = self._is_slow or seconds > 0
        if later is not None and not request.reply_later(later):
            return ControlReply(address, False, None, BUSY)
        return ControlReply(address, True, None, "waits for the disk", pending=later is not None)

    def _put(self, request: DiskRequest) -> DiskRequest:
        with self._lock:
            same = self._by_key.get(request.key) if request.key is not None else None
            if same is not None:
                return same
            self._waiting.put_nowait(request)
            if request.key is not None:
                self._by_key[request.key] = request
            if self._thread is None:
                work = restart_on_crash("the disk of presets", self._work, lambda: False)
                self._thread = threading.Thread(target=work, name="preset-disk", daemon=True)
                self._thread.start()
        return request

    def _work(self) -> None:
        while True:
            request = self._waiting.get()
            with self._lock:
                self._by_key.pop(request.key, None)
            self._hung = [thread for thread in self._hung if thread.is_alive()]
            if len(self._hung) < MOST_HUNG:
                thread = threading.Thread(target=request.run, name="preset-file", daemon=True)
                thread.start()
                thread.join(LIMIT)
                if thread.is_alive():
                    self._hung.append(thread)
            request.give_up(NO_ANSWER)
            if not self._hung and self._waiting.empty():
                self._is_slow = False
