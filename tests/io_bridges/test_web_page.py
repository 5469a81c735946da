"""The page in a real browser: what a performer sees and touches."""

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect, sync_playwright
from web_show_control import LOOKS, WebShow, pumping, serving

from io_bridges.web.preview import WebPreview
from io_bridges.web.server import WebControl
from presets.parameter_table import PARAMETERS

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PATIENCE = 20_000  # ms: a loaded machine is no failure

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="wants chromium: apt install chromium")

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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def show() -> WebShow:
    return WebShow()


@pytest.fixture
def control(show: WebShow) -> Iterator[WebControl]:
    control = WebControl(port=0, preview=WebPreview())
    with pumping(control.preview, show), serving(control, show):
        yield control


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console said; a test that ends with anything in it has failed."""
    return []


@pytest.fixture
def page(browser: Browser, control: WebControl, complaints: list[str]) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(control.url)
    expect(control_of(page, "/strength")).to_be_visible()
    expect(page.locator(".look")).to_have_count(len(LOOKS))
    expect(page.locator("#waiting")).to_be_hidden()  # both sockets are open
    yield page
    said = list(complaints)  # what closing a page says is not its fault
    page.close()
    assert said == []


def control_of(page: Page, address: str) -> Locator:
    return page.locator(f"[data-address='{address}']")


def slider_of(page: Page, address: str) -> Locator:
    return control_of(page, address).locator("input[type=range]")


def reaches(page: Page, show: WebShow, address: str, value: object) -> None:
    """Wait until the show wants this value."""
    for _ in range(PATIENCE // 20):
        if show.values()[address] == value:
            return
        page.wait_for_timeout(20)
    pytest.fail(f"{address} is {show.values()[address]!r} and never became {value!r}")


def brightness(page: Page, low: float, high: float) -> None:
    """Wait until the mean of the picture is in this range."""
    for _ in range(PATIENCE // 20):
        if low <= page.evaluate(PIXELS)["mean"] <= high:
            return
        page.wait_for_timeout(20)
    pytest.fail(f"the picture's mean is {page.evaluate(PIXELS)['mean']}, not {low} to {high}")


def moving(page: Page) -> None:
    """Wait until the picture has changed twice."""
    seen = {page.evaluate(PIXELS)["hash"]}
    for _ in range(PATIENCE // 20):
        seen.add(page.evaluate(PIXELS)["hash"])
        if len(seen) >= 3:
            return
        page.wait_for_timeout(20)
    pytest.fail("the picture does not move")


def test_the_output_moves_freezes_and_goes_black(page: Page, show: WebShow) -> None:
    moving(page)
    shot = page.evaluate(PIXELS)
    assert (shot["width"], shot["height"]) == (256, 144)
    assert shot["mean"] > 40
    expect(page.locator("#waiting")).to_be_hidden()
    page.get_by_role("button", name="blackout").click()
    reaches(page, show, "/blackout", True)
    brightness(page, 0, 3)
    expect(page.locator("#chips")).to_have_text("blackout")
    page.get_by_role("button", name="blackout").click()
    brightness(page, 40, 255)
    moving(page)


def test_every_parameter_has_a_control_with_its_description(page: Page) -> None:
    for address, parameter in PARAMETERS.items():
        if address == "/preset":
            continue  # the looks' buttons
        control = control_of(page, address)
        expect(control).to_have_count(1)
        assert parameter.description in (control.get_attribute("title") or ""), address
        assert address in (control.get_attribute("title") or "")
    unnamed = page.evaluate(
        "() => [...document.querySelectorAll('input, textarea, select, button')]"
        ".filter((field) => !field.ariaLabel && !field.textContent.trim()).map((field) => field.outerHTML)"
    )
    assert unnamed == []


def test_a_prompt_is_sent_by_enter_and_by_a_pause(page: Page, show: WebShow) -> None:
    prompt = control_of(page, "/prompt/1/text").locator("textarea")
    expect(prompt).to_have_value("neon tunnel")
    prompt.fill("a cathedral of ice")
    prompt.press("Enter")
    reaches(page, show, "/prompt/1/text", "a cathedral of ice")
    second = control_of(page, "/prompt/2/text").locator("input")
    second.press_sequentially("slow ink ")
    reaches(page, show, "/prompt/2/text", "slow ink")
    expect(second).to_have_value("slow ink ")  # the space stays under the typing hand
    negative = control_of(page, "/negative_prompt").locator("input")
    negative.fill("text")
    page.locator("h1").click()
    reaches(page, show, "/negative_prompt", "text")
    sent = [asked for asked in show.calls if asked[0] == "/prompt/1/text"]
    assert len(sent) == 1


def test_what_is_being_typed_is_not_overwritten(page: Page, show: WebShow) -> None:
    prompt = control_of(page, "/prompt/1/text").locator("textarea")
    prompt.fill("half a thou")
    show.apply("/prompt/1/text", ("from elsewhere",), "osc:1")
    show.apply("/steps", (9,), "osc:1")
    expect(slider_of(page, "/steps")).to_have_value("9")  # what was told after it has arrived
    expect(prompt).to_have_value("half a thou")
    prompt.press("Enter")
    reaches(page, show, "/prompt/1/text", "half a thou")
    show.apply("/prompt/1/text", ("from elsewhere again",), "osc:1")
    expect(prompt).to_have_value("from elsewhere again")


def test_a_slider_moves_the_value_and_is_moved_from_elsewhere(page: Page, show: WebShow) -> None:
    slider = slider_of(page, "/strength")
    assert (slider.get_attribute("min"), slider.get_attribute("max")) == ("0", "1")
    slider.fill("0.25")
    reaches(page, show, "/strength", 0.25)
    page.wait_for_timeout(400)  # the hand has let go
    show.apply("/strength", (0.9,), "osc:1")
    expect(slider).to_have_value("0.9")
    expect(control_of(page, "/strength").locator("input[type=number]")).to_have_value("0.90")
    slider.dblclick()
    reaches(page, show, "/strength", PARAMETERS["/strength"].default)


def test_a_slider_in_the_hand_ignores_the_others(page: Page, show: WebShow) -> None:
    slider = slider_of(page, "/brightness")
    box = slider.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 10, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=8)
    reaches(page, show, "/brightness", 0.5)
    show.apply("/brightness", (0.05,), "osc:1")
    show.apply("/steps", (11,), "osc:1")
    expect(slider_of(page, "/steps")).to_have_value("11")
    expect(slider).to_have_value("0.5")
    page.mouse.up()
    expect(slider).to_have_value("0.05")


def test_number_menu_toggle_and_dice(page: Page, show: WebShow) -> None:
    steps = control_of(page, "/steps").locator("input[type=number]")
    steps.fill("99")
    steps.press("Enter")
    reaches(page, show, "/steps", 50)
    expect(steps).to_have_value("50")
    expect(page.locator("#toasts")).to_contain_text("/steps: taken as 50")
    control_of(page, "/mode").get_by_role("button", name="text").click()
    reaches(page, show, "/mode", "text")
    page.get_by_role("button", name="Random seed", exact=True).click()
    expect(control_of(page, "/seed").locator("input")).not_to_have_value("0")
    reaches(page, show, "/seed", int(control_of(page, "/seed").locator("input").input_value()))


def test_a_look_is_loaded_and_shown(page: Page, show: WebShow) -> None:
    page.get_by_role("button", name=re.compile("deep sea")).click()
    reaches(page, show, "/preset", "deep-sea")
    expect(slider_of(page, "/strength")).to_have_value("0.85")
    expect(control_of(page, "/prompt/1/text").locator("textarea")).to_have_value("bioluminescent plankton")
    pressed = page.locator(".look[aria-pressed=true]")
    expect(pressed).to_have_attribute("data-look", "deep-sea")
    show.apply("/preset", ("embers",), "osc:1")
    expect(pressed).to_have_attribute("data-look", "embers")


def test_panic_and_the_keys(page: Page, show: WebShow) -> None:
    page.keyboard.press("f")
    reaches(page, show, "/freeze", True)
    expect(control_of(page, "/freeze")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("b")
    reaches(page, show, "/blackout", True)
    page.get_by_role("button", name="panic").click()
    reaches(page, show, "/freeze", False)
    reaches(page, show, "/blackout", False)
    expect(control_of(page, "/freeze")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("3")
    reaches(page, show, "/preset", "embers")
    page.keyboard.press("/")  # selects what is there
    show.apply("/prompt/1/text", ("words from elsewhere",), "osc:1")
    expect(control_of(page, "/prompt/1/text").locator("textarea")).to_have_value("words from elsewhere")
    page.keyboard.type("bf3")  # letters in a text are letters
    page.keyboard.press("Enter")
    reaches(page, show, "/prompt/1/text", "bf3")
    assert not show.values()["/freeze"]
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    reaches(page, show, "/freeze", True)
    page.keyboard.press("Shift+P")
    reaches(page, show, "/freeze", False)


def test_a_rebuild_waits_for_apply(page: Page, show: WebShow) -> None:
    page.locator("#rebuild summary").click()
    width = control_of(page, "/width").locator("input")
    width.fill("500")
    width.press("Enter")
    height = control_of(page, "/height").locator("input")
    height.fill("384")
    height.press("Enter")
    assert show.calls == []
    show.apply("/width", (320,), "osc:1")
    show.apply("/steps", (7,), "osc:1")
    expect(slider_of(page, "/steps")).to_have_value("7")
    expect(width).to_have_value("500")
    page.get_by_role("button", name="Apply").click()
    reaches(page, show, "/height", 384)
    reaches(page, show, "/width", 512)
    expect(width).to_have_value("512")
    control_of(page, "/accelerator").locator("select").select_option("eager")
    page.get_by_role("button", name="Discard").click()
    expect(control_of(page, "/accelerator").locator("select")).to_have_value("auto")
    assert show.values()["/accelerator"] == "auto"


def test_the_status_is_shown_as_far_as_it_is_known(page: Page, show: WebShow) -> None:
    expect(page.locator("#fps")).to_have_text("24.3")
    expect(page.locator("#latency")).to_have_text("–")
    expect(page.locator("#renderer")).to_be_hidden()
    show.state = {
        "fps": 12,
        "output_fps": 30.04,
        "latency_ms": 81.7,
        "renderer": {"phase": "building", "text": "compiling the network", "fraction": 0.4, "shoe": 43},
        "sources": [{"uri": "card:", "frames": 17}],
        "surprise": {"deep": [1]},
    }
    expect(page.locator("#fps")).to_have_text("12.0")
    expect(page.locator("#output-fps")).to_have_text("30.0")
    expect(page.locator("#latency")).to_have_text("82")
    expect(page.locator("#progress")).to_contain_text("compiling the network")
    expect(page.locator("#progress-bar")).to_have_attribute("value", "0.4")
    page.locator("#connections summary").click()
    expect(page.locator("#bridges")).to_contain_text("card:")
    show.state = {"fps": 24, "renderer": {"phase": "playing", "model": "shipped", "accelerator": "openvino"}}
    expect(page.locator("#renderer")).to_have_text("playing  ·  shipped  ·  openvino")
    expect(page.locator("#progress")).to_be_hidden()
    coming = {"phase": "loading", "fraction": 0.25}
    show.state = {"fps": 24, "renderer": {"phase": "playing", "failure": "killed by signal 9", "next": coming}}
    expect(page.locator("#renderer")).to_have_text("playing  ·  next loading 25 %")
    expect(page.locator("#renderer")).to_have_attribute("title", "killed by signal 9")
    built = "plays on eager while tensorrt is built (43 %)"
    show.state = {"fps": 24, "renderer": {"phase": "playing", "next": coming, "meanwhile": built, "why": "asked for"}}
    expect(page.locator("#renderer")).to_have_text(f"playing  ·  {built}")
    expect(page.locator("#renderer")).to_have_attribute("title", "asked for")


def test_hostile_text_stays_text(page: Page, show: WebShow) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    show.apply("/prompt/1/text", (hostile,), "osc:1")
    show.state = {"looks": [hostile], "renderer": {"phase": "down", "text": hostile}, "sinks": [{"uri": hostile}]}
    expect(page.locator(".look")).to_have_count(1)
    expect(page.locator("#progress-text")).to_have_text(hostile)
    expect(control_of(page, "/prompt/1/text").locator("textarea")).to_have_value(hostile)
    page.locator("#connections summary").click()
    expect(page.locator("#bridges")).to_contain_text(hostile)
    assert page.locator("img[src=x]").count() == 0


def test_it_comes_back_after_the_server_was_away(browser: Browser, show: WebShow) -> None:
    control = WebControl(port=0)
    complaints: list[str] = []
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with pumping(control.preview, show):
        with serving(control, show):
            page.goto(control.url)
            expect(slider_of(page, "/strength")).to_have_value("0.6", timeout=PATIENCE)
            moving(page)
        expect(page.locator("#lost")).to_be_visible(timeout=PATIENCE)
        page.keyboard.press("f")
        expect(page.locator("#toasts")).to_contain_text("no connection")
        prompt = control_of(page, "/prompt/1/text").locator("textarea")
        prompt.fill("typed in the dark")
        prompt.press("Enter")
        show.apply("/strength", (0.15,), "osc:1")
        with serving(control, show):
            expect(slider_of(page, "/strength")).to_have_value("0.15", timeout=PATIENCE)
            expect(page.locator("#lost")).to_be_hidden(timeout=PATIENCE)
            moving(page)
            expect(prompt).to_have_value("typed in the dark")
            expect(prompt).to_be_focused()
            reaches(page, show, "/prompt/1/text", "typed in the dark")
            assert not show.values()["/freeze"]
            page.close()
    assert complaints == []


def test_a_hidden_page_costs_nothing(page: Page, control: WebControl) -> None:
    moving(page)
    # Chromium without a window never hides a page; holding back its animation frames is what hiding does.
    page.evaluate("window.requestAnimationFrame = () => 0")
    page.wait_for_timeout(500)
    encoded = control.preview.status()["encoded"]
    page.wait_for_timeout(500)
    assert control.preview.status()["encoded"] == encoded


def test_a_tablet_has_no_sideways_scroll_and_large_targets(browser: Browser, control: WebControl) -> None:
    context = browser.new_context(viewport={"width": 820, "height": 1180}, has_touch=True)
    page = context.new_page()
    page.goto(control.url)
    expect(control_of(page, "/strength")).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".look")).to_have_count(len(LOOKS), timeout=PATIENCE)
    for width in (820, 390):
        page.set_viewport_size({"width": width, "height": 1000})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for button in page.locator(".big").all():
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= 44
    context.close()
