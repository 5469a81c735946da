"""Helpers for the OSC tests: a running control, and a surface on a UDP socket."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pythonosc.osc_message_builder import build_msg
from show_control_fake import RecordingShow

from io_bridges.osc.packets import Message, decode_packet
from io_bridges.osc.server import OscControl

LONG = 20.0
"""Seconds to wait for something before the test fails."""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.005)


@contextmanager
def serving(control: OscControl, show: RecordingShow) -> Iterator[OscControl]:
    control.open(show)
    thread = threading.Thread(target=control.serve)
    thread.start()
    try:
        yield control
        assert thread.is_alive(), "a message stopped the control"
    finally:
        control.stop()
        thread.join(LONG)
        control.close()
    assert not thread.is_alive()


class Surface:
    """A UDP socket that sends to the control and receives on the same port."""

    def __init__(self, control: OscControl | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(LONG)
        self.port = self.socket.getsockname()[1]
        self.control = control
        self.received: list[Message] = []

    def send(self, address: str, *arguments: object) -> None:
        self.send_raw(build_msg(address, list(arguments)).dgram)

    def send_raw(self, datagram: bytes) -> None:
        assert self.control is not None
        self.socket.sendto(datagram, self.control.address)

    def wait_for(self, address: str, value: object) -> None:
        """Wait for this value. Every message is kept in `received`."""
        while True:
            self.received += decode_packet(self.socket.recv(65535))
            if self.received[-1] == Message(address, [value]):
                return

    def values_of(self, address: str) -> list[object]:
        return [message.arguments[0] for message in self.received if message.address == address]
