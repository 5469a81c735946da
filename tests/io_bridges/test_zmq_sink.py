"""The ZeroMQ sink over real sockets: array messages, readers that are stuck or gone."""

import time

import numpy as np
import zmq
from zmq_rig import ANY_PORT, PIXELS, opened, plain_reader, read_until, rendered, wait_for

from io_bridges.frames import Tick
from io_bridges.pixels import read_only
from io_bridges.zmq_sink import BindingZmqSink, ConnectingZmqSink
from io_bridges.zmq_source import ConnectingZmqSource


def test_sink_writes_array_messages():
    with opened(BindingZmqSink(ANY_PORT), 64, 48, 30.0) as sink:
        context, reader = plain_reader(sink.status()["address"])
        wait_for(lambda: sink.write(rendered(6), Tick(9, 300_000_000, repeated=True)) or reader.poll(10))
        header, buffer = reader.recv_json(), reader.recv()
        # The event of the connection may come after the first frame.
        wait_for(lambda: sink.write(rendered(7), Tick(10, 0, repeated=False)) or sink.status()["readers"] == 1)
        context.destroy(linger=0)
    pixels = np.frombuffer(buffer, dtype=header["dtype"]).reshape(header["shape"])
    assert np.array_equal(pixels, PIXELS)
    assert header.pop("captured_at") > 0
    assert header == {
        "dtype": "uint8",
        "shape": [48, 64, 3],
        "format": "rgb",
        "origin": "top-left",
        "index": 6,
        "tick": 9,
        "at": 300_000_000,
        "revision": 4,
        "source_index": 5,
        "repeated": True,
    }


def test_stuck_reader_costs_nothing():
    pixels = read_only(np.zeros((512, 512, 3), np.uint8))
    with opened(BindingZmqSink(ANY_PORT), 512, 512, 60.0) as sink:
        address = sink.status()["address"]
        stuck, _ = plain_reader(address, RCVHWM=1)
        wait_for(lambda: sink.write(rendered(0, pixels), Tick(0, 0, repeated=False)) or sink.status()["readers"] == 1)
        slowest = 0.0
        for index in range(300):  # 236 MB, far more than the buffers on the way hold.
            start = time.monotonic()
            sink.write(rendered(index, pixels), Tick(index, 0, repeated=False))
            slowest = max(slowest, time.monotonic() - start)
        assert slowest < 5.0  # A write that waits for the reader would never return.
        late = ConnectingZmqSource(address)
        with opened(late):
            index = 300

            def send():
                nonlocal index
                index += 1
                sink.write(
                    rendered(index, read_only(np.full((16, 16, 3), 77, np.uint8))), Tick(index, 0, repeated=False)
                )

            frame = read_until(late, send, lambda frame: True)
            assert frame.pixels.shape == (16, 16, 3)  # No frame from before it connected.
        stuck.destroy(linger=0)
        wait_for(lambda: sink.write(rendered(0), Tick(0, 0, repeated=False)) or sink.status()["readers"] == 0)


def test_writable_pixels_are_copied():
    pixels = np.full((256, 256, 3), 5, np.uint8)
    with opened(BindingZmqSink(ANY_PORT), 256, 256, 30.0) as sink:
        context, reader = plain_reader(sink.status()["address"])
        wait_for(lambda: sink.write(rendered(0), Tick(0, 0, repeated=False)) or reader.poll(10))
        for index in range(1, 30):
            pixels[:] = index
            sink.write(rendered(index, pixels), Tick(index, 0, repeated=False))
            pixels[:] = 255
        seen = []
        while reader.poll(500):
            header, buffer = reader.recv_json(), reader.recv()
            if header["shape"][0] == 256:
                seen.append((header["index"], set(buffer)))
        context.destroy(linger=0)
    assert seen
    assert all(values == {index} for index, values in seen)


def test_connecting_sink():
    sink = ConnectingZmqSink("tcp://127.0.0.1:1")  # Closed without ever having a reader.
    sink.open(64, 48, 30.0)
    sink.write(rendered(0), Tick(0, 0, repeated=False))
    sink.close()
    context, reader = plain_reader(ANY_PORT, "bind")
    with opened(ConnectingZmqSink(reader.getsockopt_string(zmq.LAST_ENDPOINT)), 64, 48, 30.0) as sink:
        wait_for(lambda: sink.write(rendered(1), Tick(0, 0, repeated=False)) or reader.poll(10))
        assert reader.recv_json()["index"] == 1
    context.destroy(linger=0)
