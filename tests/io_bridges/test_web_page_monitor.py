"""The page in a real browser: the input beside the output, rate and latency over time, and the log."""

import numpy as np
from playwright.sync_api import Page, expect
from web_browser import needs_chromium
from web_client import eventually
from web_show_control import WebShow

from io_bridges.web.server import WebControl

pytestmark = needs_chromium

PIXELS = """(canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  return copy.getImageData(0, 0, canvas.width, canvas.height).data;
}"""
IS_RED = (
    f"() => {{ const [red, green] = ({PIXELS})(document.getElementById('input')); return red > 180 && green < 60; }}"
)
IS_DRAWN = f"(canvas) => ({PIXELS})(canvas).some((byte) => byte)"


def test_input_beside_output(page: Page, show: WebShow, control: WebControl) -> None:
    """It is sent only while it is shown, and the output has the whole width again afterwards."""
    show.input_pixels = np.full((90, 160, 4), (220, 10, 10, 255), np.uint8)
    expect(page.locator("#input")).to_be_hidden()
    whole = page.locator("#picture").bounding_box()
    page.locator("#compare").click()
    expect(page.locator("#input")).to_be_visible()
    page.wait_for_function(IS_RED)
    left, right = page.locator("#input").bounding_box(), page.locator("#picture").bounding_box()
    assert whole is not None
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"]
    assert abs(left["width"] - right["width"]) < 2
    eventually(lambda: control.status()["viewers"] == 2)
    page.keyboard.press("i")
    expect(page.locator("#input")).to_be_hidden()
    assert page.locator("#picture").bounding_box() == whole
    eventually(lambda: control.status()["viewers"] == 1)


def test_rate_and_latency_over_time(page: Page, show: WebShow) -> None:
    page.locator("#history > summary").click()
    show.state = {"fps": 20, "output_fps": 30, "latency_ms": 40}
    latency = page.locator("#history-lines > div").nth(2)
    expect(latency).to_contain_text("40 – 40 ms")
    show.state = {"fps": 12, "output_fps": 30, "latency_ms": 95}
    expect(latency).to_contain_text("40 – 95 ms")
    expect(latency).to_have_attribute("aria-label", "latency, last two minutes: 40 – 95 ms")
    expect(page.locator("#history-lines > div").first).to_contain_text("12.0 –")
    assert latency.locator("canvas").evaluate(IS_DRAWN)


def test_log_of_the_show(page: Page, show: WebShow) -> None:
    lines = ((1, "info", "on air: shipped"), (2, "warning", "<b>No frames</b> from zmq:"))
    show.log_lines = [{"number": number, "at": 0.0, "level": level, "text": text} for number, level, text in lines]
    page.locator("#log > summary").click()
    shown = page.locator("#log-lines > li")
    expect(shown).to_have_count(2)
    expect(shown.first).to_contain_text("<b>No frames</b> from zmq:")
    expect(shown.first).to_have_class("warning")
    show.log_lines = [*show.log_lines, {"number": 3, "at": 1.0, "level": "error", "text": "disk full"}]
    expect(shown.first).to_contain_text("disk full")


def test_new_panels_on_a_phone(page: Page, show: WebShow) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    show.input_pixels = np.full((90, 160, 3), 90, np.uint8)
    page.locator("#compare").click()
    page.locator("#history > summary").click()
    page.locator("#log > summary").click()
    expect(page.locator("#input")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("#compare").click()


def test_audio_input_is_chosen(page: Page, show: WebShow) -> None:
    page.locator("#lfo > summary").click()
    page.locator("#audio-name").fill(" usb ")
    page.keyboard.press("Enter")
    eventually(lambda: show.calls[-1:] and show.calls[-1][:2] == ("/audio/input", ("usb",)))
    expect(page.locator("#audio-name")).to_have_value("")
