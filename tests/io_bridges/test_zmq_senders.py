"""Senders of other makes and socket types: imagezmq as it is, PUSH, REQ, and those that cannot be heard."""

import logging
import socket
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import zmq
from zmq_rig import ANY_PORT, BAD_MESSAGES, PIXELS, array_message, opened, publisher, read_until, wait_for

from io_bridges.zmq_source import BindingZmqSource, ConnectingZmqSource


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


def test_sender_beside_a_silent_connection():
    """A connection that never begins its handshake, and ends, takes no sender from the count."""
    context = zmq.Context()
    with opened(BindingZmqSource(ANY_PORT, "pull")) as source:
        host, port = source.status()["address"].removeprefix("tcp://").split(":")
        silent = socket.create_connection((host, int(port)))
        wait_for(lambda: source.read(0.01) is None and source._endpoint._connections)
        sender = context.socket(zmq.PUSH)
        sender.connect(source.status()["address"])
        frames = array_message(PIXELS)
        read_until(source, lambda: sender.send_multipart(frames), lambda frame: True)
        silent.close()
        wait_for(lambda: source.read(0.01) is None and len(source._endpoint._connections) == 1)
        assert source.status()["senders"] == 1
    context.destroy(linger=0)


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
