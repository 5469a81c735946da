"""Notices: which state of a show gives which sentence."""

import logging
from pathlib import Path

import pytest
from feed import Feed
from show import Show, until

from daemon.stage.notices import (
    Notice,
    NoticeLog,
    gives_frames,
    second_source_notice,
    size_notice,
    source_notice,
    still_notice,
    unused_fader,
    words_notice,
)
from presets.parameters import Parameters

STILL = "Text mode draws the same picture: turn up drift or feedback, or change the prompt."


def test_other_size_than_at_start() -> None:
    notice = size_notice((576, 576), (256, 256), (256, 256))
    assert notice is not None
    assert notice.text == "Drawing at 576x576; output stays 256x256 (set with --output-size at start)."


@pytest.mark.parametrize(
    ("drawn", "output"), [((256, 256), (256, 256)), ((256, 256), (1920, 1080)), ((1920, 1080), (1920, 1080))]
)
def test_size_as_set_gives_no_notice(drawn: tuple[int, int], output: tuple[int, int]) -> None:
    assert size_notice(drawn, output, (256, 256)) is None


def test_still_text_mode() -> None:
    notice = still_notice(Parameters(mode="text"), has_source=True, moving=False)
    assert notice is not None
    assert notice.text == STILL
    assert still_notice(Parameters(mode="text"), has_source=True, moving=True) is None
    assert still_notice(Parameters(mode="text", feedback=0.1), has_source=True, moving=False) is None
    assert still_notice(Parameters(), has_source=True, moving=False) is None
    alone = still_notice(Parameters(), has_source=False, moving=False)
    assert alone is not None
    assert alone.text.startswith("A show without a source draws the same picture")


def test_weight_without_a_lora() -> None:
    one = Parameters(lora1="neon.safetensors")
    assert unused_fader(one, "/lora2_weight") == "no LoRA is loaded in this place; /lora2 names a file"
    for address in ("/lora1_weight", "/lora2", "/strength", "/prompt/1/weight"):
        assert unused_fader(one, address) == ""


def test_scale_without_a_controlnet() -> None:
    tile = Parameters(controlnet="/nets/tile", controlnet_preprocessor="tile")
    edges = Parameters(controlnet="/nets/edges", controlnet_preprocessor="canny")
    for address in ("/controlnet_scale", "/canny_low", "/canny_high"):
        assert unused_fader(Parameters(), address) == "no ControlNet is loaded; /controlnet names a folder"
        assert unused_fader(edges, address) == ""
    assert unused_fader(tile, "/controlnet_scale") == ""
    assert unused_fader(tile, "/canny_low") == "/controlnet_preprocessor is tile; canny alone has thresholds"
    assert unused_fader(Parameters(), "/controlnet") == ""


def test_image_without_an_ip_adapter() -> None:
    loaded = Parameters(ip_adapter="/a.safetensors")
    for address in ("/ip_adapter_scale", "/ip_adapter_image"):
        assert unused_fader(Parameters(), address) == "no IP-Adapter is loaded; /ip_adapter names a file"
        assert unused_fader(loaded, address) == "there is no image; /ip_adapter_image names a file"
        assert unused_fader(Parameters(ip_adapter="/a.safetensors", ip_adapter_image="/b.png"), address) == ""


def test_words_notices() -> None:
    assert words_notice("", "") is None
    loading = words_notice("", "loading the text encoder for 'moss'")
    assert loading is not None
    assert loading.text == "The words before stay: loading the text encoder for 'moss'."
    refused = words_notice("The text_encoder is damaged.", "")
    assert refused is not None
    assert (refused.level, refused.text) == ("warning", "The words before stay: The text_encoder is damaged.")


def test_source_notices() -> None:
    def text(age: float = 60.0, **status: object) -> str:
        well = {"failure": "", "silent_s": 0, "pictures": 9, "meanwhile": "holding the last picture"}
        notice = source_notice("zmq:", well | status, age)
        return notice.text if notice is not None else ""

    assert text() == ""
    assert text(silent_s=12) == "No frames from zmq: for 12 s; holding the last picture."
    assert text(pictures=0) == "No frames from zmq: yet; drawing from the prompt alone."
    assert text(pictures=0, age=1.0) == "", "it has just begun"
    assert text(pictures=0, source="none") == ""
    note = "messages come and are refused (3): it has no header"
    assert text(silent_s=12, note=note) == f"No frames from zmq: for 12 s; holding the last picture; {note}."
    assert text(pictures=0, note=note) == f"No frames from zmq: yet; drawing from the prompt alone; {note}."
    assert text(note=note) == ""
    assert text(ended=True, silent_s=12) == "zmq:: the clip has ended; holding the last picture."
    assert text(failure="the port is taken", silent_s=12) == "zmq:: the port is taken"


