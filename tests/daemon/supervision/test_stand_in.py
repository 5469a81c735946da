"""What plays while an engine is built: real renderers, the one that builds held by SIGSTOP and spoken for."""

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

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP is POSIX")

SLOW = ECHO.with_accelerator("openvino")


def held(rig: Rig) -> RendererProcess:
    """The candidate, stopped before it has a picture."""
    until(lambda: rig.supervisor._candidate)
    candidate = rig.supervisor._candidate
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
    """The candidate, stopped, with words of its own that it takes long."""
    candidate = held(rig)
    with speaking_for(rig, candidate) as renderer:
        renderer.progress("building", "timing kernels", 0.43)
        renderer.takes_long("tensorrt", "eager")
    until(lambda: candidate.report.takes_long)
    return candidate


def test_with_nothing_on_air_another_accelerator_plays_until_the_engine_is_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    with Rig(SLOW) as rig:
        candidate = building(rig)
        until(lambda: rig.supervisor._on_air)
        status = rig.supervisor.status()
        assert status["meanwhile"] == "plays on none while tensorrt is built (43 %)", "an echo has no accelerator"
        assert status["why"] == "until tensorrt is built"
        stand_in = rig.supervisor._on_air
        assert stand_in is not None
        assert stand_in.build == SLOW.with_accelerator("eager")
        assert "while tensorrt is built (43 %)" in caplog.text
        os.kill(candidate.pid, signal.SIGCONT)
        until(lambda: rig.supervisor._on_air is candidate)
        until(lambda: not psutil.pid_exists(stand_in.pid))
        count = len(rig.aired)
        until(lambda: len(rig.aired) > count)
        origins = [report is candidate.report for report in rig.by]
        assert origins == sorted(origins), "between two pictures, once"
        assert "meanwhile" not in rig.supervisor.status()
        assert rig.supervisor.restarts == 0


