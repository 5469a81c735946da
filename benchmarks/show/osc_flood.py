"""A flood of OSC messages, ``python -m benchmarks.show.osc_flood``, from a process of its own."""

import socket
import time
from types import TracebackType
from typing import Any

from pythonosc.osc_message_builder import OscMessageBuilder

from benchmarks.child_process import answer_requests

_BEAT = 0.002


def osc_message(address: str, value: float) -> bytes:
    """The datagram of one float."""
    builder = OscMessageBuilder(address)
    builder.add_arg(value, "f")
    datagram: bytes = builder.build().dgram
    return datagram


class OscSender:
    """``with OscSender(port) as osc: osc.send("/strength", 0.5)``."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)

    def __enter__(self) -> "OscSender":
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, address: str, value: float) -> None:
        """Send it."""
        self.send_datagram(osc_message(address, value))

    def send_datagram(self, datagram: bytes) -> None:
        """Send what was made beforehand."""
        self._socket.sendto(datagram, self._to)


def flood(port: int, address: str, low: float, high: float, rate: float, seconds: float) -> dict[str, Any]:
    """`rate` messages a second to a UDP port of loopback, a fader drawn up and down; answers how many were sent."""
    fader = [osc_message(address, low + (high - low) * abs(step - 50) / 50) for step in range(100)]
    sent = 0
    began = time.monotonic()
    with OscSender(port) as osc:
        while (elapsed := time.monotonic() - began) < seconds:
            while sent < elapsed * rate:
                osc.send_datagram(fader[sent % len(fader)])
                sent += 1
            time.sleep(_BEAT)
    return {"sent": sent, "per_second": sent / (time.monotonic() - began)}


def main() -> None:
    """Answer until the bench is gone."""
    answer_requests({"flood": flood})


if __name__ == "__main__":
    main()
