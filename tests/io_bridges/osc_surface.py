"""What the tests of OSC share: a served control, and a surface on a UDP socket."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pythonosc.osc_message_builder import build_msg
from show_control_fake import RecordingDesk

from io_bridges.osc.packets import Message, walk
from io_bridges.osc.server import OscControl

LONG = 20.0
"""Seconds after which something that is waited for counts as not happening."""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


@contextmanager
def serving(control: OscControl, desk: RecordingDesk) -> Iterator[OscControl]:
    control.open(desk)
    thread = threading.Thread(target=control.serve)
    thread.start()
    try:
        yield control
        assert thread.is_alive(), "a message ended the control"
    finally:
        control.stop()
        thread.join(LONG)
        control.close()
    assert not thread.is_alive()


class Surface:
    """A UDP socket that sends to the control and listens on the same port."""

    def __init__(self, control: OscControl | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(LONG)
        self.port = self.socket.getsockname()[1]
        self.control = control
        self.heard: list[Message] = []

    def send(self, address: str, *arguments: object) -> None:
        self.send_raw(build_msg(address, list(arguments)).dgram)

    def send_raw(self, datagram: bytes) -> None:
        assert self.control is not None
        self.socket.sendto(datagram, self.control.address)

    def hear(self, address: str, value: object) -> None:
        """Wait until this value comes; what else comes is kept in `heard`."""
        while True:
            self.heard += walk(self.socket.recv(65535))
            if self.heard[-1] == Message(address, [value]):
                return

    def hears_of(self, address: str) -> list[object]:
        return [message.arguments[0] for message in self.heard if message.address == address]
