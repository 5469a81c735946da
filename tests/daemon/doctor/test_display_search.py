"""The list of displays: numbers for ``--sink window:``, and a search that fails."""

import json
import sys

import pytest
from typer.testing import CliRunner

from daemon.__main__ import app
from daemon.doctor import display_search
from daemon.doctor.display_search import NumberedDisplay, search_displays
from io_bridges.uri import parse
from io_bridges.window.placement import Display
from presets.errors import BridgeUnavailable

pytest.importorskip("sdl2")

LAPTOP = Display(1, "eDP-1", 0, 0, 1920, 1080)
BEAMER = Display(2, "Bühne [HDMI]", 1920, 0, 1280, 720)

ANSWER = """
import dataclasses, json
from io_bridges.window.placement import Display
displays = [Display(1, "eDP-1", 0, 0, 1920, 1080), Display(2, "Bühne [HDMI]", 1920, 0, 1280, 720)]
print("a driver says hello")
print(json.dumps({"displays": [dataclasses.asdict(each) for each in displays]}))
"""


def program(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def test_displays_have_sinks() -> None:
    found = search_displays(program(ANSWER))
    assert found == [NumberedDisplay(LAPTOP, False), NumberedDisplay(BEAMER, True)]
    assert [parse(each.uri, "sink").options["display"] for each in found] == [1, 2]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import os; os.abort()", "ended with status"),
        ("import time; time.sleep(60)", "did not end within 2 s"),
        ("""print('{"failure": "This machine has no display"}')""", "no display"),
    ],
    ids=["crash", "hang", "refusal"],
)
def test_failed_search_gives_a_reason(text: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display_search, "SEARCH_SECONDS", 2.0)
    with pytest.raises(BridgeUnavailable, match=f"cannot be listed: .*{reason}"):
        search_displays(program(text))


def test_command_prints_sinks(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [NumberedDisplay(LAPTOP, False), NumberedDisplay(BEAMER, True)]
    monkeypatch.setattr(display_search, "search_displays", lambda: found)
    shown = CliRunner(env={"COLUMNS": "40"}).invoke(app, ["displays"])
    assert shown.exit_code == 0
    assert shown.output.splitlines() == [
        '--sink "window:?display=1"  eDP-1, 1920x1080 at 0,0, primary',
        '--sink "window:?display=2"  Bühne [HDMI], 1280x720 at 1920,0, default',
    ]
    listed = json.loads(CliRunner().invoke(app, ["displays", "--json"]).output)["displays"]
    assert [(each["sink"], each["name"], each["default"]) for each in listed] == [
        ("window:?display=1", "eDP-1", False),
        ("window:?display=2", "Bühne [HDMI]", True),
    ]
