"""The controls of the page in a real browser: what a performer touches."""

import re
from itertools import pairwise

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
from presets.movement import MovementTime, moved
from presets.parameter_table import PARAMETERS, Parameter, Value, snapshot

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


def test_lfo_and_tempo(page: Page, show: WebShow) -> None:
    page.locator("#lfo summary").click()
    amount, other = (page.locator(f"[data-address='/lfo/{place}/amount']") for place in (1, 2))
    expect(amount).to_be_hidden()
    page.locator("[data-address='/lfo/1/target'] select").select_option("strength")
    expect(amount).to_be_visible()
    expect(other).to_be_hidden()
    assert show.values()["/lfo/1/target"] == "strength"
    attack, trigger = page.locator("[data-address='/lfo/1/attack']"), page.get_by_role("button", name="trigger 1")
    expect(trigger).to_be_hidden()
    page.locator("[data-address='/lfo/1/shape'] select").select_option("envelope")
    expect(attack).to_be_visible()
    trigger.click()
    eventually(lambda: show.calls[-1][:1] == ("/lfo/1/trigger",))
    page.locator("[data-address='/lfo/1/shape'] select").select_option("bass")
    expect(attack).to_be_hidden()
    expect(page.locator("[data-address='/lfo/1/period']")).to_be_hidden()
    page.locator("#lfo").get_by_role("button", name="tap").click()
    page.keyboard.press("t")
    page.locator("#lfo").get_by_role("button", name="resync").click()
    eventually(lambda: [call[0] for call in show.calls][-3:] == ["/tap", "/tap", "/resync"])


SWINGS: list[dict[str, str | float]] = [
    {"/strength": 0.6, "/lfo/1/target": "strength", "/lfo/1/amount": 0.4},
    {"/strength": 0.9, "/lfo/1/target": "strength", "/lfo/1/amount": -0.4},
    {"/zoom": 4.0, "/lfo/2/target": "zoom", "/lfo/2/shape": "pulse", "/lfo/2/amount": -0.4},
    {"/brightness": 0.5, "/lfo/1/target": "brightness", "/lfo/3/target": "brightness", "/lfo/3/shape": "square"}
    | {"/lfo/1/amount": 0.2, "/lfo/3/amount": 0.1, "/lfo/3/period": 3.7},
    {"/steps": 9, "/lfo/1/target": "steps", "/lfo/1/amount": 0.1},
    {"/prompt/4/text": "ice", "/travel": 1.0, "/lfo/1/target": "travel", "/lfo/1/amount": 0.25},
    {"/prompt/2/text": "ice", "/travel": 2.0, "/lfo/1/target": "travel", "/lfo/1/shape": "rise", "/lfo/1/amount": 1.0},
]
"""Values of shows in which LFOs move one number, on one side, on both, in a ring."""
BAND = "(slider) => ['from', 'to', 'again-from', 'again-to'].map((end) => slider.style.getPropertyValue(`--${end}`))"


def test_band_is_what_the_lfos_reach(page: Page, show: WebShow) -> None:
    """The movement of a show, at many instants, fills the band and never leaves it."""
    for values in SWINGS:
        show.reset()
        expect(page.locator(".movers")).to_have_count(0)
        for address, value in {"/prompt/1/text": "fire", **values}.items():
            show.apply(address, (value,), "osc:1")
        targets = [str(value) for address, value in values.items() if address.endswith("/target")]
        parameter, slider = PARAMETERS[f"/{targets[0]}"], slider_of(page, f"/{targets[0]}")
        expect(control_of(page, parameter.address).locator(".movers button")).to_have_count(len(targets))
        now, low, wide = (
            snapshot(show.values()),
            parameter.minimum or 0.0,
            (parameter.maximum or 0.0) - (parameter.minimum or 0.0),
        )
        moments = (MovementTime(seconds=step / 37, beats=step / 37) for step in range(900))
        reached = sorted(float(getattr(moved(now, at), parameter.key)) for at in moments)
        shares = [float(end) for end in slider.evaluate(BAND)]
        band = [(low + wide * start, low + wide * end) for start, end in (shares[:2], shares[2:]) if end > start]
        assert all(any(start - 1e-6 <= value <= end + 1e-6 for start, end in band) for value in reached), values
        for end in (end for part in band for end in part):
            assert min(abs(value - end) for value in reached) < 0.03 * wide, values
        gaps = [second - first for first, second in pairwise(reached)]
        assert len(band) == 1 + (max(gaps) > wide / 4), values


