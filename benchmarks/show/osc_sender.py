"""OSC messages to a show: a sender, and a flood from a process of its own, ``python -m benchmarks.show.osc_sender``."""

import socket
import time
from types import TracebackType
from typing import Any

from pythonosc.osc_message_builder import build_msg

from benchmarks.child_process import answer_requests

_PAUSE = 0.002
"""Seconds between two bursts of a flood."""


class OscSender:
    """A UDP socket to a port of loopback. It sends each message in a datagram of its own and never waits."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)

    def __enter__(self) -> "OscSender":
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, address: str, *arguments: Any) -> None:
        """Send one message."""
        self.send_datagram(osc_message(address, *arguments))

    def send_datagram(self, datagram: bytes) -> None:
        """Send an encoded message."""
        self._socket.sendto(datagram, self._address)


def osc_message(address: str, *arguments: Any) -> bytes:
    """Return the datagram of a message. A float argument has the type ``f``."""
    datagram: bytes = build_msg(address, list(arguments)).dgram
    return datagram


def flood(port: int, address: str, low: float, high: float, rate: float, seconds: float) -> dict[str, Any]:
    """Send `rate` messages per second that move a control between `low` and `high`. Return the number sent."""
    messages = [osc_message(address, low + (high - low) * abs(step - 50) / 50) for step in range(100)]
    sent = 0
    began = time.monotonic()
    with OscSender(port) as osc:
        while (elapsed := time.monotonic() - began) < seconds:
            while sent < elapsed * rate:
                osc.send_datagram(messages[sent % len(messages)])
                sent += 1
            time.sleep(_PAUSE)
    return {"sent": sent, "per_second": sent / (time.monotonic() - began)}


def main() -> None:
    """Answer requests until standard input ends."""
    answer_requests({"flood": flood})


if __name__ == "__main__":
    main()
