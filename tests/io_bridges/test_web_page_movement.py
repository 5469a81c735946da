"""Movement on the page in a real browser: LFOs and tempo, the set list, recorded controls."""

import re
from itertools import pairwise

from playwright.sync_api import Page, expect
from web_browser import control_of, needs_chromium, slider_of, wait_value
from web_client import eventually
from web_show_control import WebShow

from presets.movement import MovementTime, moved
from presets.parameter_table import PARAMETERS, snapshot

pytestmark = needs_chromium


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
