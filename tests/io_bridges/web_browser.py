"""Helpers of the tests that drive the page in Chromium: find controls, wait for values and pictures."""

import shutil

import pytest
from playwright.sync_api import Locator, Page
from web_show_control import WebShow

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PATIENCE = 20_000
"""Milliseconds to wait, because a loaded machine is not a failure."""

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt install chromium")

PIXELS = """() => {
    const canvas = document.getElementById("picture");
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    let sum = 0, hash = 0;
    for (let i = 0; i < data.length; i += 4) {
        sum += data[i] + data[i + 1] + data[i + 2];
        hash = (hash * 31 + data[i] + 7 * data[i + 1] + 13 * data[i + 2]) | 0;
    }
    return { width: canvas.width, height: canvas.height, mean: sum / data.length * 4 / 3, hash };
}"""
"""Script that returns size, mean and hash of the picture on the canvas."""


def control_of(page: Page, address: str) -> Locator:
    """Return the control of a parameter."""
    return page.locator(f"[data-address='{address}']")


def slider_of(page: Page, address: str) -> Locator:
    """Return the slider of a parameter."""
    return control_of(page, address).locator("input[type=range]")


def wait_value(page: Page, show: WebShow, address: str, value: object) -> None:
    """Wait until the show has this value."""
    for _ in range(PATIENCE // 20):
        if show.values()[address] == value:
            return
        page.wait_for_timeout(20)
    pytest.fail(f"{address} is {show.values()[address]!r} and never became {value!r}")


def wait_brightness(page: Page, low: float, high: float) -> None:
    """Wait until the mean of the picture is in this range."""
    for _ in range(PATIENCE // 20):
        if low <= page.evaluate(PIXELS)["mean"] <= high:
            return
        page.wait_for_timeout(20)
    pytest.fail(f"the mean of the picture is {page.evaluate(PIXELS)['mean']}, not {low} to {high}")


def wait_movement(page: Page) -> None:
    """Wait until the picture has changed twice."""
    seen = {page.evaluate(PIXELS)["hash"]}
    for _ in range(PATIENCE // 20):
        seen.add(page.evaluate(PIXELS)["hash"])
        if len(seen) >= 3:
            return
        page.wait_for_timeout(20)
    pytest.fail("the picture does not move")
