"""Waiting for sockets, and waking up from it, with any descriptor."""

import socket

import pytest

from io_bridges.wakeup_socket import WakeupSocket, wait_until_readable


def test_call_ends_the_wait() -> None:
    wake = WakeupSocket()
    try:
        assert not wait_until_readable([wake], 0.0)
        wake.call()
        assert wait_until_readable([wake], 20.0)
        wake.clear()
        assert not wait_until_readable([wake], 0.0)
    finally:
        wake.close()


def test_high_descriptors_are_waited_for() -> None:
    """`select.select` refuses descriptors from 1,024 on, which a show with many peers has."""
    fcntl, resource = pytest.importorskip("fcntl"), pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("this system allows fewer open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    one, other = socket.socketpair()
    with one, other, socket.socket(fileno=fcntl.fcntl(one, fcntl.F_DUPFD, 1500)) as high:
        assert high.fileno() >= 1500
        assert not wait_until_readable([high], 0.0)
        other.send(b"x")
        assert wait_until_readable([high], 20.0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
