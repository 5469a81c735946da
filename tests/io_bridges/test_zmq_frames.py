"""ZeroMQ frames over real sockets: newest wins, refusals are counted, ports are released, readers cost nothing."""

import functools
import json
import logging
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import zmq

from io_bridges.card import draw_card
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.pixels import read_only
from io_bridges.zmq_sink import BindingZmqSink, ConnectingZmqSink
from io_bridges.zmq_source import BindingZmqSource, ConnectingZmqSource
from presets.errors import BridgeError, BridgeUnavailable

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


def test_documented_array_message():
    with opened(BindingZmqSource(ANY_PORT)) as source, publisher(source.status()["address"]) as sender:
        frame = read_until(source, lambda: sender.send_multipart(array_message(PIXELS)), lambda frame: True)
        assert np.array_equal(frame.pixels, PIXELS)
        assert not frame.pixels.flags.writeable
        touch_designer = array_message(
            np.ascontiguousarray(np.dstack([PIXELS, PIXELS[:, :, :1]])[::-1]), format="rgba", origin="bottom-left"
        )
        read_until(
            source,
            lambda: sender.send_multipart(touch_designer),
            lambda frame: source.status()["pictures"] > 3 and np.array_equal(frame.pixels, PIXELS),
        )
        assert source.status()["senders"] == 1


def test_imagezmq_publisher():
    with publisher(ANY_PORT, "bind") as sender:
        address = sender.getsockopt_string(zmq.LAST_ENDPOINT)
        bgr = np.ascontiguousarray(PIXELS[:, :, ::-1])

        def send():  # SerializingContext.send_array of imagezmq.
            sender.send_json({"msg": "camera", "dtype": str(bgr.dtype), "shape": bgr.shape}, zmq.SNDMORE)
            sender.send(bgr, copy=False, track=False)

        with opened(ConnectingZmqSource(address)) as source:
            assert np.array_equal(read_until(source, send, lambda frame: True).pixels, PIXELS)


@contextmanager
def imagezmq_sender(*arguments):
    """Start a second process with a real `imagezmq.ImageSender`, which sends one picture again and again."""
    lines = [
        "import cv2, imagezmq, sys",
        "from io_bridges.card import draw_card",
        "card = draw_card(3, 64, 48)[:, :, ::-1].copy()",
        "sender = imagezmq.ImageSender(connect_to=sys.argv[1], REQ_REP=sys.argv[2] == 'REQ')",
        "send = sender.send_jpg if sys.argv[3] == 'jpg' else sender.send_image",
        "picture = cv2.imencode('.png', card)[1] if sys.argv[3] == 'jpg' else card",
        "print(*(send('camera', picture) for _ in range(3)), flush=True)",
        "while True: send('camera', picture)",
    ]
    command = [sys.executable, "-c", "\n".join(lines), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", ["raw", "jpg"])
def test_imagezmq_default_sender(kind):
    """The default sender of imagezmq waits for an answer to each picture."""
    with opened(BindingZmqSource(ANY_PORT, "rep")) as source:
        with imagezmq_sender(source.status()["address"], "REQ", kind) as sender:
            frame = read_until(source, lambda: None, lambda frame: True)
            assert np.array_equal(frame.pixels, PIXELS)
            read_until(source, lambda: None, lambda frame: frame.index > 4)
            assert source.status()["senders"] == 1
        assert sender.returncode


def test_imagezmq_real_publisher():
    address = f"tcp://127.0.0.1:{free_port()}"
    with opened(ConnectingZmqSource(address)) as source, imagezmq_sender(address, "PUB", "jpg"):
        assert np.array_equal(read_until(source, lambda: None, lambda frame: True).pixels, PIXELS)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_pushed_frames():
    context = zmq.Context()
    with opened(BindingZmqSource(ANY_PORT, "pull")) as source:
        sender = context.socket(zmq.PUSH)
        sender.connect(source.status()["address"])
        frame = read_until(source, lambda: sender.send_multipart(array_message(PIXELS)), lambda frame: True)
        assert np.array_equal(frame.pixels, PIXELS)
    context.destroy(linger=0)


def test_refused_request_is_answered():
    context = zmq.Context()
    with opened(BindingZmqSource(ANY_PORT, "rep")) as source:
        sender = context.socket(zmq.REQ)
        sender.connect(source.status()["address"])
        for parts, answer in ((BAD_MESSAGES["format"], "format must be"), (array_message(PIXELS), "OK")):
            sender.send_multipart(parts)
            while not sender.poll(0):
                source.read(0.05)
            assert sender.recv_string().startswith(answer)
    context.destroy(linger=0)


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.PUSH, zmq.DEALER])
def test_sender_of_another_type_is_told(kind, caplog):
    context = zmq.Context()
    with opened(BindingZmqSource(ANY_PORT)) as source:
        sender = context.socket(kind)
        sender.connect(source.status()["address"])
        with caplog.at_level(logging.WARNING):
            wait_for(lambda: source.read(0.02) or source.status()["note"])
        assert "?socket=pull for a PUSH socket or ?socket=rep for a REQ or DEALER socket" in caplog.text
        assert source.status()["senders"] == 0
        with publisher(source.status()["address"]) as right:
            read_until(source, lambda: right.send_multipart(array_message(PIXELS)), lambda frame: True)
            assert source.status()["note"] == ""
            assert source.status()["senders"] == 1
    context.destroy(linger=0)


