"""The MIDI panel of the page in a real browser: devices, a control that is learned, and the mapping."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from web_browser import needs_chromium
from web_client import eventually
from web_show_control import WebShow

from presets.declaration import ACTIONS
from presets.parameter_table import PARAMETERS

pytestmark = needs_chromium

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
def panel(page: Page, show: WebShow) -> Locator:
    """The panel, opened, of a show with two devices."""
    expect(page.locator("#midi")).to_be_hidden()
    show.state = {**show.state, "controls": [STATUS]}
    page.locator("#midi > summary").click()
    return page.locator("#midi")


def test_devices_and_ports_are_shown(page: Page, panel: Locator) -> None:
    expect(panel.locator("#midi-devices li")).to_have_text(
        ["nano in nano in, out nano out", "pads no MIDI port has 'pads' in its name"]
    )
    expect(panel.locator("#midi-last")).to_have_text("last: nano cc 7 ch 1 = 64")
    panel.locator("#midi-ports summary").click()
    expect(panel.locator("#midi-ports p")).to_have_text("nano in, Through, nano out")
    expect(page.locator("#signals")).to_contain_text("no MIDI port has 'pads' in its name")


def test_control_is_learned(page: Page, show: WebShow, panel: Locator) -> None:
    texts = panel.locator("#midi-target option").all_text_contents()
    numbers = [address for address, parameter in PARAMETERS.items() if parameter.kind != "text"]
    presses = [each.address for each in ACTIONS if not each.argument and not each.address.startswith("/midi/")]
    assert texts == [*numbers, *presses, *(f"/preset {name}" for name in show.names)]
    panel.locator("#midi-target").select_option("/preset embers")
    panel.get_by_role("button", name="Learn").click()
    eventually(lambda: show.calls[-1:] and show.calls[-1][:2] == ("/midi/learn", ("/preset embers",)))
    learning = {"to": "/preset", "value": "embers", "seconds": 59}
    show.state = {**show.state, "controls": [{**STATUS, "learning": learning}]}
    expect(panel.locator("#midi-outcome")).to_have_text("Move a MIDI control for /preset embers: 59 s")
    panel.get_by_role("button", name="Cancel").click()
    eventually(lambda: show.calls[-1][:1] == ("/midi/cancel",))
    learned = {**STATUS, "learned": "note 40 ch 1 moves /preset embers", "not_saved": "the disk is full"}
    show.state = {**show.state, "controls": [learned]}
    expect(panel.locator("#midi-outcome")).to_have_text(
        "note 40 ch 1 moves /preset embers; not saved: the disk is full"
    )
    expect(panel.locator("#midi-target")).to_have_value("/preset embers")


def test_entry_of_the_mapping_is_removed(page: Page, show: WebShow, panel: Locator) -> None:
    panel.locator("#midi-mappings summary").click()
    expect(panel.locator("#midi-mappings li")).to_have_text(
        ["cc 7 /strengthRemove", "note 36 /preset <b>neon</b>Remove"]
    )
    expect(panel.locator("#midi-mappings p")).to_have_text("/home/vj/midi.yaml")
    panel.get_by_role("button", name="remove note 36").click()
    eventually(lambda: show.calls[-1:] and show.calls[-1][:2] == ("/midi/forget", ("note 36",)))
    show.state = {**show.state, "controls": [{**STATUS, "mappings": STATUS["mappings"][:1]}]}
    expect(panel.locator("#midi-mappings li")).to_have_count(1)
