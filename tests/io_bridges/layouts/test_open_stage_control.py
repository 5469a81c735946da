"""The session of Open Stage Control: read as the program reads it, and every message of it sent to a show."""

import json
import shutil
import subprocess
from typing import Any

import pytest
from layout_messages import TAKING, assert_taken, messages_of, send, sending, widgets
from open_stage_control_widgets import NEWEST_CONVERSION, problems

from daemon.stage.show_wrapper import ShowWrapper
from io_bridges.layouts.open_stage_control import session_file
from io_bridges.layouts.outline import TOP_ROW, Outline, look_address
from presets.declaration import ACTIONS, Group
from presets.library import Library
from presets.parameter_table import PARAMETERS

RUN = """
const calls = [];
const send = (...given) => calls.push(given);
const setInterval = (id, callback, milliseconds) => { calls.push([id, milliseconds]); callback(); };
const scripts = JSON.parse(require("fs").readFileSync(0));
console.log(JSON.stringify(scripts.map((script) => {
  calls.length = 0;
  new Function("send", "setInterval", '"use strict";' + script)(send, setInterval);
  return [...calls];
})));
"""
"""Runs scripts with the two functions of the program's sandbox that they call, and prints the calls of each."""


def test_session_is_read_as_it_is_written(session: Any) -> None:
    """The program drops what it does not know, so a slip in a name would change what a widget does."""
    assert (session["type"], session["content"]["type"]) == ("session", "root")
    assert not list(problems(session["content"]))
    version = tuple(map(int, session["version"].split(".")))
    assert version > NEWEST_CONVERSION, "it would be converted, as one of an older program"


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        ({"type": "knob"}, "read as a fader"),
        ({"type": "fader", "orientation": "horizontal"}, "dropped"),
        ({"type": "fader", "design": "flat"}, "is =default|round|compact"),
        ({"type": "button", "mode": "bang"}, "is =toggle"),
        ({"type": "text", "typeTags": "s"}, "dropped"),
        ({"type": "tab", "width": 10}, "stands among tabs"),
        ({"type": "panel", "height": "tall"}, "is number|percentage"),
        ({"type": "panel", "tabs": [{"type": "panel"}]}, "stands among tabs"),
    ],
)
def test_slips_are_found(slip: dict[str, Any], said: str) -> None:
    assert said in "\n".join(problems(slip))


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_scripts_run(session: Any) -> None:
    """A JavaScript engine runs them, in strict mode as the program does."""
    found = [each[key] for each in widgets(session["content"]) for key in ("onCreate", "onValue") if key in each]
    scripts = sorted(set(found))
    done = subprocess.run(["node", "-e", RUN], input=json.dumps(scripts), capture_output=True, text=True, check=True)
    subscribes, polls = json.loads(done.stdout)
    assert polls == [["/preset", {"type": "s", "value": "?"}]]
    assert subscribes == [["10.0.0.7:9000", "/subscribe"], ["subscribe", 60_000], ["10.0.0.7:9000", "/subscribe"]]


def test_session_has_every_control(session: Any, library: Library) -> None:
    known = {address for address in PARAMETERS if address != "/preset"} | {action.address for action in ACTIONS}
    assert set(sending(session)) == known | {look_address(name) for name in library.names()}
    assert {each["target"] for each in sending(session).values()} == {"10.0.0.7:9000"}
    names = [each["id"] for each in widgets(session["content"])]
    assert len(set(names)) == len(names), "widgets of one id share their value"
    tabs = [each["label"] for each in widgets(session["content"]) if each["type"] == "tab"]
    assert tabs == ["looks", *(group.value for group in Group), "actions"]


def test_session_shows_the_declaration(session: Any) -> None:
    by_address = sending(session)
    for address, parameter in PARAMETERS.items():
        if address == "/preset":
            continue
        widget = by_address[address]
        if widget["type"] == "fader":
            assert (widget["range"]["min"], widget["range"]["max"]) == (parameter.minimum, parameter.maximum)
        if parameter.choices:
            assert tuple(widget["values"]) == parameter.choices
        if parameter.kind != "text":
            assert widget["default"] == parameter.default, address
        else:
            assert "default" not in widget, "it would come back when the field is emptied"
    assert by_address["/steps"]["typeTags"] == "i"
    assert {by_address[address]["type"] for address in ("/seed", "/width")} == {"input"}, "a number to type"


def test_session_is_answered(session: Any, store: ShowWrapper) -> None:
    for address, widget in sending(session).items():
        if address in TAKING:
            continue
        for message in messages_of(widget):
            assert (reply := send(store, message)).accepted, (message, reply.note)
            if address in PARAMETERS:
                assert_taken(store, address, message)
    assert send(store, messages_of(sending(session)["/prompt"])[0]).accepted
    assert store.values()["/prompt/1/text"] == "fire"


def test_session_subscribes(outline: Outline, session: Any) -> None:
    script = session["content"]["onCreate"]
    assert script.count("send(\"10.0.0.7:9000\", '/subscribe')") == 2, "now, and again and again"
    assert "setInterval" in script
    other_port = json.loads(session_file(outline, "10.0.0.7", 9000, 9123))
    assert "'/subscribe', {type: 'i', value: 9123}" in other_port["content"]["onCreate"]
    by_address = sending(session)
    assert all(address in by_address for address in TOP_ROW)
    (on_air,) = [each for each in widgets(session["content"]) if each.get("address") == "/preset"]
    assert on_air["type"] == "text"
