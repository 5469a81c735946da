"""The panels of OSC and MIDI on the page in a real browser: addresses and messages, devices and learned controls."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from web_browser import needs_chromium
from web_client import eventually
from web_show_control import WebShow

from presets.declaration import ACTIONS
from presets.parameter_table import PARAMETERS

pytestmark = needs_chromium


def message(number: int, address: str, taken: bool, note: str = "", *arguments: object) -> dict[str, object]:
    return {
        "number": number,
        "time": 1_760_000_000.0 + number,
        "sender": "10.0.0.9:9000",
        "address": address,
        "arguments": list(arguments),
        "taken": taken,
        "note": note,
    }


@pytest.fixture
def osc_panel(page: Page, show: WebShow) -> Locator:
    """The panel, opened, of a show with OSC on this machine alone."""
    show.state = {**show.state, "controls": [{"name": "osc", "address": "osc.udp://127.0.0.1:9000"}]}
    expect(page.locator("#osc-addresses")).to_be_hidden()
    page.locator("#osc > summary").click()
    expect(page.locator("#osc-addresses article")).to_have_count(len(PARAMETERS) + len(ACTIONS) + 5)
    return page.locator("#osc")


def row(osc_panel: Locator, address: str) -> Locator:
    return osc_panel.locator(f"[data-osc='{address}']")


def test_address_has_its_range_and_value(page: Page, show: WebShow, osc_panel: Locator) -> None:
    strength = row(osc_panel, "/strength")
    expect(strength).to_contain_text("0 to 1")
    expect(strength).to_contain_text(PARAMETERS["/strength"].description)
    expect(strength).to_contain_text("= 0.9")
    show.apply("/strength", (0.25,), "osc:1")
    expect(strength).to_contain_text("= 0.25 (default 0.9)")
    expect(row(osc_panel, "/fade")).to_contain_text("0 to 30 · s")
    expect(osc_panel.locator("#osc-send-to")).to_contain_text("--osc 0.0.0.0:9000")


def test_addresses_are_searched(page: Page, osc_panel: Locator) -> None:
    page.locator("#osc-search").fill("feedback zoom")
    expect(osc_panel.locator("article:visible")).to_have_count(1)
    expect(row(osc_panel, "/feedback_zoom")).to_be_visible()
    page.locator("#osc-search").press("Escape")
    expect(row(osc_panel, "/strength")).to_be_visible()


def test_lines_are_copied(page: Page, osc_panel: Locator) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    row(osc_panel, "/strength").get_by_role("button").click()
    expect(page.locator("#toasts")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "oscsend 127.0.0.1 9000 /strength f 0.9"
    page.locator("#osc-program").select_option("TouchDesigner")
    expect(row(osc_panel, "/panic")).to_contain_text("op('oscout1').sendOSC('/panic', [])")
    # A page of another machine has no clipboard of this kind.
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    row(osc_panel, "/panic").get_by_role("button").click()
    page.locator("#osc-search").press("ControlOrMeta+v")
    expect(page.locator("#osc-search")).to_have_value("op('oscout1').sendOSC('/panic', [])")


def test_messages_that_came(page: Page, show: WebShow, osc_panel: Locator) -> None:
    page.locator("#osc-monitor > summary").click()
    messages = page.locator("#osc-messages li")
    expect(messages).to_have_text(["No message has come by OSC."])
    show.osc_messages = [
        message(0, "/strength", True, "", 0.5),
        message(1, "/strenght", False, "did you mean /strength?", "<b>x</b>"),
    ]
    expect(messages).to_have_count(2)
    newest: Any = messages.first
    expect(newest).to_contain_text('10.0.0.9:9000 /strenght "<b>x</b>" refused: did you mean /strength?')
    expect(newest).to_have_class("bad")
    expect(messages.last).to_contain_text("/strength 0.5")
    show.osc_messages = [*show.osc_messages[1:], message(2, "/panic", True)]
    expect(messages.first).to_contain_text("/panic")


def test_folded_panel_asks_nothing(page: Page, osc_panel: Locator) -> None:
    with page.expect_request("**/api/osc/messages"):
        pass
    page.locator("#osc > summary").click()
    expect(page.locator("#osc-addresses")).to_be_hidden()
    page.wait_for_timeout(200)  # a request on its way
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(1200)
    assert not [url for url in asked if "/api/osc" in url]


STATUS: dict[str, Any] = {
    "name": "midi",
    "alive": True,
    "messages": 3,
    "devices": [
        {"name": "nano", "state": "open", "input": "nano in", "output": "nano out", "note": ""},
        {
            "name": "pads",
            "state": "searching",
            "input": "",
            "output": "",
            "note": "no MIDI port has 'pads' in its name",
        },
    ],
    "inputs": ["nano in", "Through"],
    "outputs": ["nano out", "Through"],
    "last": {"device": "nano", "control": "cc 7 ch 1", "value": 64},
    "mappings": [
        {"control": "cc 7", "to": "/strength", "value": None},
        {"control": "note 36", "to": "/preset", "value": "<b>neon</b>"},
    ],
    "file": "/home/vj/midi.yaml",
    "not_saved": "",
    "learning": None,
    "learned": "",
}


@pytest.fixture
def midi_panel(page: Page, show: WebShow) -> Locator:
    """The panel, opened, of a show with two devices."""
    expect(page.locator("#midi")).to_be_hidden()
    show.state = {**show.state, "controls": [STATUS]}
    page.locator("#midi > summary").click()
    return page.locator("#midi")


def test_devices_and_ports_are_shown(page: Page, midi_panel: Locator) -> None:
    expect(midi_panel.locator("#midi-devices li")).to_have_text(
        ["nano in nano in, out nano out", "pads no MIDI port has 'pads' in its name"]
    )
    expect(midi_panel.locator("#midi-last")).to_have_text("last: nano cc 7 ch 1 = 64")
    midi_panel.locator("#midi-ports summary").click()
    expect(midi_panel.locator("#midi-ports p")).to_have_text("nano in, Through, nano out")
    expect(page.locator("#signals")).to_contain_text("no MIDI port has 'pads' in its name")


def test_control_is_learned(page: Page, show: WebShow, midi_panel: Locator) -> None:
    texts = midi_panel.locator("#midi-target option").all_text_contents()
    numbers = [address for address, parameter in PARAMETERS.items() if parameter.kind != "text"]
    presses = [each.address for each in ACTIONS if not each.argument and not each.address.startswith("/midi/")]
    assert texts == [*numbers, *presses, *(f"/preset {name}" for name in show.names)]
    midi_panel.locator("#midi-target").select_option("/preset embers")
    midi_panel.get_by_role("button", name="Learn").click()
    eventually(lambda: show.calls[-1:] and show.calls[-1][:2] == ("/midi/learn", ("/preset embers",)))
    learning = {"to": "/preset", "value": "embers", "seconds": 59}
    show.state = {**show.state, "controls": [{**STATUS, "learning": learning}]}
    expect(midi_panel.locator("#midi-outcome")).to_have_text("Move a MIDI control for /preset embers: 59 s")
    midi_panel.get_by_role("button", name="Cancel").click()
    eventually(lambda: show.calls[-1][:1] == ("/midi/cancel",))
    learned = {**STATUS, "learned": "note 40 ch 1 moves /preset embers", "not_saved": "the disk is full"}
    show.state = {**show.state, "controls": [learned]}
    expect(midi_panel.locator("#midi-outcome")).to_have_text(
        "note 40 ch 1 moves /preset embers; not saved: the disk is full"
    )
    expect(midi_panel.locator("#midi-target")).to_have_value("/preset embers")


def test_entry_of_the_mapping_is_removed(page: Page, show: WebShow, midi_panel: Locator) -> None:
    midi_panel.locator("#midi-mappings summary").click()
    expect(midi_panel.locator("#midi-mappings li")).to_have_text(
        ["cc 7 /strengthRemove", "note 36 /preset <b>neon</b>Remove"]
    )
    expect(midi_panel.locator("#midi-mappings p")).to_have_text("/home/vj/midi.yaml")
    midi_panel.get_by_role("button", name="remove note 36").click()
    eventually(lambda: show.calls[-1:] and show.calls[-1][:2] == ("/midi/forget", ("note 36",)))
    show.state = {**show.state, "controls": [{**STATUS, "mappings": STATUS["mappings"][:1]}]}
    expect(midi_panel.locator("#midi-mappings li")).to_have_count(1)
