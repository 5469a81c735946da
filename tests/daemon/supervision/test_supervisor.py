"""Supervisor with real renderer processes of the echo model: killed, stopped and swapped."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator

import psutil
import pytest
from rig import ECHO, Rig, until

from daemon.link.client import LinkClient
from daemon.renderer.echo_stream import arrival_stamp
from daemon.shared.clock import NS, SystemClock
from presets.build import Build
from presets.parameters import Parameters


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as rig:
        yield rig


@pytest.fixture(scope="module")
def unharmed() -> Iterator[Rig]:
    """A rig for tests that send what it refuses, and leave it as it was."""
    with Rig() as rig:
        yield rig


def test_picture_keeps_its_stamps(rig: Rig) -> None:
    until(lambda: rig.aired)
    assert rig.aired[-1].source_index == -1
    assert rig.aired[-1].pixels[-1, -1].tolist() == [7, 7, 7], "the seed of the parameters"
    rig.revision = 2
    rig.show(99)
    until(lambda: rig.aired[-1].source_index == 1)
    shown = rig.aired[-1]
    assert shown.pixels[-1, -1].tolist() == [99, 99, 99]
    assert rig.frame is not None
    assert shown.captured_at == rig.frame.captured_at
    assert shown.captured_at < arrival_stamp(shown.pixels) < time.monotonic_ns()
    assert shown.revision == 2
    assert not shown.pixels.flags.writeable


def test_still_source_is_drawn_once(rig: Rig) -> None:
    until(lambda: rig.aired)
    rig.show(50)
    until(lambda: rig.aired[-1].source_index == 1)
    time.sleep(0.4)
    still = len(rig.aired)
    assert still <= rig.aired[-1].index
    time.sleep(0.4)
    assert len(rig.aired) == still
    rig.revision = 5
    rig.link.ring()
    until(lambda: rig.aired[-1].revision == 5)
    assert rig.aired[-1].source_index == 1
    assert len(rig.aired) == still + 1


def test_killed_renderer_is_replaced(rig: Rig) -> None:
    until(lambda: len(rig.aired) > 3)
    rig.parameters = Parameters(seed=11)
    rig.revision = 3
    first, last = rig.pid, rig.aired[-1].index
    os.kill(first, signal.SIGKILL)
    until(lambda: rig.pid not in (0, first) and rig.aired[-1].pixels[-1, -1, 0] == 11)
    assert rig.aired[-1].index > last
    assert rig.aired[-1].revision == 3
    assert rig.changeover.restarts == 1
    assert "signal 9" in rig.changeover.last_failure


@pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP is POSIX")
def test_stuck_renderer_is_replaced(rig: Rig) -> None:
    until(lambda: rig.aired)
    first = rig.pid
    os.kill(first, signal.SIGSTOP)
    until(lambda: rig.changeover.restarts == 1)
    assert "said nothing" in rig.changeover.last_failure
    until(lambda: rig.pid not in (0, first) and not psutil.pid_exists(first))
    count = len(rig.aired)
    until(lambda: len(rig.aired) > count)


def test_other_build_takes_over(rig: Rig) -> None:
    until(lambda: rig.aired)
    first = rig.pid
    rig.wanted = Build(model="echo", width=128, height=96)
    until(lambda: rig.aired[-1].pixels.shape == (96, 128, 3))
    shapes = [frame.pixels.shape[0] for frame in rig.aired]
    assert shapes == sorted(shapes), "after the switch the old one is not shown"
    until(lambda: not psutil.pid_exists(first))
    assert rig.changeover.restarts == 0


def test_impossible_build_is_tried_once(caplog: pytest.LogCaptureFixture) -> None:
    """The first one says why nothing plays. Another leaves what plays on air."""
    with Rig(Build(model="/nowhere/at/all", width=64, height=64)) as rig:
        until(lambda: rig.supervisor.status()["phase"] == "down" and rig.changeover.last_failure)
        wait = (rig.changeover.pacing.next_start - rig.clock.now()) / NS
        assert wait > 30
        assert "/nowhere/at/all" in rig.told[-1], "the slate says why"
        assert "/nowhere/at/all" in rig.supervisor.status()["text"]
        rig.wanted = ECHO
        until(lambda: rig.aired)
        assert not rig.went_back
        first = rig.pid
        caplog.clear()
        rig.wanted = Build(model="/nowhere/else", width=64, height=64)
        until(lambda: rig.went_back, seconds=60)
        build, reason = rig.went_back[0]
        assert build == ECHO
        assert "/nowhere/else" in reason
        count = len(rig.aired)
        until(lambda: len(rig.aired) > count)
        assert rig.pid == first, "the one on air played on"
        assert caplog.text.count("gave no picture") == 1


def test_width_and_height_start_one_renderer(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    until(lambda: rig.lineup.on_air)
    caplog.set_level("INFO")
    rig.wanted = Build(model="echo", width=128, height=64)
    time.sleep(0.15)
    rig.wanted = Build(model="echo", width=128, height=96)
    until(lambda: rig.aired[-1].pixels.shape == (96, 128, 3))
    assert caplog.text.count("starting a renderer") == 1


def test_failed_process_start_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with Rig() as rig:
        until(lambda: "can't be started" in rig.changeover.last_failure)
        monkeypatch.undo()
        until(lambda: rig.aired)
        assert len(rig.link._reports) == 1, "a renderer that never started is forgotten"


def test_pause_of_stage_ends_no_renderer(rig: Rig) -> None:
    until(lambda: rig.aired and rig.supervisor.status()["phase"] == "playing")
    pid = rig.pid
    ahead = SystemClock()
    rig.clock.now = lambda: ahead.now() + 60 * NS  # type: ignore[method-assign]
    count = len(rig.aired)
    until(lambda: len(rig.aired) > count + 3)
    assert rig.changeover.restarts == 0
    assert rig.pid == pid


def test_link_forgets_lost_renderers(rig: Rig) -> None:
    for _ in range(3):
        until(lambda: rig.pid and rig.supervisor.status()["phase"] == "playing")
        pid = rig.pid
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: rig.pid not in (0, pid))
        count = len(rig.aired)
        until(lambda count=count: len(rig.aired) > count)
    assert len(rig.link._connections) == 1
    assert 0 <= rig.link._asks_waiting <= 1


@pytest.mark.parametrize(
    "message",
    [
        {"type": "ask", "width": float("inf"), "height": 64, "patience": 0.1},
        {"type": "ask", "width": 0, "height": 64, "patience": 0.1},
        {"type": "ask", "width": 10**9, "height": 64, "patience": 0.1},
        {"type": "ask", "width": 64, "height": 64, "patience": float("nan")},
        {"type": "delivery"},
        {"type": "progress", "phase": ["playing"]},
        {"type": "description", "values": 7},
        [],
        7,
    ],
)
def test_malformed_message_is_refused(unharmed: Rig, message: object) -> None:
    rig = unharmed
    report = rig.link.expect()
    until(lambda: rig.aired)
    refused = rig.link.refused
    connection = LinkClient(rig.link.endpoint, report.token)
    connection._socket.send(json.dumps(message).encode())
    until(lambda: rig.link.refused > refused)
    assert rig.link.refused == refused + 1
    count = len(rig.aired)
    until(lambda: len(rig.aired) > count)
    connection.close()
    rig.link.forget(report)


def test_stranger_without_token_is_refused(unharmed: Rig) -> None:
    rig = unharmed
    until(lambda: rig.aired)
    refused = rig.link.refused
    stranger = LinkClient(rig.link.endpoint, "0" * 32)
    stranger.failed("a stranger fails")
    until(lambda: rig.link.refused > refused)
    assert rig.changeover.last_failure == ""
    stranger.close()


def test_renderer_ends_with_its_stage(rig: Rig) -> None:
    until(lambda: rig.lineup.on_air)
    process = psutil.Process(rig.pid)
    renderer = rig.lineup.on_air
    assert renderer is not None
    stdin = renderer._process.stdin
    assert stdin is not None
    stdin.close()  # as the kernel does when the stage is gone
    psutil.wait_procs([process], timeout=10)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
