"""Several renderers of one show, with real processes of the echo model: shared frames, order, losses and feedback."""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator

import psutil
import pytest
from hand_clock import HandClock
from rig import Rig, until

from daemon.link.renderer_report import RendererReport
from daemon.supervision.gpu_choice import GpuChoice, visible_gpus
from daemon.supervision.picture_order import PATIENCE, PictureOrder
from presets.build import Build
from presets.parameters import Parameters

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")

SLOW = Build(model="echo:60", width=64, height=64)
"""Takes 60 ms for each picture."""


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig(SLOW, renderers=3, silence=20.0) as rig:
        rig.parameters = Parameters(seed=7)
        yield rig


def all_play(rig: Rig) -> list[dict[str, object]]:
    """Wait until all three play, and return their status."""
    until(lambda: rig.supervisor.status()["renderers"]["playing"] == 3)
    each: list[dict[str, object]] = rig.supervisor.status()["renderers"]["each"]
    return each


def play(rig: Rig, frames: int, interval: float = 0.03) -> int:
    """Show so many frames; return the index of the first picture in `aired` after that."""
    first = len(rig.aired)
    for _ in range(frames):
        rig.show(rig.serial % 200)
        time.sleep(interval)
    return first


def draws_on(rig: Rig) -> int:
    """Show frames until ten more pictures are drawn, in order; return the index of the first one."""
    first = len(rig.aired)
    until(lambda: play(rig, 1) >= first + 10)
    indices = [frame.source_index for frame in rig.aired[first:]]
    assert indices == sorted(indices)
    return first


def test_frames_are_shared_and_in_order(rig: Rig) -> None:
    assert len({each["pid"] for each in all_play(rig)}) == 3
    first = play(rig, 60)
    until(lambda: rig.aired[-1].source_index == rig.serial)
    indices = [frame.source_index for frame in rig.aired[first:] if frame.source_index > 0]
    assert indices == sorted(indices)
    assert all(count == 1 for count in Counter(indices).values()), "no frame is drawn twice"
    shares = Counter(id(report) for report in rig.by[first:])
    assert len(shares) == 3


def test_change_on_still_source_is_drawn(rig: Rig) -> None:
    all_play(rig)
    time.sleep(0.4)
    still = len(rig.aired)
    time.sleep(0.3)
    assert len(rig.aired) == still, "a still source is drawn once"
    rig.revision += 1
    rig.link.ring()
    until(lambda: rig.aired[-1].revision == rig.revision)
    assert {frame.source_index for frame in rig.aired[still:]} == {rig.serial}, "each has the newest frame"


def test_feedback_is_kept_on_one(rig: Rig) -> None:
    all_play(rig)
    rig.parameters = Parameters(seed=7, feedback=0.5)
    rig.revision += 1
    rig.link.ring()
    time.sleep(0.3)
    first = play(rig, 20)
    until(lambda: rig.aired[-1].source_index == rig.serial)
    assert len({id(report) for report in rig.by[first:]}) == 1
    assert rig.lineup.on_air is not None
    assert rig.by[-1] is rig.lineup.on_air.report
    rig.parameters = Parameters(seed=7)
    rig.revision += 1
    rig.link.ring()
    first = play(rig, 30)
    assert len({id(report) for report in rig.by[first + 3 :]}) == 3, "all draw again"


@pytest.mark.parametrize("victim", [0, 1])
def test_lost_one_is_one_less(rig: Rig, victim: int) -> None:
    """The first one's part is taken by another. Each is started again."""
    pids = [each["pid"] for each in all_play(rig)]
    lost = pids[victim]
    assert isinstance(lost, int)
    restarts = rig.supervisor.status()["restarts"]
    os.kill(lost, signal.SIGKILL)
    first = draws_on(rig)
    assert len({id(report) for report in rig.by[first:]}) >= 2
    until(lambda: lost not in [each["pid"] for each in rig.supervisor.status()["renderers"]["each"]])
    assert rig.supervisor.status()["restarts"] == restarts + 1
    assert {each["pid"] for each in all_play(rig)} > set(pids) - {lost}
    assert not psutil.pid_exists(lost)


def test_stopped_one_is_replaced(rig: Rig) -> None:
    pids = [each["pid"] for each in all_play(rig)]
    stopped = pids[2]
    assert isinstance(stopped, int)
    os.kill(stopped, signal.SIGSTOP)
    draws_on(rig)
    until(lambda: not psutil.pid_exists(stopped))
    assert len(all_play(rig)) == 3


def test_other_build_brings_its_own(rig: Rig) -> None:
    pids = [each["pid"] for each in all_play(rig)]
    rig.wanted = Build(model="echo:40", width=64, height=64)
    until(lambda: rig.on_air_build == rig.wanted)
    until(lambda: not any(psutil.pid_exists(pid) for pid in pids if isinstance(pid, int)))
    all_play(rig)
    assert {peer.build for peer in rig.lineup.peers} == {rig.wanted}


def delivered(report: RendererReport, turn: int) -> RendererReport:
    report.deliveries = type(report.deliveries)(turn=turn)
    return report


def test_late_picture_is_dropped() -> None:
    clock = HandClock()
    order = PictureOrder(clock)
    one, two = (RendererReport(name, 0, SLOW) for name in ("one", "two"))
    assert order.takes(delivered(one, 5), 1)
    assert not order.takes(delivered(two, 4), 1)
    assert (order.late, two.late, one.late) == (1, 1, 0)
    assert order.takes(delivered(two, 6), 1)


def test_prompts_do_not_take_turns() -> None:
    """A renderer that still has the old prompt waits until it has the new one, or is the only one that draws."""
    clock = HandClock()
    order = PictureOrder(clock)
    one, two = (RendererReport(name, 0, SLOW) for name in ("one", "two"))
    assert order.takes(delivered(one, 1), 8)
    assert not order.takes(delivered(two, 2), 7)
    assert order.takes(delivered(two, 3), 8)
    clock.time += PATIENCE + 1
    assert order.takes(delivered(one, 4), 7)


def test_pictures_of_other_build_are_shown() -> None:
    order = PictureOrder(HandClock())
    assert order.takes(delivered(RendererReport("one", 0, SLOW), 9), 3)
    assert order.takes(delivered(RendererReport("two", 0, SLOW.with_accelerator("eager")), 2), 1)


def test_renderers_are_spread_over_gpus() -> None:
    choice = GpuChoice(4, visible_gpus({"CUDA_VISIBLE_DEVICES": "3, 5"}))
    taken: list[str] = []
    for _ in range(4):
        taken.append(choice.next(taken))
    assert taken == ["3", "5", "3", "5"]
    assert choice.environment("5")["CUDA_VISIBLE_DEVICES"] == "5"
    assert GpuChoice(1, ("0", "1")).next(()) == GpuChoice(3, ("0",)).next(()) == ""
