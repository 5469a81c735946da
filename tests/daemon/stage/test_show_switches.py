"""A whole show that is changed while it plays: its source from every surface, its light by programs of others."""

import json
import re
import socket
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feed import Feed
from foreign_clients import needs_node, needs_pure_data, node_client, pure_data
from pythonosc.osc_message_builder import build_msg
from received_ticks import LATE, shown_periods
from show import Show, free_port, until
from typer.testing import CliRunner
from websockets.sync.client import connect

from daemon.__main__ import app
from io_bridges.osc.packets import decode_packet
from presets.parameter_table import PARAMETERS

SIDE = 64


def still(folder: Path, value: int) -> str:
    """Write a grey picture and return it as a source."""
    import cv2

    path = folder / f"grey-{value}.png"
    cv2.imwrite(str(path), np.full((SIDE, SIDE, 3), value, np.uint8))
    return f"file:{path}"


def is_grey(value: int, tolerance: int = 0) -> Any:
    """Return a test of a frame: its last pixel, which the echo renderer leaves alone."""
    return lambda meta, pixels: meta["index"] > 0 and abs(int(pixels[-1, -1, 0]) - value) <= tolerance


@pytest.fixture(scope="module")
def running_show(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    folder = tmp_path_factory.mktemp("switches")
    cues = folder / "cues.yaml"
    cues.write_text("cues: [fire, ink]")
    options = ("--size", f"{SIDE}x{SIDE}", "--source", still(folder, 50), "--no-webrtc", "--set-list", str(cues))
    with Show(folder / "show", *options) as show:
        yield show


@pytest.fixture
def show(running_show: Show, tmp_path: Path) -> Show:
    """The running show on a grey of 50, at full light."""
    running_show.set(brightness=1.0)
    assert switch(running_show, still(tmp_path, 50))["ok"]
    running_show.picture(is_grey(50))
    return running_show


def switch(show: Show, uri: str) -> dict[str, Any]:
    """Ask for a source over ZeroMQ and return the reply, which comes with the outcome."""
    answer = show.ask({"do": "source", "uri": uri}, timeout=60_000)
    assert answer is not None
    return answer


def test_switch_from_every_surface(show: Show, tmp_path: Path) -> None:
    """No tick is left out. A busy machine may leave out some, so there are three tries."""
    assert any(switches_without_a_gap(show, tmp_path) for _ in range(3))


def switches_without_a_gap(show: Show, tmp_path: Path) -> bool:
    with show.every_tick() as ticks:
        show.osc.send_message("/source", still(tmp_path, 80))
        show.picture(is_grey(80))
        assert switch(show, still(tmp_path, 110)) == {"ok": True, "note": ""}
        show.picture(is_grey(110))
        answer = show.ask({"do": "set", "values": {"/source": still(tmp_path, 140), "/seed": 5}}, timeout=60_000)
        assert answer is not None
        assert answer["answers"]["/source"] == {"accepted": True, "value": still(tmp_path, 140), "note": ""}
        show.picture(is_grey(140))
        request = urllib.request.Request(
            f"http://127.0.0.1:{show.web_port}/api/values",
            json.dumps({"/source": still(tmp_path, 170)}).encode(),
            {"Content-Type": "application/json"},
            method="PUT",
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            assert json.load(response)["answers"][0]["accepted"]
        show.picture(is_grey(170))
        with connect(f"ws://127.0.0.1:{show.web_port}/ws", compression=None) as page:
            page.send(json.dumps({"set": "/source", "value": still(tmp_path, 200)}))
            answers = []
            while len(answers) < 2:
                message = json.loads(page.recv(timeout=60))
                answers += [message["answer"]] if "answer" in message else []
        assert [(answer["accepted"], answer.get("pending")) for answer in answers] == [(True, True), (True, None)]
        show.picture(is_grey(200))
        numbers = [tick.number for tick in ticks]
        stall = max(shown_periods(ticks))
    assert all(tick.index > 0 for tick in ticks), "no slate"
    assert show.status()["sources"][0]["uri"] == still(tmp_path, 200)
    return numbers == list(range(numbers[0], numbers[0] + len(numbers))) and stall <= LATE


def test_webrtc_is_turned_off(running_show: Show) -> None:
    with connect(f"ws://127.0.0.1:{running_show.web_port}/ws/webrtc", compression=None) as page:
        assert json.loads(page.recv(timeout=60)) == {"refused": "The show was started with --no-webrtc."}


def test_refused_source_leaves_the_old_one(show: Show, tmp_path: Path) -> None:
    gone = switch(show, "file:/no/such/clip.mp4")
    assert not gone["ok"]
    assert "/no/such/clip.mp4" in gone["error"]
    assert gone["error"].endswith(f"{still(tmp_path, 50)} plays on.")
    taken = switch(show, f"zmq:tcp://127.0.0.1:{show.out_port}")
    assert "same address" in taken["error"]
    assert "must start with one of" in switch(show, "spoon:")["error"]
    with connect(f"ws://127.0.0.1:{show.web_port}/ws", compression=None) as page:
        page.send(json.dumps({"set": "/source", "value": "file:/no/such.png"}))
        while not (answer := json.loads(page.recv(timeout=60)).get("answer")) or answer.get("pending"):
            pass
    assert not answer["accepted"]
    assert "/no/such.png" in answer["note"]
    values = show.ask({"do": "get", "address": "/source"})
    assert values is not None
    assert values["values"]["/source"] == still(tmp_path, 50)
    show.picture(is_grey(50))
    assert any("/no/such.png" in notice["text"] for notice in show.status()["notices"])


def test_switch_to_the_same_port(tmp_path: Path) -> None:
    """The port is free only once the old source is closed."""
    port = free_port()
    first, second = f"zmq:tcp://127.0.0.1:{port}", f"zmq:{port}?socket=pull"
    with Show(tmp_path / "show", "--size", f"{SIDE}x{SIDE}", "--source", first) as show:
        assert switch(show, second)["ok"]
        assert show.status()["sources"][0]["uri"] == second


def test_look_names_its_source(tmp_path: Path) -> None:
    folder = tmp_path / "show"
    (folder / "presets").mkdir(parents=True)
    (folder / "presets" / "grey.yaml").write_text(f"prompt: ice\nsource: {still(tmp_path, 90)}\n")
    (folder / "presets" / "lost.yaml").write_text("seed: 7\nsource: file:/no/such.mp4\n")
    (folder / "presets" / "wrong.yaml").write_text("seed: 7\nsource: spoon:x\n")
    with Show(folder, "--size", f"{SIDE}x{SIDE}", "--source", still(tmp_path, 50)) as show:
        show.picture(is_grey(50))
        loaded = show.ask({"do": "load", "name": "grey"})
        assert loaded is not None
        assert loaded["note"] == f"opening {still(tmp_path, 90)}"
        show.picture(is_grey(90))
        wrong = show.ask({"do": "load", "name": "wrong"})
        assert wrong is not None
        assert "wrong.yaml:2:9: source: 'spoon:x' is not a source" in wrong["error"]
        assert (show.ask({"do": "load", "name": "lost"}) or {})["ok"]
        until(lambda: any("/no/such.mp4" in notice["text"] for notice in show.status()["notices"]))
        values = (show.ask({"do": "get", "addresses": ["/seed", "/source"]}) or {})["values"]
        assert values == {"/seed": 7, "/source": still(tmp_path, 90)}


def test_no_source_lets_go_of_the_last_frame(show: Show, tmp_path: Path) -> None:
    show.set(seed=33)
    show.picture(is_grey(50))
    assert switch(show, "none:")["ok"]
    meta, _ = show.picture(is_grey(33))
    assert meta["source_index"] == -1
    assert switch(show, still(tmp_path, 70))["ok"]
    meta, _ = show.picture(is_grey(70))
    assert meta["source_index"] >= 0


def test_start_with_the_last_source(tmp_path: Path) -> None:
    folder, feed = tmp_path / "show", Feed(SIDE)
    with Show(folder, "--size", f"{SIDE}x{SIDE}", "--source", "card:") as show:
        assert switch(show, still(tmp_path, 60))["ok"]
        assert show.end() == 0
    with Show(folder) as again:
        again.picture(is_grey(60))
        notice = f"Pictures come from {still(tmp_path, 60)}, the source of the last show."
        assert notice in [each["text"] for each in again.status()["notices"]]
        assert again.end() == 0
    (tmp_path / "grey-60.png").unlink()
    with Show(folder) as dead:
        until(lambda: "grey-60.png" in dead.status()["sources"][0]["failure"])
        dead.picture(lambda meta, pixels: meta["index"] > 0)
        still(tmp_path, 60)
        dead.picture(is_grey(60))
        assert dead.end() == 0
    with Show(folder, "--source", f"zmq:{feed.address}") as other:
        assert other.status()["sources"][0]["uri"] == f"zmq:{feed.address}"
        assert other.end() == 0
    state = folder / "state.json"
    state.write_text(state.read_text().replace(f"zmq:{feed.address}", "spoon:x"))
    feed.close()
    with Show(folder) as strange:
        texts = [each["text"] for each in strange.status()["notices"]]
        assert any(text.startswith("The source spoon:x can't be used: 'spoon:x' is not a source.") for text in texts)
        assert strange.status()["sources"][0]["uri"] == "card:"


def test_sources_are_searched(show: Show) -> None:
    answer = show.ask({"do": "sources", "id": 4}, timeout=90_000)
    assert answer is not None
    assert answer["ok"]
    assert answer["id"] == 4
    assert isinstance(answer["sources"], list)
    assert {"spout", "syphon"} <= answer["failures"].keys()
    with urllib.request.urlopen(f"http://127.0.0.1:{show.web_port}/api/sources", timeout=90) as response:
        assert json.load(response).keys() == {"sources", "failures"}


def test_fit_of_a_still_frame(show: Show) -> None:
    """One frame, twice as wide as high, is framed again with each change of a control."""
    feed = Feed(SIDE)
    wide = np.zeros((SIDE, 2 * SIDE, 3), np.uint8)
    wide[:, SIDE // 2 : SIDE] = 80
    wide[:, SIDE : SIDE + SIDE // 2] = 160
    wide[:, SIDE + SIDE // 2 :] = 240

    def greys(pixels: np.ndarray) -> list[int]:
        """Return the greys left and right in the bottom row and in the middle one."""
        return [int(pixels[row, column, 0]) for row in (-1, SIDE // 2) for column in (1, -1)]

    def until_greys(*wanted: int) -> None:
        show.picture(lambda meta, pixels: greys(pixels) == list(wanted))

    assert switch(show, f"zmq:{feed.address}")["ok"]
    while not show.status()["sources"][0]["pictures"]:
        feed.push(wide)
    until_greys(80, 160, 80, 160)
    show.set(fit="fit")
    until_greys(0, 0, 0, 240)
    show.set(fit="stretch", flip_x=True)
    until_greys(240, 0, 240, 0)
    show.osc.send_message("/flip_x", 0)
    show.set(fit="fill", pan_x=1.0)
    until_greys(160, 240, 160, 240)
    show.set(zoom=2.0)
    until_greys(240, 240, 240, 240)
    show.set(zoom=1.0, pan_x=0.0)
    until_greys(80, 160, 80, 160)
    feed.close()


@needs_node
def test_node_osc_sets_and_hears(show: Show) -> None:
    with node_client("osc_client.mjs", show.osc_port) as client:
        client.send("/brightness", 0.5)
        show.picture(is_grey(25))
        client.send("/brightness", "?")
        assert client.line() == ["/brightness", 0.5]
        client.send("/subscribe")
        client.wait_for(["/brightness", 0.5])
        client.send("/brightness", 0.25)
        show.picture(is_grey(12, 1))
        show.set(brightness=1.0)
        assert ["/brightness", 0.25] not in client.wait_for(["/brightness", 1])
        client.send("/brightness", "dark")
        client.wait_for(["/streamflow/refused", "/brightness: a number is expected, not 'dark'"])


@needs_node
def test_node_oscquery_sets_and_hears(show: Show) -> None:
    with node_client("oscquery_client.mjs", show.web_port) as client:
        client.send("read", "/brightness")
        described = client.line()
        argument = {"type": "f", "range": {"min": 0, "max": 1}, "clipmode": "both", "value": 1}
        assert (described["access"], described["arguments"]) == (3, [argument])
        client.send("set", "/brightness", 0.5)
        show.picture(is_grey(25))
        client.send("read", "/brightness")
        assert client.line()["arguments"][0]["value"] == 0.5
        client.send("listen", "/brightness")
        client.wait_for(["/brightness", 0.5])
        show.set(brightness=1.0)
        client.wait_for(["/brightness", 1])
        client.send("read", "/no/such")
        client.wait_for(None)


@needs_pure_data
def test_pure_data_sets_and_hears(show: Show) -> None:
    connect = f"streamflow-send connect 127.0.0.1 {show.osc_port}"
    with pure_data(connect, "streamflow-strength 0.25", "streamflow-poll bang") as lines:
        assert "strength: 0.25" in lines
    with pure_data(connect, "streamflow-feedback 1") as lines:
        assert "strength: 0.25" in lines
        show.set(strength=0.75)
        assert "strength: 0.75" in lines
        show.set(strength=0.5)


def test_set_list_is_read_again(running_show: Show) -> None:
    file = running_show.folder.parent / "cues.yaml"
    assert running_show.status()["cues"] == {"presets": ["fire", "ink"], "place": 0}
    file.write_text("cues:\n  - fire\n  - no-such-look\n")
    until(lambda: "cues.yaml:3:5" in str(running_show.status()["refusals"]))
    assert running_show.status()["cues"]["presets"] == ["fire", "ink"]
    file.write_text("cues: [gold, fire, ink]")
    until(lambda: running_show.status()["cues"] == {"presets": ["gold", "fire", "ink"], "place": 0})


def addresses_of(program: str, file: Path) -> set[str]:
    """Return the OSC addresses that a layout sends to."""
    if program == "touchosc":
        text = zlib.decompress(file.read_bytes()).decode()
        paths = re.findall(r"<send>1</send>.*?<path>(.*?)</path>", text, re.DOTALL)
        return {"".join(re.findall(r"<value>(?:<!\[CDATA\[)?(.*?)(?:\]\]>)?</value>", path)) for path in paths}
    if program == "chataigne":
        return set(re.findall(r'"controllable": "/modules/streamflow/values(/[^"]+)"', file.read_text()))
    return set(re.findall(r'"address": "(/[^"]+)",\s+"target"', file.read_text()))


def node(show: Show, address: str) -> Any:
    """Return a node of the show's OSCQuery tree."""
    with urllib.request.urlopen(f"http://127.0.0.1:{show.web_port}{address}", timeout=60) as response:
        return json.load(response)


@pytest.mark.parametrize(
    ("program", "suffix"), [("open-stage-control", "json"), ("touchosc", "tosc"), ("chataigne", "noisette")]
)
def test_layouts_name_what_a_show_answers(running_show: Show, tmp_path: Path, program: str, suffix: str) -> None:
    """The show has a node for each address in its OSCQuery tree, and tells the value of each control over UDP."""
    file, presets = tmp_path / f"show.{suffix}", str(running_show.folder / "presets")
    done = CliRunner().invoke(app, ["layout", program, "-o", str(file), "--presets", presets])
    assert done.exit_code == 0, done.output
    addresses = {address.removesuffix("/add") for address in addresses_of(program, file)}
    looks = {address for address in addresses if address.startswith("/preset/")}
    assert {address.rpartition("/")[2] for address in looks} <= set(node(running_show, "/preset")["RANGE"][0]["VALS"])
    told = addresses & PARAMETERS.keys()
    assert len(told) > 100
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as surface:
        surface.settimeout(60)
        for address in sorted(told):
            surface.sendto(build_msg(address, ["?"]).dgram, ("127.0.0.1", running_show.osc_port))
            ((answered, _),) = decode_packet(surface.recv(65535))
            assert answered == address
    for address in sorted(addresses - looks - told):
        assert node(running_show, address)["FULL_PATH"] == address