def test_what_is_on_air_plays_on_while_an_engine_is_built_and_nothing_else_is_started(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    with Rig(ECHO) as rig:
        until(lambda: rig.supervisor._on_air)
        playing = rig.pid
        rig.wanted = SLOW
        building(rig)
        count = len(rig.aired)
        until(lambda: len(rig.aired) > count + 5)
        assert rig.pid == playing
        assert rig.supervisor.status()["meanwhile"].endswith("while tensorrt is built (43 %)")
        assert caplog.text.count("starting a renderer") == 2


def test_a_build_has_some_time_to_itself_before_another_one_is_started_beside_it() -> None:
    with Rig(SLOW, stand_in_after=3600.0) as rig:
        building(rig)
        rig.supervisor.look()
        assert rig.supervisor._stand_in is None


@pytest.mark.parametrize("on_air", [True, False])
def test_the_choice_of_what_stands_in_ends_the_building_and_keeps_what_plays(on_air: bool) -> None:
    with Rig(SLOW) as rig:
        candidate = building(rig)
        until(lambda: rig.supervisor._on_air if on_air else rig.supervisor._stand_in)
        stand_in = rig.supervisor._on_air or rig.supervisor._stand_in
        assert stand_in is not None
        rig.wanted = SLOW.with_accelerator("eager")
        until(lambda: not psutil.pid_exists(candidate.pid))
        until(lambda: rig.supervisor._on_air is stand_in and rig.supervisor._candidate is None)
        count = len(rig.aired)
        until(lambda: len(rig.aired) > count + 3)
        assert rig.supervisor._on_air is stand_in


def test_another_choice_ends_the_building_and_takes_over_from_the_stand_in() -> None:
    with Rig(SLOW) as rig:
        candidate = building(rig)
        until(lambda: rig.supervisor._on_air)
        rig.wanted = ECHO.model_copy(update={"width": 128})
        until(lambda: not psutil.pid_exists(candidate.pid))
        until(lambda: rig.aired[-1].pixels.shape == (64, 128, 3))
        assert rig.supervisor._stand_in is None


@pytest.mark.parametrize(
    "wanted",
    [SLOW, ECHO.model_copy(update={"engine": "unet.onnx"}), ECHO.model_copy(update={"attention": "flash"})],
    ids=["accelerator", "engine", "attention"],
)
def test_where_memory_is_too_short_what_is_on_air_does_not_yield_to_what_would_draw_the_same(
    wanted: Build,
) -> None:
    with Rig(ECHO) as rig:
        until(lambda: rig.supervisor._on_air)
        playing = rig.supervisor._on_air
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
        assert rig.supervisor._on_air is playing
        assert rig.supervisor._candidate is None, "it is not tried again beside what plays"
        assert rig.supervisor.restarts == 0


@pytest.mark.parametrize("fallback", [False, True])
def test_where_memory_is_too_short_for_the_engine_beside_it_the_stand_in_stays_on_air(fallback: bool) -> None:
    with Rig(SLOW.model_copy(update={"fallback": fallback})) as rig:
        candidate = building(rig)
        until(lambda: rig.supervisor._on_air)
        stand_in = rig.supervisor._on_air
        assert stand_in is not None
        with speaking_for(rig, candidate) as renderer:
            renderer.failed("the renderer ran out of memory", "memory")
        if fallback:
            until(lambda: rig.supervisor._on_air and rig.supervisor._on_air.build == SLOW.with_accelerator("auto"))
            assert "too short for it beside" in rig.supervisor.status()["why"]
        else:
            until(lambda: rig.went_back)
            assert rig.went_back[0][0] == SLOW.with_accelerator("eager")
            assert "streamflow-live build makes it ready ahead" in rig.went_back[0][1]
            count = len(rig.aired)
            until(lambda: len(rig.aired) > count + 3)
            assert rig.supervisor._on_air is stand_in
        assert rig.supervisor.restarts == 0, "nothing on air was ended but by what took over"


def test_what_runs_out_of_memory_on_air_beside_a_build_of_the_same_is_what_comes_back() -> None:
    with Rig(ECHO) as rig:
        until(lambda: rig.supervisor._on_air)
        playing = rig.supervisor._on_air
        assert playing is not None
        rig.wanted = SLOW
        candidate = building(rig)
        with speaking_for(rig, playing) as renderer:
            renderer.failed("the renderer ran out of memory", "memory")
        until(lambda: rig.went_back)
        assert rig.went_back[0][0] == ECHO
        until(lambda: not psutil.pid_exists(candidate.pid))
        count = len(rig.aired)
        until(lambda: rig.supervisor._on_air and len(rig.aired) > count)
        assert rig.supervisor._on_air is not None
        assert rig.supervisor._on_air.build == ECHO
        assert rig.supervisor.restarts == 1


def test_another_size_that_has_no_room_beside_what_plays_has_the_memory_to_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Rig(ECHO) as rig:
        until(lambda: rig.supervisor._on_air)
        playing = rig.pid
        rig.wanted = ECHO.model_copy(update={"width": 128})
        candidate = building(rig)
        with speaking_for(rig, candidate) as renderer:
            renderer.failed("the renderer ran out of memory", "memory")
        until(lambda: not psutil.pid_exists(playing))
        again = building(rig)
        assert again.pid != candidate.pid
        assert again.build == rig.wanted
        assert "which yields; the picture is held" in caplog.text
        rig.supervisor.look()
        assert rig.supervisor._stand_in is None, "it has the memory to itself"
        os.kill(again.pid, signal.SIGCONT)
        until(lambda: rig.supervisor._on_air is again)
        until(lambda: rig.aired[-1].pixels.shape == (64, 128, 3))


@pytest.mark.parametrize("fallback", [False, True])
def test_where_the_engine_can_not_be_built_what_stands_in_stays_on_air(fallback: bool) -> None:
    with Rig(SLOW.model_copy(update={"fallback": fallback})) as rig:
        candidate = building(rig)
        until(lambda: rig.supervisor._on_air)
        stand_in = rig.supervisor._on_air
        assert stand_in is not None
        with speaking_for(rig, candidate) as renderer:
            renderer.failed("this card is too old", "accelerator")
        if fallback:
            until(lambda: rig.supervisor._on_air and rig.supervisor._on_air.build == SLOW.with_accelerator("auto"))
            assert rig.supervisor.status()["why"] == "in place of openvino, as the look allows: this card is too old"
            assert not rig.went_back
        else:
            until(lambda: rig.went_back)
            assert rig.went_back == [(SLOW.with_accelerator("eager"), "this card is too old")]
            count = len(rig.aired)
            until(lambda: len(rig.aired) > count + 3)
            assert rig.supervisor._on_air is stand_in
        assert all(pixels.index > 0 for pixels in rig.aired)


def test_a_stand_in_without_memory_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with Rig(SLOW) as rig:
        candidate = building(rig)
        until(lambda: rig.supervisor._stand_in)
        stand_in = rig.supervisor._stand_in
        assert stand_in is not None
        with speaking_for(rig, stand_in) as renderer:
            renderer.failed("the renderer ran out of memory", "memory")
        until(lambda: "can't play while" in caplog.text)
        rig.supervisor.look()
        assert rig.supervisor._stand_in is None
        os.kill(candidate.pid, signal.SIGCONT)
        until(lambda: rig.supervisor._on_air is candidate)


@pytest.mark.timeout(240)
def test_the_shipped_model_plays_on_eager_while_openvino_is_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    with Rig(Build(width=64, height=64, accelerator="openvino", threads=1), silence=SILENCE["playing"]) as rig:
        until(lambda: rig.supervisor._candidate and rig.supervisor._candidate.report.takes_long, 100)
        candidate = rig.supervisor._candidate
        assert candidate is not None
        os.kill(candidate.pid, signal.SIGSTOP)  # or a fast machine would be done before the stand-in is there
        until(lambda: rig.supervisor._on_air, 100)
        status = rig.supervisor.status()
        assert status["accelerator"] == "eager"
        assert status["meanwhile"].startswith("plays on eager while openvino is built")
        os.kill(candidate.pid, signal.SIGCONT)
        until(lambda: rig.supervisor.status()["accelerator"] == "openvino", 100)
        origins = [report is candidate.report for report in rig.by]
        assert origins == sorted(origins)
        assert not rig.supervisor.last_failure