def test_slow_reader_gets_newest_frame():
    frames = 200
    sent = 0
    with opened(BindingZmqSource(ANY_PORT)) as source, publisher(source.status()["address"]) as sender:
        read_until(source, lambda: sender.send_multipart(array_message(PIXELS, index=0)), lambda frame: True)
        stop = threading.Event()

        def send():
            nonlocal sent
            while sent < frames and not stop.is_set():
                pixels = np.full((256, 256, 3), sent, np.uint8)
                sender.send_multipart(array_message(pixels))
                sent += 1
                time.sleep(0.005)

        thread = threading.Thread(target=send)
        thread.start()
        behind = []
        newest = None
        while thread.is_alive():
            time.sleep(0.05)  # A reader ten times slower than the sender.
            already = sent
            frame = source.read(0.0)
            if frame is not None and frame.pixels.shape == (256, 256, 3):
                newest = int(frame.pixels[0, 0, 0])
                behind.append(already - 1 - newest)
        stop.set()
        thread.join()
        while (frame := source.read(0.5)) is not None:
            newest = int(frame.pixels[0, 0, 0])
        assert newest == frames - 1
        assert sorted(behind)[len(behind) // 2] <= 20  # A first-in, first-out queue would be about 90 behind.
        assert source.status()["dropped"] > 50
        assert source.status()["pictures"] < 150


BAD_MESSAGES = {
    "header": [b"not json", b"1234"],
    "dtype": array_message(np.zeros((4, 4, 3), np.complex64)),
    "shape": [json.dumps({"dtype": "uint8", "shape": [20_000, 20_000, 3]}).encode(), b"1234"],
    "size": [array_message(PIXELS)[0], PIXELS.tobytes()[:-7]],
    "format": array_message(PIXELS, format="nv12"),
    "parts": [b"one part"],
}


def test_refusals_are_counted_by_reason(caplog):
    with opened(BindingZmqSource(ANY_PORT)) as source, publisher(source.status()["address"]) as sender:
        read_until(source, lambda: sender.send_multipart(array_message(PIXELS)), lambda frame: True)
        with caplog.at_level(logging.WARNING):
            for parts in BAD_MESSAGES.values():
                for _ in range(5):
                    sender.send_multipart(parts)
            sender.send_multipart([b"x"] * 2000)
            deadline = time.monotonic() + PATIENCE
            while sum(source.status()["refused"].values()) < 31 and time.monotonic() < deadline:
                source.read(0.05)
        assert source.status()["refused"] == {"header": 5, "dtype": 5, "shape": 5, "size": 5, "format": 5, "parts": 6}
        assert 1 <= len(caplog.records) < 10
        before = source.status()["pictures"]
        frame = read_until(source, lambda: sender.send_multipart(array_message(PIXELS)), lambda frame: True)
        assert np.array_equal(frame.pixels, PIXELS)
        assert frame.index == before


def test_refusal_does_not_hide_a_frame():
    with opened(BindingZmqSource(ANY_PORT)) as source, publisher(source.status()["address"]) as sender:
        read_until(source, lambda: sender.send_multipart(array_message(PIXELS)), lambda frame: True)
        while source.read(0.1) is not None:
            pass
        sender.send_multipart(array_message(PIXELS[:20]))
        sender.send_multipart([b"{", b""])
        frame = source.read(PATIENCE)
        assert frame is not None
        assert frame.pixels.shape == (20, 64, 3)


def test_only_plausible_capture_times_count():
    with opened(BindingZmqSource(ANY_PORT)) as source, publisher(source.status()["address"]) as sender:
        sent = time.monotonic_ns()
        keys = {"captured_at": sent}
        frame = read_until(source, lambda: sender.send_multipart(array_message(PIXELS, **keys)), lambda frame: True)
        assert frame.captured_at == sent
        for height, wrong in ((8, 0), (9, sent + 10**12), (10, max(1, sent - 10**11))):
            parts = array_message(PIXELS[:height], captured_at=wrong)
            send = functools.partial(sender.send_multipart, parts)
            frame = read_until(source, send, lambda frame, height=height: len(frame.pixels) == height)
            assert sent < frame.captured_at <= time.monotonic_ns()


def test_port_in_use_and_released():
    first = BindingZmqSource(ANY_PORT)
    first.open()
    address = first.status()["address"]
    port = address.rpartition(":")[2]
    for second in (BindingZmqSource(address), BindingZmqSink(address)):
        with pytest.raises(BridgeUnavailable, match=f"Port {port} is in use"):
            second.open(*((64, 48, 30.0) if isinstance(second, BindingZmqSink) else ()))
    first.close()
    first.close()
    for _ in range(20):
        again = BindingZmqSource(address)
        again.open()
        again.close()


def test_foreign_address_is_refused():
    with pytest.raises(BridgeUnavailable, match="not an address of this machine"):
        BindingZmqSource("tcp://203.0.113.7:5555").open()
    with pytest.raises(BridgeUnavailable, match="Cannot bind"):
        BindingZmqSource("ipc:///nowhere/at/all/frames").open()


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_ipv6_address():
    with (
        opened(BindingZmqSource("tcp://[::1]:0")) as source,
        opened(ConnectingZmqSink(source.status()["address"]), 64, 48, 30.0) as sink,
    ):
        frame = read_until(source, lambda: sink.write(rendered(0), Tick(0, 0, repeated=False)), lambda frame: True)
        assert np.array_equal(frame.pixels, PIXELS)


def test_huge_message_is_cut_off():
    """Announce a message of 64 GiB: that sender is disconnected, and other senders are not."""
    with opened(BindingZmqSource(ANY_PORT)) as source, publisher(source.status()["address"]) as good:
        host, _, port = source.status()["address"].removeprefix("tcp://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as hostile:
            greeting = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
            hostile.sendall(greeting)
            command = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 3) + b"PUB"
            hostile.sendall(b"\x04" + bytes([len(command)]) + command)
            hostile.sendall(b"\x02" + struct.pack(">Q", 64 << 30) + b"x" * 100)
            hostile.settimeout(PATIENCE)
            try:
                while hostile.recv(4096):
                    pass  # The greeting and the subscription.
            except ConnectionResetError:
                pass
        frame = read_until(source, lambda: good.send_multipart(array_message(PIXELS)), lambda frame: True)
        assert np.array_equal(frame.pixels, PIXELS)


def test_use_before_open_is_an_error():
    with pytest.raises(BridgeError, match="before it was open"):
        BindingZmqSource(ANY_PORT).read(0.0)
    with pytest.raises(BridgeError, match="before it was open"):
        BindingZmqSink(ANY_PORT).write(rendered(0), Tick(0, 0, repeated=False))


def test_source_reopens_and_counts_from_0():
    source = BindingZmqSource(ANY_PORT)
    for _ in range(2):
        with opened(source), publisher(source.status()["address"]) as sender:
            frame = read_until(source, lambda: sender.send_multipart(array_message(PIXELS)), lambda frame: True)
            assert frame.index == 0


def plain_reader(address, way="connect", **options):
    """Open a SUB socket with plain pyzmq."""
    context = zmq.Context()
    reader = context.socket(zmq.SUB)
    reader.setsockopt(zmq.SUBSCRIBE, b"")
    for name, value in options.items():
        reader.setsockopt(getattr(zmq, name), value)
    reader.bind(address) if way == "bind" else reader.connect(address)
    return context, reader


def test_sink_writes_array_messages():
    with opened(BindingZmqSink(ANY_PORT), 64, 48, 30.0) as sink:
        context, reader = plain_reader(sink.status()["address"])
        wait_for(lambda: sink.write(rendered(6), Tick(9, 0, repeated=True)) or reader.poll(10))
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
