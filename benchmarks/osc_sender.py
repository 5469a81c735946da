"""`OscSender`: one OSC message a datagram to a show's port, without waiting for anything."""

import socket
from types import TracebackType

from pythonosc.osc_message_builder import OscMessageBuilder


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
