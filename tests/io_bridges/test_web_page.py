"""The controls of the page in a real browser: what a performer touches."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect
from web_browser import (
    PATIENCE,
    PIXELS,
    control_of,
    needs_chromium,
    slider_of,
    wait_brightness,
    wait_movement,
    wait_value,
)
from web_client import eventually
from web_show_control import WebShow, pumping, serving

from io_bridges.web.server import WebControl
from presets.declaration import Effect
from presets.parameter_table import PARAMETERS, Parameter, Value

pytestmark = needs_chromium


def test_picture_moves_and_blacks_out(page: Page, show: WebShow) -> None:
    wait_movement(page)
    shot = page.evaluate(PIXELS)
    assert (shot["width"], shot["height"]) == (256, 144)
    assert shot["mean"] > 40
    expect(page.locator("#waiting")).to_be_hidden()
    page.get_by_role("button", name="blackout").click()
    wait_value(page, show, "/blackout", True)
    wait_brightness(page, 0, 3)
    expect(page.locator("#chips")).to_have_text("blackout")
    page.get_by_role("button", name="blackout").click()
    wait_brightness(page, 40, 255)
    wait_movement(page)


def test_every_parameter_has_a_control(page: Page) -> None:
    controls = page.evaluate(
        "() => [...document.querySelectorAll('[data-address]')].map((control) =>"
        " [control.dataset.address, control.closest('[data-group]').dataset.group, control.title])"
    )
    shown = [each for each in PARAMETERS.values() if each.address != "/preset"]  # which has the buttons of the presets
    assert sorted(address for address, _, _ in controls) == sorted(each.address for each in shown), "one each"
    for address, group, title in controls:
        assert group == PARAMETERS[address].group, address
        assert PARAMETERS[address].description in title, address
        assert address in title
    unnamed = page.evaluate(
        "() => [...document.querySelectorAll('input, textarea, select, button')]"
        ".filter((field) => !field.ariaLabel && !field.textContent.trim()).map((field) => field.outerHTML)"
    )
    assert unnamed == []


SHOWING = {"/lfo/{}/target": "strength", "/lfo/{}/shape": "envelope", "/processor/{}/name": "mirror"}
"""Values that bring further controls of a place into view."""


STEPS = """() => Object.fromEntries([...document.querySelectorAll("[data-address]")].map((control) =>
    [control.dataset.address, Number(control.querySelector("input[type=range]")?.step) || 0]))"""
"""Script that returns the step of each slider by address, and 0 of each other control."""


def another_value(parameter: Parameter, step: float) -> Value:
    """Return a value that the control can be set to and that is not its default."""
    showing = SHOWING.get(re.sub(r"\d+", "{}", parameter.address))
    if showing is not None:
        return showing
    if parameter.kind == "bool":
        return not parameter.default
    if parameter.choices:
        return next(choice for choice in reversed(parameter.choices) if choice != parameter.default)
    if parameter.kind == "text":
        return f"set {parameter.address.strip('/').replace('/', ' ')}"
    step = step or parameter.multiple_of or 1
    low, high = parameter.minimum or 0, parameter.maximum if parameter.maximum is not None else 1000
    places = [low + round((high - low) * share / step) * step for share in (0.25, 0.75)]
    value = next(place for place in places if place != parameter.default)
    return int(value) if parameter.kind == "int" else round(value, 6)


USE_WIDGETS = """(wanted) => Object.entries(wanted).flatMap(([address, value]) => {
    const control = document.querySelector(`[data-address="${address}"]`);
    if (!control.checkVisibility()) return [address];
    const buttons = [control, ...control.querySelectorAll("button")].filter((each) => each.tagName === "BUTTON");
    const fields = [...control.querySelectorAll("input, textarea, select")];
    const field = fields.find((each) => each.type === "range") ?? fields[0];
    if (!field) buttons.find((each) => typeof value === "boolean" || each.textContent === value).click();
    else {
        field.value = value;
        field.dispatchEvent(new InputEvent("input", { bubbles: true }));
        field.dispatchEvent(new Event("change", { bubbles: true }));
        field.form?.requestSubmit();
    }
    return [];
})"""
"""Script that presses, chooses, slides or types the value of each control. It returns the addresses of hidden ones."""


def test_every_control_sets_its_parameter(page: Page, show: WebShow) -> None:
    numbers = [{"name": f"number {place}", "minimum": 0, "maximum": 1, "about": ""} for place in range(8)]
    show.state = {"processors": {"known": {"mirror": {"numbers": numbers}}, "used": []}}
    page.evaluate("() => document.querySelectorAll('details[data-group]').forEach((each) => { each.open = true; })")
    steps, wanted = page.evaluate(STEPS), dict[str, Value]()
    for address, parameter in PARAMETERS.items():
        if address == "/preset":
            continue  # the buttons of the presets
        wanted[address] = another_value(parameter, steps[address])
        assert parameter.coerce(wanted[address]) == wanted[address] != parameter.default, address
    left = dict(wanted)
    for _ in range(PATIENCE // 20):
        hidden = page.evaluate(USE_WIDGETS, left)  # until what was set brings them into view
        left = {address: wanted[address] for address in hidden}
        if not left:
            break
        page.wait_for_timeout(20)
    assert list(left) == []
    expect(page.locator(".staged")).to_have_count(sum(p.effect is Effect.REBUILD for p in PARAMETERS.values()))
    page.get_by_role("button", name="Apply").click()
    eventually(lambda: wanted.items() <= show.values().items())
    assert show.refusals == []


def test_weights_without_a_lora_are_dimmed(page: Page, show: WebShow) -> None:
    unused = re.compile("unused")
    show.apply("/lora2", ("ink.safetensors",), "osc:1")
    expect(control_of(page, "/lora2_weight")).not_to_have_class(unused)
    for place in (1, 3, 4):
        expect(control_of(page, f"/lora{place}_weight")).to_have_class(unused)
    show.apply("/lora2", ("",), "osc:1")
    expect(control_of(page, "/lora2_weight")).to_have_class(unused)


def test_controls_without_a_controlnet_are_dimmed(page: Page, show: WebShow) -> None:
    unused = re.compile("unused")
    expect(control_of(page, "/controlnet_scale")).to_have_class(unused)
    show.apply("/controlnet", ("/nets/edges",), "osc:1")
    expect(control_of(page, "/controlnet_scale")).not_to_have_class(unused)
    expect(control_of(page, "/canny_low")).to_have_class(unused)
    show.apply("/controlnet_preprocessor", ("canny",), "osc:1")
    expect(control_of(page, "/canny_low")).not_to_have_class(unused)
    show.apply("/controlnet", ("",), "osc:1")
    expect(control_of(page, "/canny_high")).to_have_class(unused)


def test_controls_without_an_ip_adapter_are_dimmed(page: Page, show: WebShow) -> None:
    unused = re.compile("unused")
    expect(control_of(page, "/ip_adapter_image")).to_have_class(unused)
    show.apply("/ip_adapter", ("/a.safetensors",), "osc:1")
    expect(control_of(page, "/ip_adapter_image")).not_to_have_class(unused)
    expect(control_of(page, "/ip_adapter_scale")).to_have_class(unused)
    show.apply("/ip_adapter_image", ("/moss.jpg",), "osc:1")
    expect(control_of(page, "/ip_adapter_scale")).not_to_have_class(unused)
    for address in ("/ip_adapter_image", "/ip_adapter"):
        show.apply(address, ("",), "osc:1")
    expect(control_of(page, "/ip_adapter_image")).to_have_class(unused)


def test_prompt_is_sent(page: Page, show: WebShow) -> None:
    prompt = control_of(page, "/prompt/1/text").locator("textarea")
    expect(prompt).to_have_value("neon tunnel")
    prompt.fill("a cathedral of ice")
    prompt.press("Enter")
    wait_value(page, show, "/prompt/1/text", "a cathedral of ice")
    second = control_of(page, "/prompt/2/text").locator("input")
    second.press_sequentially("slow ink ")
    wait_value(page, show, "/prompt/2/text", "slow ink")
    expect(second).to_have_value("slow ink ")  # the space stays while typing goes on
    negative = control_of(page, "/negative_prompt").locator("input")
    negative.fill("text")
    page.locator("h1").click()
    wait_value(page, show, "/negative_prompt", "text")
    sent = [asked for asked in show.calls if asked[0] == "/prompt/1/text"]
    assert len(sent) == 1


def test_typing_is_not_overwritten(page: Page, show: WebShow) -> None:
    prompt = control_of(page, "/prompt/1/text").locator("textarea")
    prompt.fill("half a thou")
    show.apply("/prompt/1/text", ("from elsewhere",), "osc:1")
    show.apply("/steps", (9,), "osc:1")
    expect(slider_of(page, "/steps")).to_have_value("9")  # the page has the later change
    expect(prompt).to_have_value("half a thou")
    prompt.press("Enter")
    wait_value(page, show, "/prompt/1/text", "half a thou")
    show.apply("/prompt/1/text", ("from elsewhere again",), "osc:1")
    expect(prompt).to_have_value("from elsewhere again")


def test_slider(page: Page, show: WebShow) -> None:
    slider = slider_of(page, "/strength")
    assert (slider.get_attribute("min"), slider.get_attribute("max")) == ("0", "1")
    slider.fill("0.25")
    wait_value(page, show, "/strength", 0.25)
    page.wait_for_timeout(400)  # longer than the slider waits for the hand
    show.apply("/strength", (0.9,), "osc:1")
    expect(slider).to_have_value("0.9")
    expect(control_of(page, "/strength").locator("input[type=number]")).to_have_value("0.90")
    slider.dblclick()
    wait_value(page, show, "/strength", PARAMETERS["/strength"].default)


@pytest.mark.parametrize(("address", "value"), [("/brightness", 0.05), ("/pan_x", 0.5)])
def test_held_slider_ignores_changes(page: Page, show: WebShow, address: str, value: float) -> None:
    """The first one has its default at the end, the second in the middle."""
    parameter, slider = PARAMETERS[address], slider_of(page, address)
    assert parameter.minimum is not None
    assert parameter.maximum is not None
    middle = (parameter.minimum + parameter.maximum) / 2
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 10, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=8)
    wait_value(page, show, address, middle)
    show.apply(address, (value,), "osc:1")
    show.apply("/steps", (11,), "osc:1")
    expect(slider_of(page, "/steps")).to_have_value("11")
    expect(slider).to_have_value(f"{middle:g}")
    page.mouse.up()
    expect(slider).to_have_value(f"{value:g}")


def test_number_segments_and_dice(page: Page, show: WebShow) -> None:
    steps = control_of(page, "/steps").locator("input[type=number]")
    steps.fill("99")
    steps.press("Enter")
    wait_value(page, show, "/steps", 50)
    expect(steps).to_have_value("50")
    expect(page.locator("#toasts")).to_contain_text("/steps: taken as 50")
    control_of(page, "/mode").get_by_role("button", name="text").click()
    wait_value(page, show, "/mode", "text")
    page.get_by_role("button", name="Random seed", exact=True).click()
    expect(control_of(page, "/seed").locator("input")).not_to_have_value("0")
    wait_value(page, show, "/seed", int(control_of(page, "/seed").locator("input").input_value()))


def test_preset_is_loaded(page: Page, show: WebShow) -> None:
    page.get_by_role("button", name=re.compile("deep sea")).click()
    wait_value(page, show, "/preset", "deep-sea")
    expect(slider_of(page, "/strength")).to_have_value("0.85")
    expect(control_of(page, "/prompt/1/text").locator("textarea")).to_have_value("bioluminescent plankton")
    pressed = page.locator(".preset[aria-pressed=true]")
    expect(pressed).to_have_attribute("data-preset", "deep-sea")
    show.apply("/preset", ("embers",), "osc:1")
    expect(pressed).to_have_attribute("data-preset", "embers")


def test_panic_and_keys(page: Page, show: WebShow) -> None:
    page.keyboard.press("f")
    wait_value(page, show, "/freeze", True)
    expect(control_of(page, "/freeze")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("b")
    wait_value(page, show, "/blackout", True)
    page.get_by_role("button", name="panic").click()
    wait_value(page, show, "/freeze", False)
    wait_value(page, show, "/blackout", False)
    expect(control_of(page, "/freeze")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("3")
    wait_value(page, show, "/preset", "embers")
    page.keyboard.press("/")  # selects the text
    show.apply("/prompt/1/text", ("words from elsewhere",), "osc:1")
    expect(control_of(page, "/prompt/1/text").locator("textarea")).to_have_value("words from elsewhere")
    page.keyboard.type("bf3")  # letters in a text are letters
    page.keyboard.press("Enter")
    wait_value(page, show, "/prompt/1/text", "bf3")
    assert not show.values()["/freeze"]
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    wait_value(page, show, "/freeze", True)
    page.keyboard.press("Shift+P")
    wait_value(page, show, "/freeze", False)


def test_rebuild_waits_for_apply(page: Page, show: WebShow) -> None:
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
    wait_value(page, show, "/height", 384)
    wait_value(page, show, "/width", 512)
    expect(width).to_have_value("512")
    control_of(page, "/accelerator").locator("select").select_option("eager")
    page.get_by_role("button", name="Discard").click()
    expect(control_of(page, "/accelerator").locator("select")).to_have_value("auto")
    assert show.values()["/accelerator"] == "auto"


def test_hostile_text(page: Page, show: WebShow) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    show.apply("/prompt/1/text", (hostile,), "osc:1")
    show.state = {
        "presets": [hostile],
        "renderer": {"phase": "down", "text": hostile},
        "notices": [{"level": "error", "text": hostile}],
        "sinks": [{"uri": hostile, "number": 1, "size": hostile, "latency_ms": hostile}],
        "opening_sinks": [hostile],
        "refusals": {"total": 1, "by_reason": {hostile: 1}},
    }
    expect(page.locator(".preset")).to_have_count(1)
    expect(page.locator("#progress-text")).to_have_text(hostile)
    expect(page.locator("#notices")).to_have_text(hostile)
    expect(control_of(page, "/prompt/1/text").locator("textarea")).to_have_value(hostile)
    expect(page.locator("#signals")).to_contain_text(hostile)
    expect(page.locator("#refusals")).to_contain_text(hostile)
    expect(page.locator("#sink-opening")).to_contain_text(hostile)
    expect(page.get_by_label(f"remove {hostile}")).to_have_count(1)
    assert page.locator("img[src=x]").count() == 0


def test_reconnect(browser: Browser, show: WebShow) -> None:
    control = WebControl(port=0)
    complaints: list[str] = []
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with pumping(control.preview, show):
        with serving(control, show):
            page.goto(control.url)
            expect(slider_of(page, "/strength")).to_have_value("0.9", timeout=PATIENCE)
            wait_movement(page)
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
            wait_movement(page)
            expect(prompt).to_have_value("typed in the dark")
            expect(prompt).to_be_focused()
            wait_value(page, show, "/prompt/1/text", "typed in the dark")
            assert not show.values()["/freeze"]
            page.close()
    assert complaints == []


def test_hidden_page_gets_no_pictures(page: Page, control: WebControl) -> None:
    wait_movement(page)
    # Headless Chromium never hides a page. Hiding stops the animation frames, as this does.
    page.evaluate("window.requestAnimationFrame = () => 0")
    page.wait_for_timeout(500)
    encoded = control.preview.status()["encoded"]
    page.wait_for_timeout(500)
    assert control.preview.status()["encoded"] == encoded


def test_processors_show_their_numbers(page: Page, show: WebShow) -> None:
    numbers = [{"name": "amount", "minimum": 0, "maximum": 9, "about": "how much"}]
    used = {"name": "mirror", "moment": "before", "state": "playing", "pictures": 5, "bypassed": 2, "ms": 1.5}
    known = {"mirror": {"description": "", "moments": ["before"], "numbers": numbers}}
    show.state = {"fps": 24, "processors": {"known": known, "used": [{**used, "problem": "mirror.py:3: no"}]}}
    show.apply("/processor/1/name", ("mirror",), "osc:1")
    page.locator("#processors summary").click()
    expect(control_of(page, "/processor/1/value1").locator(".name")).to_have_text("amount")
    expect(control_of(page, "/processor/1/active")).to_be_visible()
    for address in ("/processor/1/value2", "/processor/2/value1", "/processor/2/active"):
        expect(control_of(page, address)).to_be_hidden()
    expect(page.locator("#processor-folder")).to_contain_text("mirror (before): mirror.py:3: no.")
    expect(page.locator("#processor-names option")).to_have_count(1)
    expect(control_of(page, "/processor/2/name").locator("input")).to_have_attribute("list", "processor-names")
