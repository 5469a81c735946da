"""The steps of a renderer that loads reach slate and log, without filling the log."""

import logging
from types import SimpleNamespace

import pytest
from hand_clock import HandClock

from daemon.link.messages import Progress
from daemon.link.renderer_report import RendererReport
from daemon.shared.clock import NS
from daemon.supervision.lineup import Lineup
from daemon.supervision.loading_progress import LoadingProgress


def test_steps_reach_slate_and_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "stage.supervisor")
    clock, shown, report = HandClock(), list[str](), RendererReport("first", 0)
    loading = LoadingProgress(clock, lambda text, fraction: shown.append(f"{text} {fraction}"))
    renderer = SimpleNamespace(report=report)

    def step(after: float, text: str, fraction: float, **beside: object) -> list[str]:
        """Report a step so many seconds later. Return the new lines of the log."""
        caplog.clear()
        clock.time += round(after * NS)
        renderer.report.progress = Progress("loading", text, fraction)
        loading.look(Lineup(candidate=renderer, **beside), "")  # type: ignore[arg-type]
        return caplog.messages

    assert step(0.0, "", 0.0) == []
    assert step(0.1, "loading the network", 0.1) == ["renderer: loading the network (10 %)"]
    assert step(0.1, "building", 0.2) == [], "many steps a second"
    assert step(1.0, "building", 0.2) == ["renderer: building (20 %)"]
    assert step(4.0, "building", 0.4) == []
    assert step(1.0, "building", 0.5) == ["renderer: building (50 %)"]
    assert step(60.0, "building", 0.5) == [], "nothing new"
    assert shown[0] == "starting 0.0"
    assert shown[-1] == "building 0.5"
    shown.clear()
    assert step(9.0, "building", 0.6, on_air=SimpleNamespace()) == ["renderer: building (60 %)"]
    assert shown == [], "a picture is on air"
    renderer.report = RendererReport("second", 0)
    assert step(0.0, "loading the network", 0.1) == ["renderer: loading the network (10 %)"]
