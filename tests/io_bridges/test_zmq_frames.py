"""ZeroMQ frames over real sockets: newest wins, refusals are counted, ports are released, readers cost nothing."""

import functools
import logging
import socket
import struct
import sys
import threading
import time

import numpy as np
import pytest
import zmq
from zmq_rig import (
    ANY_PORT,
    BAD_MESSAGES,
    PATIENCE,
    PIXELS,
    array_message,
    opened,
    publisher,
    read_until,
    rendered,
)

from io_bridges.frames import Tick
from io_bridges.zmq_keys import FOLDER_VARIABLE, KeyFolder
from io_bridges.zmq_sink import BindingZmqSink, ConnectingZmqSink
from io_bridges.zmq_source import BindingZmqSource, ConnectingZmqSource
from presets.errors import BridgeError, BridgeUnavailable


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


def test_note_while_all_frames_are_refused():
    with opened(BindingZmqSource(ANY_PORT)) as source, publisher(source.status()["address"]) as sender:
        end = time.monotonic() + PATIENCE
        while not source.status()["refused"] and time.monotonic() < end:
            sender.send(bytes(64))
            assert source.read(0.05) is None
        status = source.status()
        assert status["note"].startswith(f"messages come and are refused ({sum(status['refused'].values())}): ")
        read_until(source, lambda: sender.send_multipart(array_message(PIXELS)), lambda frame: True)
        assert source.status()["note"] == ""


def test_imagezmq_publisher():
    with publisher(ANY_PORT, "bind") as sender:
        address = sender.getsockopt_string(zmq.LAST_ENDPOINT)
        bgr = np.ascontiguousarray(PIXELS[:, :, ::-1])

        def send():  # SerializingContext.send_array of imagezmq.
            sender.send_json({"msg": "camera", "dtype": str(bgr.dtype), "shape": bgr.shape}, zmq.SNDMORE)
            sender.send(bgr, copy=False, track=False)

        with opened(ConnectingZmqSource(address)) as source:
            assert np.array_equal(read_until(source, send, lambda frame: True).pixels, PIXELS)


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


def test_reader_is_in_step_after_a_stall():
    """The backlog of a stall is passed over: the frame that comes back was sent when the reader was awake again."""
    stop = threading.Event()
    pixels = np.zeros((720, 1280, 3), np.uint8)
    pixels.flags.writeable = False

    def send(sink):
        number = 0
        while not stop.wait(0.008):
            sink.write(rendered(number, pixels), Tick(number, 0, repeated=False))
            number += 1

    with opened(BindingZmqSink(ANY_PORT), 1280, 720, 120.0) as sink:
        thread = threading.Thread(target=send, args=[sink])
        thread.start()
        with opened(ConnectingZmqSource(sink.status()["address"])) as source:
            read_until(source, lambda: None, lambda frame: True)
            is_new = []
            for _ in range(7):
                time.sleep(0.25)
                woke = time.monotonic_ns()
                is_new.append(source.read(1.0).captured_at > woke - 25_000_000)
        stop.set()
        thread.join()
    assert sum(is_new) >= 4, "most were sent during the stall"


def test_flood_is_read_without_waiting():
    """A reader that keeps up with a flood gets most of its frames: it has no backlog to wait for."""
    stop = threading.Event()
    with opened(BindingZmqSource(ANY_PORT)) as source, publisher(source.status()["address"]) as sender:
        read_until(source, lambda: sender.send_multipart(array_message(PIXELS)), lambda frame: True)

        def send():
            message = array_message(PIXELS)
            while not stop.wait(0.001):
                sender.send_multipart(message)

        before = source.status()
        thread = threading.Thread(target=send)
        thread.start()
        while source.status()["pictures"] + source.status()["dropped"] < before["pictures"] + 500:
            source.read(0.5)
        stop.set()
        thread.join()
        after = source.status()
    read, dropped = after["pictures"] - before["pictures"], after["dropped"] - before["dropped"]
    assert read > dropped / 9


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


def test_foreign_address_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    KeyFolder().make("client", tmp_path)
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


@pytest.mark.skipif(not zmq.has("ipc") or sys.platform == "win32", reason="it wants sockets with a path")
@pytest.mark.parametrize("kind", [BindingZmqSink, BindingZmqSource])
def test_paths_of_others_are_left_alone(tmp_path, kind):
    def opened_at(path):
        bridge = kind(f"ipc://{path}")
        bridge.open(*((8, 8, 30.0) if kind is BindingZmqSink else ()))
        return bridge

    file = tmp_path / "clip.mp4"
    file.write_bytes(b"frames")
    with pytest.raises(BridgeUnavailable, match="is not a socket"):
        opened_at(file)
    assert file.read_bytes() == b"frames"
    with pytest.raises(BridgeUnavailable, match="Cannot bind"):
        opened_at(tmp_path / (300 * "a"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(tmp_path / "taken"))
        other.listen()
        with pytest.raises(BridgeUnavailable, match="is in use"):
            opened_at(tmp_path / "taken")
        assert (tmp_path / "taken").is_socket()
    opened_at(tmp_path / "taken").close()  # its program is gone