def test_lfo_is_named_by_what_it_moves(page: Page, show: WebShow) -> None:
    show.apply("/strength", (0.6,), "osc:1")
    show.apply("/lfo/2/target", ("strength",), "osc:1")
    show.apply("/lfo/2/amount", (0.4,), "osc:1")
    mover = control_of(page, "/strength").get_by_role("button", name="moved by LFO 2, ±0.2")
    expect(mover).to_have_text("LFO 2")
    expect(slider_of(page, "/strength")).to_have_attribute("aria-description", "moved by LFO 2, ±0.2, 0.4 to 0.8")
    target = page.locator("[data-address='/lfo/2/target'] select")
    expect(target).to_be_hidden()
    mover.click()
    expect(target).to_be_focused()
    expect(target).to_be_in_viewport()
    show.apply("/lfo/2/shape", ("bass",), "osc:1")
    expect(control_of(page, "/strength").locator(".movers")).to_have_text("LFO 2")
    expect(control_of(page, "/strength").get_by_role("button", name="moved by LFO 2, +0.2")).to_have_count(1)
    target.select_option("prompt/3/weight")
    rests = control_of(page, "/prompt/3/weight").get_by_role("button", name="LFO 2 rests: prompt 3 is empty")
    expect(rests).to_have_count(1)
    expect(slider_of(page, "/strength")).not_to_have_attribute("aria-description", re.compile("."))
    expect(page.locator(".movers")).to_have_count(1)
    target.select_option("seed")
    expect(control_of(page, "/seed").locator(".movers button")).to_have_count(1)


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


def test_set_list(page: Page, show: WebShow) -> None:
    expect(page.locator("#cues")).to_be_hidden()
    show.state = {**show.state, "cues": {"presets": ["fire", "ice-cells"], "place": 1}}
    expect(page.locator(".cue")).to_have_text(["1 fire", "2 ice cells"])
    expect(page.locator(".cue").first).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#cue-go")).to_have_text("Go: ice cells")
    expect(page.locator("#cue-back")).to_be_disabled()
    page.locator("#cue-go").click()
    page.locator(".cue").nth(1).click()
    eventually(lambda: [call[:2] for call in show.calls][-2:] == [("/cue/go", ()), ("/cue/jump", ("2",))])
    timecode = {"device": "pult", "time": "01:00:09:24", "rate": "25", "runs": True}
    show.state = {**show.state, "controls": [{"name": "osc"}, {"name": "desk", "timecode": timecode}]}
    expect(page.locator("#timecode")).to_have_text("01:00:09:24 · 25 fps")
    show.state = {**show.state, "cues": {"presets": ["fire", "ice-cells"], "place": 2, "at": ["", "01:00:10:00"]}}
    expect(page.locator(".cue small")).to_have_text("01:00:10:00")
    expect(page.locator("#cue-go")).to_be_disabled()


def test_keys_of_the_set_list(page: Page, show: WebShow) -> None:
    page.keyboard.press("Space")  # there is no set list
    show.state = {**show.state, "cues": {"presets": ["fire", "ice-cells", "ink"], "place": 2}}
    expect(page.get_by_text("Space go")).to_be_visible()
    blackout = page.get_by_role("button", name="blackout")
    blackout.click()  # has the focus from now on
    wait_value(page, show, "/blackout", True)
    page.keyboard.press("Space")
    eventually(lambda: show.calls[-1][:2] == ("/cue/go", ()))
    page.keyboard.press("Backspace")
    eventually(lambda: show.calls[-1][:2] == ("/cue/back", ()))
    prompt = control_of(page, "/prompt/1/text").locator("textarea")
    prompt.fill("a")
    page.keyboard.press("Backspace")
    page.keyboard.type("b c")
    expect(prompt).to_have_value("b c")
    prompt.press("Enter")
    prompt.press("Escape")
    page.get_by_role("button", name="freeze").focus()
    page.keyboard.press("Tab")
    expect(blackout).to_be_focused()
    page.keyboard.press("Space")  # presses the button that was reached by the keyboard
    wait_value(page, show, "/blackout", False)
    assert [call[0] for call in show.calls if call[0].startswith("/cue")] == ["/cue/go", "/cue/back"]


def test_recorded_controls(page: Page, show: WebShow) -> None:
    page.locator("#recorded > summary").click()
    page.locator("#record-controls").click()
    expect(page.locator("#controls-name")).to_be_focused()
    page.locator("#controls-name").fill("tonight")
    for button in ("record", "play", "loop"):
        page.locator(f"#{button}-controls").click()
    expect(page.locator("#stop-controls")).to_be_disabled()
    recording = {"path": "tonight.jsonl", "is_on": True, "messages": 7, "seconds": 12.5, "dropped": 1}
    playing = {"path": "last.jsonl", "seconds": 3.9, "length": 60.0, "loop": True}
    show.state = {**show.state, "recording_controls": recording, "playing_controls": playing}
    expect(page.locator("#recording-controls")).to_have_text("Recording tonight.jsonl: 12 s, 7 messages, 1 dropped")
    expect(page.locator("#playing-controls")).to_have_text("Playing last.jsonl: 3 s in a loop of 60 s")
    page.get_by_role("button", name="Stop recording").click()
    page.locator("#stop-controls").click()
    named = [(address, ("tonight",)) for address in ("/record/controls", "/play/controls", "/play/loop")]
    eventually(lambda: [call[:2] for call in show.calls][-5:] == [*named, ("/record/stop", ()), ("/play/stop", ())])
    show.state = {**show.state, "recording_controls": {**recording, "is_on": False}, "playing_controls": None}
    expect(page.locator("#recording-controls")).to_have_text("")
    expect(page.locator("#record-controls")).to_have_text("Record")


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
