"""The page in a real browser: sinks that are added and removed, and their latency."""

import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect
from web_browser import PATIENCE, needs_chromium
from web_client import eventually
from web_show_control import WebShow, serving

from daemon.stage.parameter_store import ParameterStore
from io_bridges.show_control import ControlReply, Later
from io_bridges.sink_schemes import SINKS
from io_bridges.web.server import WebControl
from presets.library import Library

pytestmark = needs_chromium

ZMQ = {"uri": "zmq:tcp://127.0.0.1:5556", "number": 1, "open": True, "fps": 29.9, "readers": 1, "size": "256x256"}
WEB = {"uri": "web:", "number": 0, "kind": "web", "open": True, "viewers": 1}
SHM = {"uri": "shm:visuals?fps=10", "number": 4, "open": True, "fps": 10.0, "size": "640x360"}


def test_latency_and_size_of_each_sink(page: Page, show: WebShow) -> None:
    sinks = [
        {**ZMQ, "latency_ms": 41.6, "latency_p99_ms": 70.4},
        WEB,
        {**SHM, "latency_ms": None, "latency_p99_ms": None},
    ]
    show.state = {"sinks": sinks, "output_size": [256, 256]}
    rows = page.locator("#signals li")
    expect(rows).to_have_text(
        [
            "ZeroMQ 127.0.0.1:5556sending 30 fps · 1 reader · 42 ms (p99 70)Remove",
            "Shared memory visualssending 10 fps · 640×360Remove",
        ]
    )


def test_rows_stay_while_figures_change(page: Page, show: WebShow) -> None:
    """A row that is made anew under the finger swallows the click."""
    show.state = {"sinks": [ZMQ, SHM]}
    buttons = page.get_by_role("button", name="remove ")
    expect(buttons).to_have_count(2)
    buttons.last.focus()
    buttons.last.evaluate("(button) => { button.mark = 1; }")
    show.state = {"sinks": [{**SHM, "fps": 7.0}, {**SHM, "uri": "png:frames", "number": 5}]}
    expect(page.locator("#signals li")).to_have_text(
        ["Shared memory visualssending 7 fpsRemove", "PNG files framessending 10 fpsRemove"]
    )
    assert buttons.first.evaluate("(button) => button.mark === 1 && document.activeElement === button")
    buttons.first.click()
    eventually(lambda: [call[:2] for call in show.calls] == [("/sink/remove", (4,))])


def test_stopped_sink_has_a_button(page: Page, show: WebShow) -> None:
    stopped = {"uri": "window:", "number": 3, "open": True, "fps": 30.0, "stopped": "the window was closed"}
    show.state = {"sinks": [ZMQ, stopped]}
    rows, opens = page.locator("#signals li"), page.get_by_role("button", name="open ")
    expect(rows.last).to_contain_text("Windowthe window was closed")
    expect(opens).to_have_count(1)
    show.state = {"sinks": [ZMQ, {**stopped, "pictures": 5}]}
    opens.click()
    eventually(lambda: [call[:2] for call in show.calls] == [("/sink/open", (3,))])
    show.state = {"sinks": [ZMQ, {**stopped, "stopped": ""}]}
    expect(rows.last).to_contain_text("sending 30 fps")
    expect(opens).to_have_count(0)
    show.state = {"sinks": [{**ZMQ, "open": False, "failure": "The disk is full"}]}
    expect(page.get_by_role("button", name="open zmq:tcp://127.0.0.1:5556")).to_have_count(1)


def test_kinds_of_sinks_to_choose(page: Page, show: WebShow) -> None:
    page.get_by_text("Kinds of sinks").click()
    kinds, field = page.locator("#sink-list button"), page.get_by_label("sink to add")
    assert kinds.count() == len(SINKS)
    for kind, scheme in zip(kinds.all(), SINKS, strict=True):
        expect(kind).to_contain_text(scheme.unavailable() or scheme.description)
        assert kind.is_disabled() == bool(scheme.unavailable())
    kinds.filter(has_text="PNG files").click()
    expect(field).to_have_value("png:frames?every=10&max=2000")
    page.keyboard.type("stills")  # in place of the name
    field.press("Enter")
    eventually(lambda: [call[:2] for call in show.calls] == [("/sink/add", ("png:stills?every=10&max=2000",))])


class SinkShow:
    """A store whose sinks are opened after a moment, except those named ``lost``."""

    def __init__(self, folder: Path) -> None:
        self.sinks: list[dict[str, Any]] = [ZMQ, WEB]
        self.opening: list[str] = []
        self.store = ParameterStore(
            Library(folder), status=lambda: {"sinks": self.sinks, "opening_sinks": self.opening}
        )
        self.store.change_sinks = self.change
        self.goes_on = threading.Event()

    def change(self, address: str, text: str, sender: str, later: Later | None) -> ControlReply:
        assert later is not None
        threading.Thread(target=self.finish, args=[address, text, later]).start()
        return ControlReply(address, True, None, f"opening {text}", pending=True)

    def finish(self, address: str, text: str, later: Later) -> None:
        if address == "/sink/remove":
            self.sinks = [sink for sink in self.sinks if str(sink["number"]) != text]
            later(ControlReply(address, True, None, "zmq:tcp://127.0.0.1:5556 is closed"))
            return
        self.opening = [text]
        self.goes_on.wait(20)
        self.opening = []
        if "lost" in text:
            later(ControlReply(address, False, None, f"{text}: the folder is missing"))
        else:
            self.sinks = [*self.sinks, {**SHM, "uri": text}]
            later(ControlReply(address, True, None, f"{text} is open as sink 4"))


def test_add_and_remove(browser: Browser, tmp_path: Path) -> None:
    sink_show, page = SinkShow(tmp_path), browser.new_page()
    page.set_default_timeout(PATIENCE)
    field, outcome = page.get_by_label("sink to add"), page.locator("#sink-outcome")
    with serving(WebControl(port=0), sink_show.store) as control:
        page.goto(control.url)
        rows = page.locator("#signals li")
        expect(rows).to_have_count(1)
        field.fill("record:lost/show.mp4")
        field.press("Enter")
        expect(page.locator("#sink-opening")).to_have_text("Opening record:lost/show.mp4 …")
        sink_show.goes_on.set()
        expect(outcome).to_have_text("record:lost/show.mp4: the folder is missing")
        expect(outcome).to_have_class("quiet bad")
        expect(field).to_have_value("record:lost/show.mp4")  # to be corrected
        expect(page.locator("#sink-opening")).to_be_hidden()
        field.fill("shm:visuals")
        page.get_by_role("button", name="Add sink").click()
        expect(outcome).to_have_text("shm:visuals is open as sink 4")
        expect(outcome).to_have_class("quiet")
        expect(field).to_have_value("")
        expect(rows).to_have_count(2)
        page.get_by_role("button", name="remove zmq:tcp://127.0.0.1:5556").click()
        expect(outcome).to_have_text("zmq:tcp://127.0.0.1:5556 is closed")
        expect(rows).to_have_text(["Shared memory visualssending 10 fpsRemove"])
        page.close()
