"""Recovery of a show whose renderer is killed or crashes, with real processes of the echo model."""

import os
import signal
import sys

import pytest
from rig import ECHO, Rig, until

from daemon.shared.clock import NS
from daemon.supervision import changeover
from daemon.supervision.lineup import LineupState
from daemon.supervision.renderer_process import RendererProcess
from daemon.supervision.restart_pacing import KILLS_OF_A_FAILURE
from presets.build import Build

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")

WIDE = Build(model="echo", width=128, height=64)


def playing(rig: Rig) -> RendererProcess:
    """Return the renderer on air once it is the only one."""
    until(lambda: rig.aired and rig.lineup.state is LineupState.PLAYING)
    renderer = rig.lineup.on_air
    assert renderer is not None
    return renderer


def lose(rig: Rig, renderer: RendererProcess) -> int:
    """Kill the renderer on air; return the number of pictures that were shown by then."""
    os.kill(renderer.pid, signal.SIGKILL)
    until(lambda: rig.lineup.on_air is None)
    return len(rig.aired)


def next_candidate(rig: Rig, before: set[int]) -> RendererProcess:
    """Return the candidate once it is another process than those before."""
    until(lambda: rig.lineup.candidate is not None and rig.lineup.candidate.pid not in before)
    candidate = rig.lineup.candidate
    assert candidate is not None
    before.add(candidate.pid)
    return candidate


def send_to_candidates(rig: Rig, number: signal.Signals, times: int) -> None:
    """Send a signal to so many candidates in turn, before each has given a picture."""
    before: set[int] = set()
    for _ in range(times):
        candidate = next_candidate(rig, before)
        os.kill(candidate.pid, number)
        assert not candidate.delivers


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_kills_during_start_do_not_delay(number: signal.Signals) -> None:
    with Rig() as rig:
        os.kill(playing(rig).pid, number)
        send_to_candidates(rig, number, 3)
        until(lambda: rig.lineup.candidate is None)
        assert rig.changeover.pacing.next_start - rig.clock.now() < 1.1 * NS
        count = len(rig.aired)
        until(lambda: len(rig.aired) > count)
        assert not rig.went_back
        assert f"signal {number}" in rig.changeover.last_failure


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_crash_in_native_code_is_a_failure(number: signal.Signals, caplog: pytest.LogCaptureFixture) -> None:
    with Rig() as rig:
        playing(rig)
        rig.wanted = WIDE
        send_to_candidates(rig, number, 2)
        until(lambda: rig.went_back)
        assert rig.went_back[0][0] == ECHO
        assert caplog.text.count("gave no picture") == 2


def test_repeated_kills_count_as_short_memory(caplog: pytest.LogCaptureFixture) -> None:
    """The kernel kills what needs more memory than there is. Two renderers may be the reason."""
    with Rig() as rig:
        playing(rig)
        rig.wanted = WIDE
        send_to_candidates(rig, signal.SIGKILL, KILLS_OF_A_FAILURE)
        until(lambda: "which yields" in caplog.text)
        until(lambda: rig.aired[-1].pixels.shape == (64, 128, 3))
        assert not rig.went_back


def test_other_size_after_kill_keeps_restart() -> None:
    """Nothing was drawn for as long as the other size took to build."""
    with Rig() as rig:
        count = lose(rig, playing(rig))
        rig.wanted = WIDE
        until(lambda: len(rig.aired) > count)
        assert rig.aired[count].pixels.shape == (64, 64, 3), "what played comes back first"
        until(lambda: rig.aired[-1].pixels.shape == (64, 128, 3))


def test_kill_while_other_size_is_built() -> None:
    """The last build comes back, although the candidate is of another size and takes for ever."""
    with Rig() as rig:
        renderer = playing(rig)
        rig.wanted = WIDE
        candidate = next_candidate(rig, set())
        os.kill(candidate.pid, signal.SIGSTOP)
        count = lose(rig, renderer)
        until(lambda: rig.lineup.state is LineupState.BRIDGING)
        until(lambda: len(rig.aired) > count + 2)
        until(lambda: rig.on_air_build == ECHO)
        assert rig.lineup.state is LineupState.SWITCHING
        os.kill(candidate.pid, signal.SIGCONT)
        until(lambda: rig.lineup.on_air is candidate)
        assert rig.lineup.state is LineupState.PLAYING


def test_restart_that_hangs_holds_no_wish_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changeover, "RESTORE_FIRST", 0.5)
    with Rig() as rig:
        os.kill(playing(rig).pid, signal.SIGKILL)
        restart = next_candidate(rig, set())
        os.kill(restart.pid, signal.SIGSTOP)
        rig.wanted = WIDE
        until(lambda: rig.lineup.stand_in is restart)
        until(lambda: rig.on_air_build == WIDE)
        until(lambda: rig.lineup.stand_in is None)
        assert rig.lineup.state is LineupState.PLAYING


def test_failed_build_adopts_restart() -> None:
    """The candidate fails while what played restarts beside it: that one is the wanted build again."""
    with Rig() as rig:
        renderer = playing(rig)
        rig.wanted = Build(model="/nowhere/at/all", width=64, height=64)
        next_candidate(rig, set())
        count = lose(rig, renderer)
        until(lambda: rig.went_back)
        until(lambda: len(rig.aired) > count + 2)
        until(lambda: rig.lineup.state is LineupState.PLAYING)
        assert rig.on_air_build == ECHO
