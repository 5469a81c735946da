"""Patches of other programs drive the show: their messages by python-osc, read by `OscControl` with alias tables."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from osc_surface import LONG, Surface, serving, wait_for
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import build_msg
from pythonosc.udp_client import SimpleUDPClient
from show_control_fake import RecordingShow

from daemon.stage.parameter_store import ParameterStore
from io_bridges.osc import program_reports
from io_bridges.osc.packets import Message, decode_packet
from io_bridges.osc.server import OscControl
from presets.address_aliases import read_alias_tables
from presets.library import Library


class AliasedShow:
    """A store with an OSC control that knows all shipped tables."""

    def __init__(self, store: ParameterStore, control: OscControl) -> None:
        self.store, self.control = store, control
        self.client = SimpleUDPClient(*control.address)

    def wait_for(self, address: str, value: object) -> None:
        wait_for(lambda: self.store.values()[address] == value)

    def count(self, name: str, value: int) -> None:
        wait_for(lambda: self.control.status()[name] == value)


@pytest.fixture
def show(tmp_path: Path) -> Iterator[AliasedShow]:
    store = ParameterStore(Library(tmp_path))
    control = OscControl(port=0, aliases=read_alias_tables(["streamdiffusiontd", "scope", "resolume"]))
    control.open(store)
    thread = threading.Thread(target=control.serve)
    thread.start()
    yield AliasedShow(store, control)
    control.stop()
    thread.join(LONG)
    control.close()


def test_streamdiffusiontd_hears_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    show, listener = RecordingShow(), Surface()
    port, messages = program_reports._REPORTS["streamdiffusiontd"]
    assert port == 8248
    monkeypatch.setitem(program_reports._REPORTS, "streamdiffusiontd", (listener.port, messages))  # type: ignore[arg-type]
    show.state = {"fps": 24.5, "rendered": 2**31 + 7}
    with serving(OscControl(port=0, aliases=read_alias_tables(["streamdiffusiontd"])), show):
        heard = [decode_packet(listener.socket.recv(65_535)) for _ in range(3)]
    assert heard == [
        [Message("/server_active", [1])],
        [Message("/stream-info/fps", [24.5])],
        [Message("/framecount", [7])],
    ]
    assert not list(program_reports.program_reports(read_alias_tables(["scope"]), show.state))


def test_patch_of_streamdiffusiontd(show: AliasedShow) -> None:
    show.client.send_message("/prompt_list", json.dumps([["rain", 0.75], ["snow", 0.25]]))
    show.wait_for("/prompt/2/weight", 0.25)
    assert show.store.values()["/prompt/1/text"] == "rain"
    show.client.send_message("/t_list", [32, 45])
    show.wait_for("/steps", 5)
    assert show.store.values()["/strength"] == pytest.approx(0.36)
    show.client.send_message("/seed_list", json.dumps([[7, 0.5], [8, 0.5]]))
    show.wait_for("/seed_mix", 0.5)
    show.client.send_message("/guidance_scale", 2.5)
    show.wait_for("/guidance", 2.5)
    show.client.send_message("/sdmode", "txt2img")
    show.wait_for("/mode", "text")
    show.client.send_message("/pause", 1)
    show.wait_for("/freeze", True)
    show.client.send_message("/play", 1)
    show.wait_for("/freeze", False)
    show.client.send_message("/frame_ack", 1)
    show.client.send_message("/fx/latent_transform/zoom", 1.1)
    show.count("ignored", 2)
    assert show.control.status()["refused"] == 0


def test_patch_of_scope(show: AliasedShow) -> None:
    show.client.send_message("/scope/prompt", "a glowing reef at night")
    show.wait_for("/prompt/1/text", "a glowing reef at night")
    show.client.send_message("/scope/noise_scale", 0.5)
    show.wait_for("/strength", 0.5)
    show.client.send_message("/scope/denoising_step_list", [700, 500])
    show.wait_for("/steps", 2)
    show.client.send_message("/scope/kv_cache_attention_bias", 0.3)
    show.count("ignored", 1)


def test_resolume_sends_tempo_and_looks(show: AliasedShow) -> None:
    show.client.send_message("/composition/tempocontroller/tempo", (128 - 20) / 480)
    show.wait_for("/bpm", pytest.approx(128, abs=1e-3))
    show.client.send_message("/composition/dashboard/link1", 0.25)
    show.wait_for("/strength", 0.25)
    show.client.send_message("/composition/columns/3/connect", 1)
    names = show.store.preset_names()
    show.wait_for("/preset", names[2])
    show.client.send_message("/composition/columns/2/connect", 0)
    show.client.send_message("/composition/layers/1/clips/1/transport/position", 0.1)
    show.count("ignored", 2)
    assert show.store.values()["/preset"] == names[2], "the release of a column's button"


def test_senseless_message_is_told(show: AliasedShow) -> None:
    for text in ("[[", '{"a": 1}', "[1, 2, 3]"):
        show.client.send_message("/prompt_list", text)
    show.client.send_message("/sdmode", "video")
    show.count("refused", 4)
    *_, last = show.control.monitor.messages()
    assert (last["address"], last["taken"]) == ("/sdmode", False)
    assert last["note"] == "/sdmode takes img2img, txt2img, not 'video'"


def test_monitor_shows_the_reading(show: AliasedShow) -> None:
    show.client.send_message("/guidance_scale", 900.0)
    show.count("accepted", 1)
    *_, last = show.control.monitor.messages()
    assert (last["address"], last["arguments"], last["taken"]) == ("/guidance_scale", [900.0], True)
    assert last["note"].startswith("/guidance 900.0; ")


def test_bundle_of_many_faders(show: AliasedShow) -> None:
    """Numbers in a bundle are not limited, whatever their address."""
    bundle = OscBundleBuilder(0)
    for step in range(200):
        bundle.add_content(build_msg("/scope/noise_scale", [step / 200]))
    show.client.send(bundle.build())
    show.wait_for("/strength", pytest.approx(199 / 200))
    assert show.control.status()["accepted"] == 200
