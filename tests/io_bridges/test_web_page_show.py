"""The page in a real browser: the state of the show, notices, signals, full screen, small screens and saving."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from web_browser import PATIENCE, control_of, needs_chromium, slider_of, wait_value
from web_client import eventually
from web_show_control import PRESETS, WebShow, plasma, serving

from daemon.stage.parameter_store import ParameterStore
from io_bridges.show_control import ControlReply, Later
from io_bridges.web.server import WebControl
from io_bridges.web.small_pictures import LookPicture, small_jpeg
from presets.library import Library

pytestmark = needs_chromium

PLAYING = {"phase": "playing", "model": "shipped", "accelerator": "openvino", "size": [256, 256]}
CLIP = {
    "uri": "file:/clips/sea.mp4",
    "source": "file",
    "fps": 25.04,
    "pictures": 9,
    "status": "receiving",
    "silent_s": 0,
}
LOST = {
    "uri": "zmq:tcp://127.0.0.1:5555",
    "source": "zmq",
    "fps": 0,
    "pictures": 90,
    "senders": 0,
    "status": "no frames for 7 s; holding the last picture",
    "silent_s": 7,
}


def test_meters_of_the_sound(page: Page, show: WebShow) -> None:
    expect(page.locator("#sound")).to_be_hidden()
    features = {"level": 0.5, "bass": 0.25, "mid": 0.0, "treble": 1.0, "onset": 0.125}
    page.locator("#lfo > summary").click()
    show.state = {**show.state, "sound": {"source": "mic", "name": "USB Mic", "note": "", "features": features}}
    expect(page.locator("#sound-source")).to_have_text("sound: USB Mic")
    expect(page.locator("#sound-meters label")).to_have_text(list(features))
    treble = page.get_by_role("meter", name="treble")
    expect(treble).to_have_js_property("value", 1)
    show.meters = features | {"treble": 0.75}
    expect(treble).to_have_js_property("value", 0.75)
    show.meters = {}
    show.state = {**show.state, "sound": {"source": "mic", "name": "", "note": "no <i>mic</i>", "features": {}}}
    expect(page.locator("#sound-source")).to_have_text("no <i>mic</i>")


def test_figures_and_state(page: Page, show: WebShow) -> None:
    expect(page.locator("#fps")).to_have_text("24.3")
    expect(page.locator("#latency")).to_have_text("–")
    expect(page.locator("#renderer")).to_be_hidden()
    building = {"phase": "building", "text": "compiling the network", "fraction": 0.4, "shoe": 43, "size": [0, 0]}
    show.state = {"fps": 12, "output_fps": 30.04, "latency_ms": 81.7, "renderer": building, "surprise": {"deep": [1]}}
    expect(page.locator("#fps")).to_have_text("12.0")
    expect(page.locator("#output-fps")).to_have_text("30.0")
    expect(page.locator("#latency")).to_have_text("82")
    expect(page.locator("#drawn-size")).to_have_text("–")
    expect(page.locator("#progress")).to_contain_text("compiling the network")
    expect(page.locator("#progress-bar")).to_have_attribute("value", "0.4")
    show.state = {"fps": 24, "renderer": PLAYING, "output_size": [256, 256]}
    expect(page.locator("#renderer")).to_have_text("playing  ·  shipped  ·  openvino")
    expect(page.locator("#renderer")).to_have_attribute("data-level", "good")
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator("#drawn-size")).to_have_text("256×256")
    expect(page.locator("#output-size")).to_have_text("")
    show.state = {"fps": 24, "renderer": PLAYING, "output_size": [1280, 720]}
    expect(page.locator("#output-size")).to_have_text("→ 1280×720")


def test_next_renderer(page: Page, show: WebShow) -> None:
    coming = {"phase": "loading", "fraction": 0.25}
    show.state = {"fps": 24, "renderer": {"phase": "playing", "failure": "killed by signal 9", "next": coming}}
    expect(page.locator("#renderer")).to_have_text("playing  ·  next loading 25 %")
    expect(page.locator("#renderer")).to_have_attribute("title", "killed by signal 9")
    built = "plays on eager while tensorrt is built (43 %)"
    show.state = {"fps": 24, "renderer": {"phase": "playing", "next": coming, "meanwhile": built, "why": "asked for"}}
    expect(page.locator("#renderer")).to_have_text(f"playing  ·  {built}")
    expect(page.locator("#renderer")).to_have_attribute("title", "asked for")


def test_lost_source(page: Page, show: WebShow) -> None:
    show.state = {"fps": 25, "renderer": PLAYING, "sources": [CLIP], "notices": []}
    expect(page.locator("#renderer")).to_have_attribute("data-level", "good")
    expect(page.locator("#signals li")).to_have_text(["sea.mp4receiving · 25 fps"])
    expect(page.locator("#signals li")).to_have_attribute("data-level", "good")
    expect(page.locator("#notices")).to_be_hidden()
    lost = "No frames from zmq:tcp://127.0.0.1:5555 for 7 s; holding the last picture."
    show.state = {
        "fps": 0.0,
        "renderer": PLAYING,
        "sources": [LOST],
        "notices": [{"level": "warning", "text": lost}],
    }
    expect(page.locator("#renderer")).to_have_text("standing still  ·  shipped  ·  openvino")
    expect(page.locator("#renderer")).to_have_attribute("data-level", "warning")
    expect(page.locator("#notices li")).to_have_text([lost])
    expect(page.locator("#announcement")).to_have_text(lost)
    expect(page.locator("#signals li")).to_contain_text("no frames for 7 s; holding the last picture · no senders")
    expect(page.locator("#signals li")).to_have_attribute("data-level", "warning")
    amber = page.locator("#notices li").evaluate("(entry) => getComputedStyle(entry).borderLeftColor")
    failed = {"level": "error", "text": "zmq:tcp://127.0.0.1:5555: the port is in use"}
    show.state = {**show.state, "notices": [{"level": "warning", "text": lost.replace("7 s", "8 s")}, failed]}
    expect(page.locator("#notices li")).to_have_text([failed["text"], lost.replace("7 s", "8 s")])
    expect(page.locator("#renderer")).to_have_attribute("data-level", "error")
    expect(page.locator("#announcement")).to_have_text(failed["text"])  # a later count of seconds is not announced
    red = page.locator("#notices li").first.evaluate("(entry) => getComputedStyle(entry).borderLeftColor")
    assert amber != red
    act = {"address": "/backup/release", "label": "Take the outputs back"}
    show.state = {**show.state, "notices": [{"level": "error", "text": "Off air.", "act": act}]}
    page.locator("#notices").get_by_role("button", name=act["label"]).click()
    expect(page.locator("#notices li span")).to_have_text("Off air.")
    assert "/backup/release" in [address for address, _, _ in show.calls]
    show.state = {**show.state, "notices": [failed]}
    expect(page.locator("#notices button")).to_have_count(0)


def test_still_show_is_not_green(page: Page, show: WebShow) -> None:
    still = {"level": "info", "text": "Text mode draws the same picture."}
    show.state = {"fps": 0, "renderer": PLAYING, "notices": [still]}
    expect(page.locator("#renderer")).to_contain_text("standing still")
    expect(page.locator("#renderer")).to_have_attribute("data-level", "info")


def test_signals_in_words(page: Page, show: WebShow) -> None:
    osc = {"name": "osc", "alive": True, "address": "osc.udp://127.0.0.1:9000", "messages": 0, "superseded": 4321}
    show.state = {
        "sources": [{"uri": "none:", "source": "none", "status": "no source"}],
        "sinks": [
            {"uri": "zmq:tcp://127.0.0.1:5556", "open": True, "fps": 29.9, "readers": 1},
            {"uri": "png:frames", "sink": "png", "open": True, "fps": 2, "pictures": 20, "failure": "disk full"},
            {"uri": "web:", "kind": "web", "open": True, "viewers": 1},
        ],
        "controls": [
            osc,
            {"name": "zmq", "alive": False},
            {"name": "web", "pages": 1, "url": "http://localhost:8090/"},
        ],
        "refusals": {"total": 2, "by_reason": {"older": 1, "there is no '/strenght'": 1}},
    }
    rows = page.locator("#signals li")
    expect(rows).to_have_text(
        [
            "No sourceno source",
            "ZeroMQ 127.0.0.1:5556sending 30 fps · 1 reader",
            "PNG files framesdisk full · 20 pictures",
            "OSC 127.0.0.1:9000listening, no message yet",
            "ZeroMQstopped",
            "Web page localhost:80901 page open",
        ]
    )
    levels = rows.evaluate_all("(rows) => rows.map((row) => row.dataset.level)")
    assert levels == ["idle", "good", "error", "idle", "error", "good"]
    expect(page.locator("#refusals")).to_have_text("2 messages refused; last: there is no '/strenght'")
    show.state = {**show.state, "controls": [{**osc, "messages": 3}]}
    expect(rows.last).to_contain_text("receiving · 3 messages")
    assert "4321" not in page.locator("body").inner_text()
    page.locator("#counters summary").click()
    expect(page.locator("#counter-lists")).to_contain_text("4321")


def test_full_screen_is_picture_alone(page: Page, show: WebShow) -> None:
    show.apply("/freeze", (True,), "osc:1")
    show.state = {"renderer": {"phase": "loading", "text": "loading"}}
    expect(page.locator("#chips")).to_have_text("frozen")
    expect(page.locator("#progress")).to_be_visible()
    page.locator("#picture").dblclick()
    expect(page.locator("#picture")).to_be_visible()
    for part in ("#chips", "#fullscreen", "#progress", "#lost", "#waiting"):
        expect(page.locator(part)).to_be_hidden()
    # A lost connection changes nothing on the projector.
    page.evaluate("document.body.classList.add('lost')")
    expect(page.locator("#lost")).to_be_hidden()
    shown = page.locator("#picture").evaluate("(it) => [getComputedStyle(it).opacity, getComputedStyle(it).cursor]")
    assert shown == ["1", "none"]
    size = page.locator("#picture").evaluate("(it) => [it.clientWidth === innerWidth, it.clientHeight === innerHeight]")
    assert size == [True, True]
    page.locator("#picture").dblclick()
    expect(page.locator("#fullscreen")).to_be_visible()


@pytest.fixture(scope="module")
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    context.close()


def test_small_screens(phone: Page, control: WebControl, show: WebShow) -> None:
    show.looks = {name: LookPicture("1", small_jpeg(plasma(90, 160, 0))) for name in PRESETS}
    show.state = {"notices": [{"level": "warning", "text": "No frames from zmq:tcp://127.0.0.1:5555 for 7 s."}]}
    phone.goto(control.url)
    expect(phone.locator(".preset")).to_have_count(len(PRESETS))
    for details in phone.locator("main details").all():
        details.evaluate("(it) => { it.open = true; }")
    for width, height in ((1024, 768), (820, 1180), (390, 844), (360, 640)):
        phone.set_viewport_size({"width": width, "height": height})
        assert phone.evaluate("document.documentElement.scrollWidth") <= width
        panels = ["#presets", "[data-group=style]", "#lfo", "#source", "#recorded", "#log"]
        if width < 880:
            panels.insert(1, "#prompts")
        tops = [phone.locator(panel).evaluate("(it) => it.getBoundingClientRect().top") for panel in panels]
        assert tops == sorted(tops), f"what a performer needs often is first at {width} pixels: {panels}"
        for share in (0, 0.5, 1):
            phone.evaluate("(share) => scrollTo(0, share * document.documentElement.scrollHeight)", share)
            for button in phone.locator(".big").all():
                expect(button).to_be_in_viewport(ratio=1)
                box = button.bounding_box()
                assert box is not None
                assert box["height"] >= 44
    show.apply("/blackout", (True,), "osc:1")
    phone.get_by_role("button", name="panic").tap()
    wait_value(phone, show, "/blackout", False)


def test_looks_are_pictured_in_their_places(page: Page, show: WebShow) -> None:
    picture = page.locator(".preset img")
    expect(picture).to_have_count(len(PRESETS))
    boxes = [button.bounding_box() for button in page.locator(".preset").all()]
    shown = "(it) => it.complete && it.naturalWidth"
    assert [each.evaluate(shown) for each in picture.all()] == [0] * len(PRESETS)
    show.looks = {"deep-sea": LookPicture("1", small_jpeg(plasma(270, 480, 0)))}
    eventually(lambda: picture.nth(1).evaluate(shown) == 160)
    assert page.locator(".preset img[src]").count() == 1
    assert [button.bounding_box() for button in page.locator(".preset").all()] == boxes, "no button moves"
    show.looks = {"deep-sea": LookPicture("2", small_jpeg(plasma(480, 270, 0)))}
    eventually(lambda: picture.nth(1).evaluate(shown) == 90)
    picture.nth(1).click()
    wait_value(page, show, "/preset", "deep-sea")
    show.looks = {}
    expect(page.locator(".preset img[src]")).to_have_count(0)


def test_number_keys_keep_their_presets(page: Page, show: WebShow) -> None:
    names = list(PRESETS)
    show.names = [*names, "aurora"]  # the show appends saved presets
    expect(page.locator(".preset")).to_have_count(len(PRESETS) + 1)
    page.keyboard.press("1")
    wait_value(page, show, "/preset", names[0])
    expect(page.locator(".preset").last).to_have_text("aurora5")
    page.keyboard.press("9")  # no preset has this key
    page.keyboard.press("2")
    wait_value(page, show, "/preset", names[1])


def test_replace_shipped_preset(browser: Browser, tmp_path: Path) -> None:
    library = Library(tmp_path)
    store = ParameterStore(library, library.recall("fire"))
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    outcome, saved = page.locator("#save-outcome"), tmp_path / "fire.yaml"

    def save(name: str) -> None:
        page.get_by_label("Name of the preset to save").fill(name)
        page.get_by_role("button", name="Save", exact=True).click()

    with serving(WebControl(port=0), store) as control:
        page.goto(control.url)
        expect(page.locator(".preset[aria-pressed=true]")).to_contain_text("fire")
        store.apply("/strength", (0.31,), "osc:1")
        save("fire")
        expect(outcome).to_contain_text("“fire” is a shipped preset. Replace it?")
        assert not saved.exists()
        outcome.get_by_role("button", name="Cancel").click()
        expect(outcome).to_be_hidden()
        save("fire")  # must not count as the answer
        expect(outcome).to_contain_text("Replace it?")
        assert not saved.exists()
        outcome.get_by_role("button", name="Replace").click()
        expect(outcome).to_contain_text("Saved as “fire”.")
        assert "0.31" in saved.read_text()
        outcome.get_by_role("button", name="Undo").click()
        expect(page.locator("#toasts")).to_contain_text("the shipped preset fire is back")
        expect(outcome).to_be_hidden()
        assert not saved.exists()
        save("aaa")
        expect(page.locator(".preset").last).to_contain_text("aaa")
        expect(control_of(page, "/strength").locator("input[type=number]")).to_have_value("0.31")
        page.close()


def test_known_words(page: Page, show: WebShow) -> None:
    words = page.locator("#words")
    expect(words).to_be_hidden()  # a model that takes any text
    show.words = {"styles": ["halftone", "<b>neon</b>"], "palettes": ["fire"]}
    words.locator("summary").click()
    expect(words.locator("h3")).to_have_text(["styles", "palettes"])
    expect(words.locator("button")).to_have_text(["halftone", "<b>neon</b>", "fire"])
    show.apply("/prompt/1/text", ("tunnel",), "osc:1")
    expect(control_of(page, "/prompt/1/text").locator("textarea")).to_have_value("tunnel")
    words.get_by_role("button", name="halftone").click()
    wait_value(page, show, "/prompt/1/text", "tunnel, halftone")
    # Words go to the prompt that was edited last, after what is being typed there.
    control_of(page, "/prompt/2/text").locator("input").press_sequentially("ocean,")
    words.get_by_role("button", name="fire").click()
    wait_value(page, show, "/prompt/2/text", "ocean, fire")
    assert show.values()["/prompt/1/text"] == "tunnel, halftone"
    show.words = {}
    expect(words).to_be_hidden()


def test_unknown_words_by_the_prompt(page: Page, show: WebShow) -> None:
    note = "drawn as 'halftone fire': comic → halftone; 'xyzzy' is not known"
    line = control_of(page, "/prompt/1/text").locator(".drawn-as")
    expect(line).to_have_count(0)
    show.state = {**show.state, "drawn_as": {"/prompt/1/text": note}}
    expect(line).to_have_text(note)
    show.state = {**show.state, "drawn_as": {}}
    expect(line).to_be_hidden()


def test_sources(page: Page, show: WebShow) -> None:
    show.found = ("ndi:STAGE-PC (Resolume)", "spout:<b>TD</b>")
    field = control_of(page, "/source").locator("input")
    expect(field).to_have_value("card:")
    page.locator("#sources summary").click()
    buttons = page.locator("#source-list button")
    expect(buttons).to_have_text(["card:", "none:", *show.found])
    expect(page.locator("#source-search")).to_have_text("syphon: It runs on macOS only.")
    buttons.nth(2).click()
    wait_value(page, show, "/source", show.found[0])
    expect(field).to_have_value(show.found[0])
    expect(buttons.nth(2)).to_have_attribute("aria-pressed", "true")
    show.found = ("pattern:tunnel",)
    page.get_by_role("button", name="Search again").click()
    expect(buttons).to_have_text(["card:", "none:", "pattern:tunnel"])
    expect(page.locator("#source-search")).to_contain_text("No sender, camera or texture was found.")
    field.fill("shm:b")
    show.apply("/steps", (7,), "osc:1")
    expect(slider_of(page, "/steps")).to_have_value("7")
    assert show.values()["/source"] == "ndi:STAGE-PC (Resolume)", "nothing is opened while an address is typed"
    show.apply("/source", ("shm:a",), "osc:1")
    page.wait_for_timeout(100)
    expect(field).to_have_value("shm:b")
    field.press("Enter")
    wait_value(page, show, "/source", "shm:b")
    show.state = {**show.state, "opening_source": "file:big.mov"}
    expect(page.locator("#source-opening")).to_have_text("Opening file:big.mov …")


def test_second_source(page: Page, show: WebShow) -> None:
    page.locator("#mix summary").click()
    field = control_of(page, "/source2").locator("input")
    expect(field).to_have_value("")
    field.fill("file:logo.png")
    field.press("Enter")
    wait_value(page, show, "/source2", "file:logo.png")
    control_of(page, "/mix_mode").locator("select").select_option("luma_key")
    wait_value(page, show, "/mix_mode", "luma_key")
    receiving = {"status": "receiving", "pictures": 9, "open": True}
    show.state = {"sources": [{"uri": "card:", **receiving}, {"uri": "file:logo.png", "fps": 30.1, **receiving}]}
    expect(page.locator("#signals h3")).to_have_text(["Input", "Second input"])
    expect(page.locator("#signals li").last).to_have_text("logo.pngreceiving · 30 fps")
    field.fill("")
    field.press("Enter")
    wait_value(page, show, "/source2", "")
    assert show.values()["/source"] == "card:"


def test_refused_source(browser: Browser, tmp_path: Path) -> None:
    store = ParameterStore(Library(tmp_path))

    def open_source(uri: str, sender: str, later: Later | None) -> ControlReply:
        assert later is not None
        threading.Timer(0.2, later, [ControlReply("/source", False, None, "no such clip. card: plays on.")]).start()
        return ControlReply("/source", True, None, f"opening {uri}", pending=True)

    store.open_source["/source"] = open_source
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    with serving(WebControl(port=0), store) as control:
        page.goto(control.url)
        field = control_of(page, "/source").locator("input")
        expect(field).to_have_value("card:")
        field.fill("file:clip.mp4")
        field.press("Enter")
        expect(page.locator("#toasts .bad")).to_have_text("/source: no such clip. card: plays on.")
        expect(page.locator("#toasts p")).to_have_count(1)
        expect(field).to_have_value("file:clip.mp4")  # to be corrected
        field.press("Escape")
        expect(field).to_have_value("card:")
        page.close()
