"""Fixtures of the tests that drive the page in Chromium. Browser, server and page are shared by a module."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from io_bridges.web.page_content import PageFeeds
from io_bridges.web.server import WebControl

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page
    from web_show_control import WebShow

# A busy machine must not fail a property test.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A headless Chromium."""
    from playwright.sync_api import expect, sync_playwright
    from web_browser import ARGUMENTS, CHROMIUM, PATIENCE

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page_server() -> Iterator[tuple[WebControl, "WebShow"]]:
    """A server with moving pictures, and its show."""
    from web_show_control import WebShow, pumping, serving

    show = WebShow()
    feeds = PageFeeds(
        words=lambda: show.words,
        looks=lambda: show.looks,
        meters=lambda: show.meters,
        osc_messages=lambda: show.osc_messages,
        input_pixels=lambda: show.input_pixels,
        log_lines=lambda: show.log_lines,
    )
    control = WebControl(port=0, webrtc=False, feeds=feeds)
    with pumping(control.preview, show), serving(control, show):
        yield control, show


@pytest.fixture
def show(page_server: tuple[WebControl, "WebShow"]) -> "WebShow":
    """The show in its first state."""
    page_server[1].reset()
    return page_server[1]


@pytest.fixture
def control(page_server: tuple[WebControl, "WebShow"], show: "WebShow") -> WebControl:
    """The server of the page."""
    return page_server[0]


@pytest.fixture(scope="module")
def console(browser: "Browser") -> tuple["Page", list[str]]:
    """One browser page, and the warnings, errors and exceptions that its scripts cause."""
    from web_browser import PATIENCE

    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE)
    complaints: list[str] = []

    def collect(message: "ConsoleMessage") -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    page.on("console", collect)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page, complaints


@pytest.fixture
def page(console: tuple["Page", list[str]], control: WebControl) -> Iterator["Page"]:
    """The page, loaded again for each test. A test fails if a script complains."""
    from playwright.sync_api import expect
    from web_show_control import PRESETS

    page, complaints = console
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(control.url)
    expect(page.locator("[data-address='/strength']")).to_be_visible()
    expect(page.locator(".preset")).to_have_count(len(PRESETS))
    expect(page.locator("#waiting")).to_be_hidden()  # both sockets are open
    complaints.clear()  # leaving the page before may have closed a socket in use
    yield page
    assert complaints == []
