"""A whole show with two sources: two ZeroMQ senders whose mix comes out as computed, one that is killed, refusals."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from show import Show, free_port, until

from io_bridges.frames import Pixels
from io_bridges.mixing import Mixing, PictureMixer

SIDE = 64

SENDER = """
import sys, time, zmq, numpy, cv2
port, path = sys.argv[1:]
picture = cv2.imread(path, cv2.IMREAD_UNCHANGED)
order = cv2.COLOR_BGRA2RGBA if picture.shape[2] == 4 else cv2.COLOR_BGR2RGB
picture = cv2.cvtColor(picture, order)
socket = zmq.Context().socket(zmq.PUB)
socket.connect(f"tcp://127.0.0.1:{port}")
while True:
    socket.send_json({"dtype": "uint8", "shape": picture.shape}, zmq.SNDMORE)
    socket.send(picture.tobytes())
    time.sleep(0.03)
"""


@contextmanager
def sender(port: int, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Send a picture thirty times a second from a process of its own."""
    process = subprocess.Popen([sys.executable, "-c", SENDER, str(port), str(path)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def write(path: Path, pixels: Pixels) -> Path:
    """Write RGB or RGBA pixels as a PNG."""
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR))
    return path


def camera() -> Pixels:
    pixels = np.full((SIDE, SIDE, 3), (200, 120, 40), np.uint8)
    pixels[SIDE // 2 :] = (60, 90, 180)
    return pixels


def layer() -> Pixels:
    pixels = np.full((SIDE, SIDE, 3), (40, 200, 60), np.uint8)
    pixels[:, SIDE // 2 :] = (250, 250, 240)
    return pixels


def logo() -> Pixels:
    pixels = np.zeros((SIDE, SIDE, 4), np.uint8)
    pixels[:, SIDE // 2 :] = (250, 20, 20, 255)
    pixels[:, : SIDE // 4] = (20, 20, 250, 128)
    return pixels


def corners(pixels: Pixels) -> list[list[int]]:
    """Return points of each part of the pictures. The echo leaves them alone: it draws over the first pixels."""
    return [pixels[y, x].tolist() for y in (4, -4) for x in (4, SIDE // 2 - 4, -4)]


def until_mixed(show: Show, second: Pixels, mixing: Mixing) -> None:
    """Wait until the picture is this mix of `camera` and `second`."""
    wanted = PictureMixer(SIDE, SIDE).mix(camera(), second, mixing)
    show.picture(
        lambda meta, pixels: meta["index"] > 0 and np.abs(np.subtract(corners(pixels), corners(wanted))).max() < 2
    )


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    """A show of a camera and a layer."""
    folder = tmp_path_factory.mktemp("mixes")
    ports = free_port(), free_port()
    sources = [part for port in ports for part in ("--source", f"zmq:{port}")]
    with (
        sender(ports[0], write(folder / "camera.png", camera())),
        sender(ports[1], write(folder / "layer.png", layer())),
        Show(folder / "show", "--size", f"{SIDE}x{SIDE}", *sources) as show,
    ):
        yield show


def test_modes_change_while_the_show_plays(show: Show) -> None:
    until_mixed(show, layer(), Mixing())
    show.osc.send_message("/mix_mode", "multiply")
    until_mixed(show, layer(), Mixing("multiply"))
    show.osc.send_message("/mix", 1.0)
    until_mixed(show, layer(), Mixing("multiply", 1.0))
    for mode in ("add", "screen", "difference", "luma_key", "chroma_key", "mask", "fade"):
        show.osc.send_message("/mix_mode", mode)
        until_mixed(show, layer(), Mixing(mode, 1.0))
    show.osc.send_message("/mix", 0.5)
    until_mixed(show, layer(), Mixing())
    sources = show.status()["sources"]
    assert [source["status"] for source in sources] == ["receiving", "receiving"]
    assert all(source["fps"] > 0 for source in sources)


def test_refused_values(show: Show) -> None:
    answers = show.set(mix_mode="dissolve", mix=7, key_hue="green", source2="spoon:")["answers"]
    assert answers["/mix_mode"]["note"].startswith("one of fade, add, multiply, ")
    assert answers["/mix"] == {"accepted": True, "value": 1.0, "note": "the maximum is 1; set to 1.0"}
    assert answers["/key_hue"]["note"] == "a number is expected, not 'green'"
    assert "must start with one of" in answers["/source2"]["note"]
    first, second = (source["uri"] for source in show.status()["sources"])
    for address, uri, other in (("source2", first, first), ("source", second, second)):
        note = show.set(**{address: uri})["answers"][f"/{address}"]["note"]
        assert note == f"{uri} and {other} can't be open at once: give each source an input of its own"
    gone = show.set(source2="file:/no/such.png")["answers"]["/source2"]
    assert "/no/such.png" in gone["note"]
    assert gone["note"].endswith(f"{second} plays on.")
    show.set(mix=0.5)
    until_mixed(show, layer(), Mixing())


def test_second_source_ends_and_returns(show: Show, tmp_path: Path) -> None:
    _, second = (source["uri"] for source in show.status()["sources"])
    answer = show.set(source2="")["answers"]["/source2"]
    assert answer == {"accepted": True, "value": "", "note": ""}
    until_mixed(show, layer(), Mixing(amount=0.0))
    assert len(show.status()["sources"]) == 1
    until(
        lambda: (
            f"/source2: the source has ended; no more pictures from {second}" in " ".join(show.log.read_text().split())
        )
    )
    picture = write(tmp_path / "logo.png", logo())
    assert show.set(source2=f"file:{picture}", mix=1.0)["answers"]["/source2"]["accepted"]
    premultiplied = logo()
    premultiplied[:, : SIDE // 4, :3] = (10, 10, 125)
    until_mixed(show, premultiplied, Mixing("fade", 1.0))
    assert show.set(source2=f"file:{picture}?alpha=ignore")["answers"]["/source2"]["accepted"]
    until_mixed(show, np.ascontiguousarray(logo()[:, :, :3]), Mixing("fade", 1.0))
    assert show.set(source2=second, mix=0.5)["answers"]["/source2"]["accepted"]
    until_mixed(show, layer(), Mixing())


def test_lost_second_source(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    sources = [part for port in ports for part in ("--source", f"zmq:{port}")]
    picture = write(tmp_path / "logo.png", logo())
    premultiplied = logo()
    premultiplied[:, : SIDE // 4, :3] = (10, 10, 125)
    with (
        sender(ports[0], write(tmp_path / "camera.png", camera())) as first,
        sender(ports[1], picture) as second,
        Show(tmp_path / "show", "--size", f"{SIDE}x{SIDE}", *sources) as show,
    ):
        show.set(lost_after=1.0, mix=1.0)
        until_mixed(show, premultiplied, Mixing("fade", 1.0))
        second.kill()
        until_mixed(show, premultiplied, Mixing(amount=0.0))
        until(lambda: "the first source plays alone" in show.status()["sources"][1]["status"])
        assert any("the first source plays alone" in notice["text"] for notice in show.status()["notices"])
        with sender(ports[1], picture):
            until_mixed(show, premultiplied, Mixing("fade", 1.0))
            first.kill()
            show.set(lost="fade", lost_fade=0.0)
            show.picture(lambda meta, pixels: not pixels.any())
        assert show.end() == 0
    # The next show begins with both sources, and waits for their senders.
    with Show(tmp_path / "show") as again, sender(ports[0], tmp_path / "camera.png"), sender(ports[1], picture):
        again.set(lost="hold")
        until_mixed(again, premultiplied, Mixing("fade", 1.0))
        text = f"The second source is zmq:{ports[1]}, that of the last show."
        assert text in [notice["text"] for notice in again.status()["notices"]]


def test_look_names_both_sources(tmp_path: Path) -> None:
    folder = tmp_path / "show"
    (folder / "presets").mkdir(parents=True)
    one, two = write(tmp_path / "one.png", camera()), write(tmp_path / "two.png", layer())
    (folder / "presets" / "both.yaml").write_text(
        f"seed: 3\nsource: file:{one}\nsource2: file:{two}\nmix_mode: screen\n"
    )
    (folder / "presets" / "wrong.yaml").write_text("seed: 4\nsource2: spoon:x\n")
    with Show(folder, "--size", f"{SIDE}x{SIDE}", "--source", "card:") as show:
        assert (show.ask({"do": "load", "name": "both"}, 60_000) or {})["ok"]
        until_mixed(show, layer(), Mixing("screen"))
        wrong = show.ask({"do": "load", "name": "wrong"}) or {}
        assert "wrong.yaml:2:10: source2: 'spoon:x' is not a source" in wrong["error"]
        assert (show.ask({"do": "act", "address": "/save", "arguments": ["mine"]}) or {})["ok"]
    saved = (folder / "presets" / "mine.yaml").read_text()
    assert f"source2: file:{two}\nmix_mode: screen\n" in saved
