"""The renderer link where there is no ipc: a loopback port, on Windows and as on Windows."""

import sys

import pytest
import zmq

from daemon.link.client import LinkClient
from daemon.link.endpoint import bind
from daemon.link.messages import decode_message


@pytest.fixture(autouse=True)
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")


def test_link_is_a_loopback_port() -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.linger = 0
        endpoint, folder = bind(router)
        assert folder is None
        assert endpoint.startswith("tcp://127.0.0.1:")
        client = LinkClient(endpoint, "token of one run")
        assert router.poll(10_000)
        _, *parts = router.recv_multipart()
        assert getattr(decode_message(parts), "token", "") == "token of one run"
        client.close()


def test_two_shows_have_two_ports() -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as one, context.socket(zmq.ROUTER) as other:
        assert bind(one)[0] != bind(other)[0]
