"""The OSC panel of the page in a real browser: addresses to search and copy, and the messages that came."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from web_browser import needs_chromium
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
def panel(page: Page, show: WebShow) -> Locator:
    """The panel, opened, of a show with OSC on this machine alone."""
    show.state = {**show.state, "controls": [{"name": "osc", "address": "osc.udp://127.0.0.1:9000"}]}
    expect(page.locator("#osc-addresses")).to_be_hidden()
    page.locator("#osc > summary").click()
    expect(page.locator("#osc-addresses article")).to_have_count(len(PARAMETERS) + len(ACTIONS) + 5)
    return page.locator("#osc")


def row(panel: Locator, address: str) -> Locator:
    return panel.locator(f"[data-osc='{address}']")


def test_address_has_its_range_and_value(page: Page, show: WebShow, panel: Locator) -> None:
    strength = row(panel, "/strength")
    expect(strength).to_contain_text("0 to 1")
    expect(strength).to_contain_text(PARAMETERS["/strength"].description)
    expect(strength).to_contain_text("= 0.9")
    show.apply("/strength", (0.25,), "osc:1")
    expect(strength).to_contain_text("= 0.25 (default 0.9)")
    expect(row(panel, "/fade")).to_contain_text("0 to 30 · s")
    expect(panel.locator("#osc-send-to")).to_contain_text("--osc 0.0.0.0:9000")


def test_addresses_are_searched(page: Page, panel: Locator) -> None:
    page.locator("#osc-search").fill("feedback zoom")
    expect(panel.locator("article:visible")).to_have_count(1)
    expect(row(panel, "/feedback_zoom")).to_be_visible()
    page.locator("#osc-search").press("Escape")
    expect(row(panel, "/strength")).to_be_visible()


def test_lines_are_copied(page: Page, panel: Locator) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    row(panel, "/strength").get_by_role("button").click()
    expect(page.locator("#toasts")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "oscsend 127.0.0.1 9000 /strength f 0.9"
    page.locator("#osc-program").select_option("TouchDesigner")
    expect(row(panel, "/panic")).to_contain_text("op('oscout1').sendOSC('/panic', [])")
    # A page of another machine has no clipboard of this kind.
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    row(panel, "/panic").get_by_role("button").click()
    page.locator("#osc-search").press("ControlOrMeta+v")
    expect(page.locator("#osc-search")).to_have_value("op('oscout1').sendOSC('/panic', [])")


def test_messages_that_came(page: Page, show: WebShow, panel: Locator) -> None:
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


def test_folded_panel_asks_nothing(page: Page, panel: Locator) -> None:
    with page.expect_request("**/api/osc/messages"):
        pass
    page.locator("#osc > summary").click()
    expect(page.locator("#osc-addresses")).to_be_hidden()
    page.wait_for_timeout(200)  # a request on its way
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(1200)
    assert not [url for url in asked if "/api/osc" in url]
