"""Senders, readers and messages for the tests of ZeroMQ frames."""

import json
import time
from contextlib import contextmanager

import numpy as np
import zmq

from io_bridges.card import draw_card
from io_bridges.frames import RenderedFrame

ANY_PORT = "tcp://127.0.0.1:0"
PATIENCE = 30.0
PIXELS = draw_card(3, 64, 48)


@contextmanager
def opened(bridge, *arguments):
    bridge.open(*arguments)
    try:
        yield bridge
    finally:
        bridge.close()


@contextmanager
def publisher(address, way="connect", high_water=1000):
    """Open a PUB socket with plain pyzmq."""
    context = zmq.Context()
    sender = context.socket(zmq.PUB)
    sender.setsockopt(zmq.SNDHWM, high_water)
    sender.bind(address) if way == "bind" else sender.connect(address)
    try:
        yield sender
    finally:
        context.destroy(linger=0)


def array_message(pixels, **keys):
    return [json.dumps({"dtype": str(pixels.dtype), "shape": pixels.shape, **keys}).encode(), pixels.tobytes()]


def read_until(source, send, found):
    """Send and read until a frame fits. A subscription takes a while to reach the publisher."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        send()
        frame = source.read(0.05)
        if frame is not None and found(frame):
            return frame
    raise AssertionError(f"no frame came: {source.status()}")


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def rendered(index, pixels=PIXELS):
    return RenderedFrame(pixels, index=index, source_index=index - 1, captured_at=time.monotonic_ns(), revision=4)


BAD_MESSAGES = {
    "header": [b"not json", b"1234"],
    "dtype": array_message(np.zeros((4, 4, 3), np.complex64)),
    "shape": [json.dumps({"dtype": "uint8", "shape": [20_000, 20_000, 3]}).encode(), b"1234"],
    "size": [array_message(PIXELS)[0], PIXELS.tobytes()[:-7]],
    "format": array_message(PIXELS, format="nv12"),
    "parts": [b"one part"],
}


def plain_reader(address, way="connect", **options):
    """Open a SUB socket with plain pyzmq."""
    context = zmq.Context()
    reader = context.socket(zmq.SUB)
    reader.setsockopt(zmq.SUBSCRIBE, b"")
    for name, value in options.items():
        reader.setsockopt(getattr(zmq, name), value)
    reader.bind(address) if way == "bind" else reader.connect(address)
    return context, reader
