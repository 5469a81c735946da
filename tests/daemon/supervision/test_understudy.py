"""Understudies, with real processes of the echo model: one steps in for a renderer that is killed or falls silent."""

import os
import signal
import sys
from collections.abc import Iterator

import psutil
import pytest
from rig import ECHO, Rig, until

from daemon.supervision import understudy
from daemon.supervision.lineup import Lineup, LineupState
from daemon.supervision.renderer_process import RendererProcess
from presets.build import Build

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(understudy, "START_AFTER", 0.0)
    with Rig(understudy="on", silence=20.0) as rig:
        yield rig


def pair(rig: Rig) -> tuple[RendererProcess, RendererProcess]:
    """Return the renderer on air and its understudy once that is loaded."""
    until(lambda: rig.supervisor.status()["understudy"]["state"] == "ready")
    on_air, waiting = rig.lineup.on_air, rig.lineup.understudy
    assert on_air is not None
    assert waiting is not None
    return on_air, waiting


def test_understudy_draws_only_when_needed(rig: Rig) -> None:
    on_air, waiting = pair(rig)
    status = rig.supervisor.status()["understudy"]
    assert status["pid"] == waiting.pid
    assert status["mib"] > 10
    assert psutil.Process(waiting.pid).nice() > psutil.Process(on_air.pid).nice()
    rig.show(1)
    until(lambda: rig.aired[-1].source_index == 1)
    heard = waiting.report.heard_at
    until(lambda: waiting.report.heard_at > heard)  # it asks again and again
    assert not waiting.delivers
    os.kill(on_air.pid, signal.SIGKILL)
    rig.show(2)
    until(lambda: rig.aired[-1].source_index == 2)
    assert rig.by[-1] is waiting.report
    assert rig.pid == waiting.pid
    assert rig.changeover.restarts == 1
    assert pair(rig)[0] is waiting, "it has an understudy of its own"


def test_first_picture_of_a_still_source_is_shown(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come before the supervisor has put the understudy into its new part."""
    on_air, waiting = pair(rig)
    become = rig.changeover._become

    def late(lineup: Lineup, grace: float = 0.0) -> None:
        if lineup.candidate is waiting:
            until(lambda: waiting.delivers)
        become(lineup, grace)

    monkeypatch.setattr(rig.changeover, "_become", late)
    rig.show(1)
    until(lambda: rig.aired[-1].source_index == 1)
    os.kill(on_air.pid, signal.SIGKILL)
    until(lambda: on_air._process.poll() is not None)
    rig.show(2)
    until(lambda: rig.aired[-1].source_index == 2)


def test_silent_renderer_is_replaced(rig: Rig) -> None:
    on_air, waiting = pair(rig)
    os.kill(on_air.pid, signal.SIGSTOP)
    until(lambda: rig.lineup.on_air is waiting)
    assert "silent" in rig.changeover.last_failure
    until(lambda: not psutil.pid_exists(on_air.pid))


def test_lost_understudy_is_told(rig: Rig) -> None:
    on_air, waiting = pair(rig)
    os.kill(waiting.pid, signal.SIGKILL)
    until(lambda: rig.supervisor.status()["understudy"]["state"] == "none")
    assert "signal 9" in rig.supervisor.status()["understudy"]["reason"]
    assert rig.lineup.on_air is on_air
    assert rig.changeover.restarts == 0


def test_both_killed_at_once(rig: Rig) -> None:
    for renderer in pair(rig):
        os.kill(renderer.pid, signal.SIGKILL)
    count = len(rig.aired)
    until(lambda: rig.lineup.state is LineupState.PLAYING and len(rig.aired) > count + 2)


def test_other_build_ends_the_understudy(rig: Rig) -> None:
    _, waiting = pair(rig)
    rig.wanted = Build(model="echo", width=128, height=96)
    until(lambda: rig.on_air_build == rig.wanted)
    until(lambda: not psutil.pid_exists(waiting.pid))
    assert pair(rig)[1].build == rig.wanted


def test_steps_in_while_other_is_built(rig: Rig) -> None:
    on_air, waiting = pair(rig)
    rig.wanted = Build(model="echo", width=128, height=64)
    until(lambda: rig.lineup.candidate is not None)
    candidate = rig.lineup.candidate
    assert candidate is not None
    os.kill(candidate.pid, signal.SIGSTOP)
    os.kill(on_air.pid, signal.SIGKILL)
    until(lambda: rig.lineup.on_air is waiting)
    assert rig.on_air_build == ECHO
    os.kill(candidate.pid, signal.SIGCONT)
    until(lambda: rig.on_air_build == rig.wanted)


def test_short_memory_is_the_reason(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(understudy, "MARGIN", 1 << 60)
    until(lambda: rig.aired)
    until(lambda: "memory is too short" in rig.supervisor.status()["understudy"]["reason"])
    assert rig.lineup.understudy is None


def test_gpu_has_one_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(understudy, "START_AFTER", 0.0)
    with Rig(understudy="auto") as rig:
        on_air, _ = pair(rig)
        rules = rig.changeover.understudies
        assert not rules._obstacle(on_air)
        on_air.report.description = type(on_air.report.description)({"device": "cuda"})
        assert "--understudy on" in rules._obstacle(on_air)