def test_notice_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = NoticeLog()
    log.update([Notice("lost", "warning", "no frames for 3 s")])
    log.update([Notice("lost", "warning", "no frames for 4 s")])
    log.update([])
    log.update([Notice("lost", "warning", "no frames for 3 s"), Notice("still", "info", "the same picture")])
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "no frames for 3 s"),
        ("WARNING", "no frames for 3 s"),
        ("INFO", "the same picture"),
    ]


def test_frames_again_only_if_they_come(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    status = {"failure": "", "silent_s": 5, "pictures": 9, "meanwhile": "the first source plays alone"}
    lost = second_source_notice("zmq:", status)
    assert lost is not None
    for playing in ([], ["card:"], ["card:", "zmq:"]):
        log = NoticeLog()
        log.update([lost])
        log.update([], playing)
    assert [record.message for record in caplog.records].count("Frames from zmq: again.") == 1
    assert not gives_frames(status)
    assert not gives_frames(status | {"silent_s": 0, "failure": "the port is taken"})
    assert gives_frames(status | {"silent_s": 0})


def test_notices_of_a_running_show(tmp_path: Path) -> None:
    feed = Feed(64)

    def texts() -> list[str]:
        return [notice["text"] for notice in show.status()["notices"]]

    def logged(text: str) -> int:
        return " ".join(show.log.read_text().split()).count(text)

    with Show(tmp_path / "show", "--source", f"zmq:{feed.address}", "--size", "64x64") as show:
        until(lambda: texts() == [f"No frames from zmq:{feed.address} yet; drawing from the prompt alone."])
        assert show.status()["sources"][0]["status"] == "no frames yet"
        with feed.moving():
            until(lambda: texts() == [] and show.status()["fps"] > 5)
            assert show.status()["sources"][0]["status"] == "receiving"
            show.set(width=96, mode="text")
            size = "Drawing at 96x64; output stays 64x64 (set with --output-size at start)."
            until(lambda: texts() == [size, STILL])
            assert show.picture(lambda meta, pixels: True)[0]["shape"] == [64, 64, 3]
            until(lambda: show.status()["fps"] == 0)
            rendered, delivered = show.status()["rendered"], show.status()["renderer"]["delivered"]
            until(lambda: show.status()["renderer"]["delivered"] > delivered + 5)
            assert show.status()["rendered"] == rendered, "a repeated picture is not counted"
            until(lambda: logged(size) == logged(STILL) == 1)
            show.set(drift=0.5, width=64)
            until(lambda: texts() == [] and show.status()["fps"] > 1)
            show.set(drift=0, mode="image")
        until(lambda: texts() and texts()[0].startswith(f"No frames from zmq:{feed.address} for"))
        lost = show.status()["sources"][0]
        assert lost["status"] == f"no frames for {lost['silent_s']} s; holding the last picture"
        assert lost["silent_s"] >= 3
        until(lambda: logged("holding the last picture") == 1)
        with feed.moving():
            until(lambda: texts() == [])
        until(lambda: logged(f"Frames from zmq:{feed.address} again.") == 1)
    feed.close()
    assert logged(size) == logged(STILL) == 1


def test_restart_says_what_it_restores(tmp_path: Path) -> None:
    folder = tmp_path / "show"
    with Show(folder, "--size", "64x64") as show:
        show.set(blackout=True, model="echo")
        assert show.end() == 0
    state = folder / "state.json"
    state.write_text(state.read_text().replace('"/engine": ""', '"/engine": "/no/such.onnx"'))
    again = Show(folder)
    again.command.remove(str(folder / "look.yaml"))
    with again:
        levels = {notice["text"]: notice["level"] for notice in again.status()["notices"]}
        engine = "The engine of the last show is not there any more: /no/such.onnx. The model plays without it."
        dark = "Blackout is still on since the last show: the output is dark. Release it, or press PANIC."
        size = "Drawing at 64x64, the size of the last show."
        assert levels == {engine: "error", dark: "warning", size: "info"}
        until(lambda: size in " ".join(again.log.read_text().split()))
        log = " ".join(again.log.read_text().split())
        assert log.index("pictures from") < log.index(engine) < log.index(dark) < log.index(size)
        again.osc.send_message("/panic", [])
        until(lambda: dark not in [notice["text"] for notice in again.status()["notices"]])
