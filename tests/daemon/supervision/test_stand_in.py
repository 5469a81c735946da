"""Stand-ins while an engine is built. The renderer that builds is real, stopped, and its messages are sent for it."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from rig import ECHO, Rig, until

from daemon.link.client import LinkClient
from daemon.supervision.renderer_process import SILENCE, RendererProcess
from presets.build import Build
from tests.pipeline.conftest import write_least_model

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP is POSIX")

SLOW = ECHO.with_accelerator("openvino")


def held(rig: Rig) -> RendererProcess:
    """Stop the candidate before its first picture and return it."""
    until(lambda: rig.lineup.candidate)
    candidate = rig.lineup.candidate
    assert candidate is not None
    os.kill(candidate.pid, signal.SIGSTOP)
    assert not candidate.delivers
    return candidate


@contextmanager
def speaking_for(rig: Rig, renderer: RendererProcess) -> Iterator[LinkClient]:
    connection = LinkClient(rig.link.endpoint, renderer.report.token)
    yield connection
    connection.close()


def building(rig: Rig) -> RendererProcess:
    """Stop the candidate, report for it that it takes long, and return it."""
    candidate = held(rig)
    with speaking_for(rig, candidate) as renderer:
        renderer.progress("building", "timing kernels", 0.43)
        renderer.takes_long("tensorrt", "eager")
    until(lambda: candidate.report.takes_long)
    return candidate


def test_stand_in_plays_until_engine_is_built(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    with Rig(SLOW) as rig:
        candidate = building(rig)
        until(lambda: rig.lineup.on_air)
        status = rig.supervisor.status()
        assert status["meanwhile"] == "plays on none while tensorrt is built (43 %)", "an echo has no accelerator"
        assert status["why"] == "until tensorrt is built"
        stand_in = rig.lineup.on_air
        assert stand_in is not None
        assert stand_in.build == SLOW.with_accelerator("eager")
        until(lambda: "while tensorrt is built (43 %)" in caplog.text)  # said after the switch
        os.kill(candidate.pid, signal.SIGCONT)
        until(lambda: rig.lineup.on_air is candidate)
        until(lambda: not psutil.pid_exists(stand_in.pid))
        count = len(rig.aired)
        until(lambda: len(rig.aired) > count)
        origins = [report is candidate.report for report in rig.by]
        assert origins == sorted(origins), "one switch, between two pictures"
        assert "meanwhile" not in rig.supervisor.status()
        assert rig.changeover.restarts == 0


def test_no_stand_in_beside_picture_on_air(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    with Rig(ECHO) as rig:
        until(lambda: rig.lineup.on_air)
        playing = rig.pid
        rig.wanted = SLOW
        building(rig)
        count = len(rig.aired)
        until(lambda: len(rig.aired) > count + 5)
        assert rig.pid == playing
        assert rig.supervisor.status()["meanwhile"].endswith("while tensorrt is built (43 %)")
        assert caplog.text.count("starting a renderer") == 2


def test_stand_in_waits_for_its_delay() -> None:
    with Rig(SLOW, stand_in_after=3600.0) as rig:
        building(rig)
        rig.changeover.look()
        assert rig.lineup.stand_in is None


@pytest.mark.parametrize("on_air", [True, False])
def test_choosing_the_stand_in_keeps_it(on_air: bool) -> None:
    with Rig(SLOW) as rig:
        candidate = building(rig)
        until(lambda: rig.lineup.on_air if on_air else rig.lineup.stand_in)
        stand_in = rig.lineup.on_air or rig.lineup.stand_in
        assert stand_in is not None
        rig.wanted = SLOW.with_accelerator("eager")
        until(lambda: not psutil.pid_exists(candidate.pid))
        until(lambda: rig.lineup.on_air is stand_in and rig.lineup.candidate is None)
        count = len(rig.aired)
        until(lambda: len(rig.aired) > count + 3)
        assert rig.lineup.on_air is stand_in


def test_other_choice_replaces_stand_in() -> None:
    with Rig(SLOW) as rig:
        candidate = building(rig)
        until(lambda: rig.lineup.on_air)
        rig.wanted = ECHO.model_copy(update={"width": 128})
        until(lambda: not psutil.pid_exists(candidate.pid))
        until(lambda: rig.aired[-1].pixels.shape == (64, 128, 3))
        assert rig.lineup.stand_in is None


@pytest.mark.parametrize(
    "wanted",
    [SLOW, ECHO.model_copy(update={"engine": "unet.onnx"}), ECHO.model_copy(update={"attention": "flash"})],
    ids=["accelerator", "engine", "attention"],
)
def test_same_picture_makes_nothing_yield(
    wanted: Build,
) -> None:
    with Rig(ECHO) as rig:
        until(lambda: rig.lineup.on_air)
        playing = rig.lineup.on_air
        rig.wanted = wanted
        candidate = building(rig)
        with speaking_for(rig, candidate) as renderer:
            renderer.failed("the renderer ran out of memory", "memory")
        until(lambda: rig.went_back)
        ((build, reason),) = rig.went_back
        assert build == ECHO
        assert f"too short for it beside {ECHO}, which is on air" in reason
        assert reason.endswith("the renderer ran out of memory")
        assert rig.supervisor.status()["failure"] == reason
        until(lambda: not psutil.pid_exists(candidate.pid))
        count = len(rig.aired)
        until(lambda: len(rig.aired) > count + 3)
        assert rig.lineup.on_air is playing
        assert rig.lineup.candidate is None, "there is no second attempt beside what plays"
        assert rig.changeover.restarts == 0


@pytest.mark.parametrize("fallback", [False, True])
def test_stand_in_stays_when_memory_is_short(fallback: bool) -> None:
    with Rig(SLOW.model_copy(update={"fallback": fallback})) as rig:
        candidate = building(rig)
        until(lambda: rig.lineup.on_air)
        stand_in = rig.lineup.on_air
        assert stand_in is not None
        with speaking_for(rig, candidate) as renderer:
            renderer.failed("the renderer ran out of memory", "memory")
        if fallback:
            until(lambda: rig.on_air_build == SLOW.with_accelerator("auto"))
            assert "too short for it beside" in rig.supervisor.status()["why"]
        else:
            until(lambda: rig.went_back)
            assert rig.went_back[0][0] == SLOW.with_accelerator("eager")
            assert "streamflow-live build makes it ready ahead" in rig.went_back[0][1]
            count = len(rig.aired)
            until(lambda: len(rig.aired) > count + 3)
            assert rig.lineup.on_air is stand_in
        assert rig.changeover.restarts == 0, "only its successor ended what was on air"


def test_lost_for_memory_on_air_comes_back() -> None:
    with Rig(ECHO) as rig:
        until(lambda: rig.lineup.on_air)
        playing = rig.lineup.on_air
        assert playing is not None
        rig.wanted = SLOW
        candidate = building(rig)
        with speaking_for(rig, playing) as renderer:
            renderer.failed("the renderer ran out of memory", "memory")
        until(lambda: rig.went_back)
        assert rig.went_back[0][0] == ECHO
        until(lambda: not psutil.pid_exists(candidate.pid))
        count = len(rig.aired)
        until(lambda: rig.lineup.on_air and len(rig.aired) > count)
        assert rig.lineup.on_air is not None
        assert rig.lineup.on_air.build == ECHO
        assert rig.changeover.restarts == 1


def test_other_size_gets_memory_to_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Rig(ECHO) as rig:
        until(lambda: rig.lineup.on_air)
        playing = rig.pid
        rig.wanted = ECHO.model_copy(update={"width": 128})
        candidate = building(rig)
        with speaking_for(rig, candidate) as renderer:
            renderer.failed("the renderer ran out of memory", "memory")
        until(lambda: not psutil.pid_exists(playing))
        again = building(rig)
        assert again.pid != candidate.pid
        assert again.build == rig.wanted
        assert "which yields. The picture is held. the renderer ran out of memory" in caplog.text
        rig.changeover.look()
        assert rig.lineup.stand_in is None, "it has the memory to itself"
        os.kill(again.pid, signal.SIGCONT)
        until(lambda: rig.lineup.on_air is again)
        until(lambda: rig.aired[-1].pixels.shape == (64, 128, 3))


@pytest.mark.parametrize("fallback", [False, True])
def test_stand_in_stays_when_build_fails(fallback: bool) -> None:
    with Rig(SLOW.model_copy(update={"fallback": fallback})) as rig:
        candidate = building(rig)
        until(lambda: rig.lineup.on_air)
        stand_in = rig.lineup.on_air
        assert stand_in is not None
        with speaking_for(rig, candidate) as renderer:
            renderer.failed("this card is too old", "accelerator")
        if fallback:
            until(lambda: rig.on_air_build == SLOW.with_accelerator("auto"))
            assert rig.supervisor.status()["why"] == "in place of openvino, as the look allows: this card is too old"
            assert not rig.went_back
        else:
            until(lambda: rig.went_back)
            assert rig.went_back == [(SLOW.with_accelerator("eager"), "this card is too old")]
            count = len(rig.aired)
            until(lambda: len(rig.aired) > count + 3)
            assert rig.lineup.on_air is stand_in
        assert all(pixels.index > 0 for pixels in rig.aired)


def test_stand_in_without_memory_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    with Rig(SLOW) as rig:
        candidate = building(rig)
        until(lambda: rig.lineup.stand_in)
        stand_in = rig.lineup.stand_in
        assert stand_in is not None
        with speaking_for(rig, stand_in) as renderer:
            renderer.failed("the renderer ran out of memory", "memory")
        until(lambda: "can't play while" in caplog.text)
        rig.changeover.look()
        assert rig.lineup.stand_in is None
        os.kill(candidate.pid, signal.SIGCONT)
        until(lambda: rig.lineup.on_air is candidate)


@pytest.mark.timeout(600)
def test_eager_plays_while_openvino_converts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    write_least_model(tmp_path / "model")
    wanted = Build(model=str(tmp_path / "model"), width=64, height=64, accelerator="openvino", threads=1, slots=1)
    with Rig(wanted, silence=SILENCE["playing"]) as rig:
        rig.show(120)  # a still picture, drawn once: a stand-in that draws without end takes time from the conversion
        until(lambda: rig.lineup.candidate and rig.lineup.candidate.report.takes_long, 180)
        candidate = rig.lineup.candidate
        assert candidate is not None
        os.kill(candidate.pid, signal.SIGSTOP)  # or a fast machine would be done before the stand-in is there
        until(lambda: rig.lineup.on_air, 180)
        status = rig.supervisor.status()
        assert status["accelerator"] == "eager"
        assert status["meanwhile"].startswith("plays on eager while openvino is built")
        os.kill(candidate.pid, signal.SIGCONT)
        until(lambda: rig.supervisor.status()["accelerator"] == "openvino", 180)
        origins = [report is candidate.report for report in rig.by]
        assert origins == sorted(origins)
        assert not rig.changeover.last_failure
