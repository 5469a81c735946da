"""`FileMessages`: values that name a file are looked up on a thread of their own, since a disk may hang."""

import logging
import queue
import threading
from collections.abc import Callable, Mapping

from daemon.shared.threads import restart_on_crash
from daemon.stage.opened_places import FILES, OpenedPlaces
from io_bridges.show_control import ControlReply, Later
from presets.errors import ParameterRefused, SettingsError
from presets.parameter_table import Value

log = logging.getLogger("stage")

MOST_WAITING = 16
"""Messages that wait for the disk. More are refused."""

Change = Callable[[Mapping[str, Value], str, str], object]
"""Sets values by address; takes the sender and the address of the message too."""
Refuse = Callable[[str, str, str, str], ControlReply]
"""Counts a refusal by address, sender, reason and sentence, and returns the reply to it."""


class FileMessages:
    """Sets parameters of `FILES` once the disk says that what they name is open. Any thread may call it."""

    def __init__(self, opened: OpenedPlaces, change: Change, refuse: Refuse) -> None:
        """Look up in `opened`; the outcome goes to `change` or `refuse`, on another thread."""
        self._opened = opened
        self._change = change
        self._refuse = refuse
        self._waiting: queue.Queue[tuple[str, str, str, Later | None]] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def request(self, address: str, value: Value, sender: str, later: Later | None) -> ControlReply | None:
        """Have a value set if it names what is open. Return None if nothing has to be looked up.

        Raises:
            ParameterRefused: The value names a place outside, or the disk does not answer.
        """
        if address not in FILES:
            return None
        text = str(value)
        try:
            self._opened.check(address, text)
        except SettingsError as error:
            raise ParameterRefused(str(error)) from error
        if not self._opened.needs_disk(address, text):
            return None
        try:
            self._waiting.put_nowait((address, text, sender, later))
        except queue.Full:
            raise ParameterRefused("the disk does not answer: earlier files are still looked up") from None
        with self._lock:
            if self._thread is None:
                work = restart_on_crash("the look-up of files", self._work, lambda: False)
                self._thread = threading.Thread(target=work, name="file-messages", daemon=True)
                self._thread.start()
        return ControlReply(address, True, None, f"looking for {text[:200]}", pending=True)

    def _work(self) -> None:
        while True:
            address, text, sender, later = self._waiting.get()
            try:
                self._opened.check_on_disk(address, text)
            except SettingsError as error:
                reply = self._refuse(address, sender, f"{address}: a file that is not open", str(error))
            else:
                self._change({address: text}, sender, address)
                reply = ControlReply(address, True, text)
            if later is not None:
                later(reply)
