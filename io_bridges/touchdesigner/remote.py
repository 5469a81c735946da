"""The show over the network: its controls by HTTP, and messages to it by OSC."""

import json
import socket
import struct
import threading
import time
import urllib.request
from typing import Any

_INTERVAL = 0.2


def controls(page: str) -> dict[str, Any]:
    """Return the declaration of a running show, and under ``presets`` the names of its presets. Raises `OSError`.

    `page` is ``http://127.0.0.1:8090``.
    """
    declaration: dict[str, Any] = _read(f"{page}/api/parameters")
    return declaration | {"presets": _read(f"{page}/api/status")["presets"]}


def _read(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as reply:
        return json.load(reply)


def osc_message(address: str, value: Any) -> bytes:
    """Return an OSC message with one argument, or with none for None."""
    if value is None:
        return _string(address) + _string(",")
    if isinstance(value, int):  # a bool is an int
        return _string(address) + _string(",i") + struct.pack(">i", max(-(2**31), min(value, 2**31 - 1)))
    if isinstance(value, float):
        return _string(address) + _string(",f") + struct.pack(">f", value)
    return _string(address) + _string(",s") + _string(str(value))


def _string(text: str) -> bytes:
    data = text.replace("\0", "").encode()
    return data + b"\0" * (4 - len(data) % 4)


class ShowRemote:
    """Sends controls to a show, and reads their values five times a second on a thread of its own."""

    def __init__(self, page: str, host: str, port: int) -> None:
        """`page` is the address of the page; `host` and `port` are those of OSC."""
        self._page = page
        self._target = (host, port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._stopping = threading.Event()
        self._values: dict[str, Any] | None = None
        self._sent_at: dict[str, float] = {}
        threading.Thread(target=self._poll, name="streamflow-values", daemon=True).start()

    def send(self, address: str, value: Any = None) -> None:
        """Set a parameter, or do an action without a value."""
        self._sent_at[address] = time.monotonic()
        self._socket.sendto(osc_message(address, value), self._target)

    def changed_values(self) -> dict[str, Any]:
        """Return the newest values by address, once; empty if there are none.

        Values that were sent in the last second are left out: they may be on their way.
        """
        values, self._values = self._values, None
        recent = time.monotonic() - 1.0
        return {address: value for address, value in (values or {}).items() if self._sent_at.get(address, 0.0) < recent}

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._socket.close()

    def _poll(self) -> None:
        while not self._stopping.wait(_INTERVAL):
            try:
                with urllib.request.urlopen(f"{self._page}/api/values", timeout=2) as reply:
                    self._values = json.load(reply)
            except (OSError, ValueError):
                self._stopping.wait(1.0)  # the show is not there now
