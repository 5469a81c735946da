"""URIs of bridges: every scheme works, every part is checked, and two bridges never claim one place."""

import importlib
import re
import sys
import time

import cv2
import numpy as np
import pytest

from io_bridges import lazy_imports
from io_bridges.builtin_sources import CardSource
from io_bridges.clip_source import ClipSource
from io_bridges.png_folder import PngFolder
from io_bridges.scheme_options import OPTIONS
from io_bridges.schemes import SCHEMES, schemes
from io_bridges.uri import (
    make_sink,
    make_source,
    parse,
    parse_endpoint,
    refuse_duplicates,
    sink_rate,
    sink_size,
    sinks_of_one_kind,
)
from io_bridges.zmq_source import ZmqSource
from presets.errors import BridgeError, BridgeUnavailable, SettingsError


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: f"{scheme.kind} {scheme.name}")
def test_every_scheme_example_works(scheme):
    make = make_source if scheme.kind == "source" else make_sink
    if scheme.unavailable():
        with pytest.raises(BridgeUnavailable, match=re.escape(scheme.unavailable())):
            make(scheme.example).open(*(() if scheme.kind == "source" else (64, 64, 25.0)))
        return
    bridge = make(scheme.example)
    assert isinstance(bridge.status(), dict)
    bridge.close()  # Closing before open is allowed.
    assert set(scheme.options) <= set(OPTIONS)
    assert scheme.description


def test_source_and_sink_of_one_scheme():
    assert type(make_source("zmq:")) is not type(make_sink("zmq:"))
    assert len(schemes("source")) + len(schemes("sink")) == len(SCHEMES), "a row hides another of the same name"


def test_colon_may_be_missing():
    assert isinstance(make_source("card"), CardSource)
    assert isinstance(make_source("CARD:"), CardSource)


def test_options_reach_the_bridge():
    assert make_source("card:?size=320x200&fps=12.5").status() | {"pictures": 0, "late": 0} == {
        "source": "card",
        "size": "320x200",
        "fps": 12.5,
        "declared_fps": 12.5,
        "pictures": 0,
        "late": 0,
    }


@pytest.mark.parametrize(
    ("options", "keep_alpha", "channels"),
    [("", True, 4), ("", False, 3), ("?alpha=keep", False, 4), ("?alpha=ignore", True, 3), ("?matte=f00", True, 3)],
)
def test_alpha_of_a_layer(tmp_path, options, keep_alpha, channels):
    cv2.imwrite(str(tmp_path / "logo.png"), np.full((4, 4, 4), 128, np.uint8))
    source = make_source(f"file:{tmp_path / 'logo.png'}{options}", keep_alpha)
    source.open()
    frame = source.read(5.0)
    source.close()
    assert frame.pixels.shape == (4, 4, channels)


def test_path_is_taken_literally():
    assert parse("file:/a/b%20c.mp4", "source").location == "/a/b%20c.mp4"
    assert parse("file:what?.mp4?", "source").location == "what?.mp4"
    assert parse(r"file:C:\clips\a.mp4?loop=0", "source").location == r"C:\clips\a.mp4"
    assert isinstance(make_source("file:clip.mp4"), ClipSource)


def test_sink_size():
    assert sink_size("zmq:tcp://127.0.0.1:5556?size=512x256") == (512, 256)
    assert sink_size("png:frames") is None
    assert isinstance(make_sink("png:frames?size=64x64&every=2&fps=5"), PngFolder)


def test_sinks_that_could_share_a_place():
    sinks = ["zmq:5600", "png:a", "ndi:a", "record:a.mp4", "zmq+connect:5601", "shm:a", "zmq:ipc:///tmp/a"]
    assert sinks_of_one_kind(sinks) == ["zmq:5600", "zmq:ipc:///tmp/a"]
    assert sinks_of_one_kind(sinks[:4]) == ["png:a", "record:a.mp4"]
    assert sinks_of_one_kind(["png:a"]) == ["png:a"]


def test_sink_rate():
    assert sink_rate("zmq:5556?fps=29.97&size=512x256") == 29.97
    assert sink_rate("png:frames") is None


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("", "card:"),
        ("spoon:", "card:, file:, folder:, none:, zmq:"),
        ("png:frames", "is not a source"),
        ("file", "path is missing after the colon"),
        ("file:", "path is missing after the colon"),
        ("zmq+connect:", "address is missing after the colon"),
        ("card:640x480", "takes options only"),
        ("card:?sice=640x480", "'sice'. It takes size, fps"),
        ("none:?size=64x64", "It takes no options"),
        ("pattern:", "name is missing after the colon, as in pattern:tunnel"),
        ("pattern:tunel?seed=1", "there is no pattern 'tunel'. It is one of aurora, blobs, "),
        ("pattern:tunnel?speed=-1", "speed takes a number from 0 to 10, not '-1'"),
        ("pattern:tunnel?seed=two", "seed takes a whole number from 0 to 2147483647, not 'two'"),
        ("pattern:tunnel?loop=1", "'loop'. It takes size, fps, speed, seed"),
        ("card:?size=640", "640x480"),
        ("card:?size=20000x20000", "16 to 8192"),
        ("card:?size=-4x-4", "16 to 8192"),
        ("card:?size=²x²", "16 to 8192"),
        ("card:?fps=nan", "from 0.1 to 240"),
        ("card:?fps=", "from 0.1 to 240"),
        ("card:?fps=30&fps=60", "twice"),
        ("file:a.mp4?loop=maybe", "1 or 0"),
        ("zmq:http://127.0.0.1:5555", "tcp://host:port"),
        ("zmq:tcp://127.0.0.1:99999", "tcp://host:port"),
        ("zmq:tcp://127.0.0.1", "tcp://host:port"),
        ("zmq:somewhere", "tcp://host:port"),
        ("zmq:ipc://", "tcp://host:port"),
    ],
)
def test_invalid_source_is_explained(uri, message):
    with pytest.raises(SettingsError) as caught:
        make_source(uri)
    assert message in str(caught.value)


@pytest.mark.parametrize("uri", ["card:", "png:a?max=0", "png:a?every=1.5", "zmq:?fps=0"])
def test_invalid_sink_is_refused(uri):
    with pytest.raises(SettingsError):
        make_sink(uri)


@pytest.mark.parametrize("path", ["clips/a", "a.mp4", "~no-such-user/a.mp4", 300 * "a" + "/a"])
def test_path_without_scheme_gets_hint(path):
    with pytest.raises(SettingsError, match="Did you mean file:"):
        make_source(path)


@pytest.mark.parametrize("path", ["~no-such-user/a", 300 * "a", "//host/" + 300 * "a"])
@pytest.mark.parametrize("uri", ["file:{}.mp4", "file:{}.png", "folder:{}"])
def test_path_that_cannot_be_looked_up(uri, path):
    source = make_source(uri.format(path))
    with pytest.raises(BridgeError):
        source.open()


@pytest.mark.parametrize("uri", ["png:~no-such-user/a", "record:~no-such-user/a.mp4"])
def test_sink_of_an_unknown_user(uri, tmp_path, monkeypatch):
    pytest.importorskip("av")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~no-such-user").write_text("")  # no folder, so that nothing is made below it
    refuse_duplicates("card:", [uri])
    with pytest.raises(BridgeError, match="~no-such-user"):
        make_sink(uri).open(64, 64, 30.0)


@pytest.mark.parametrize(("path", "kind", "meant"), [("a.PNG", "source", "file"), ("a.mkv", "sink", "record")])
def test_hint_names_the_scheme(path, kind, meant):
    with pytest.raises(SettingsError, match=f"Did you mean {meant}:{path}"):
        parse(path, kind)


def test_web_address_gets_no_hint():
    with pytest.raises(SettingsError) as refusal:
        parse("http://host/clip.mp4", "source")
    assert "Did you mean" not in str(refusal.value)


def test_missing_clip_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for uri in ("file:gone.mp4", "folder:gone"):
        with pytest.raises(BridgeError, match=f"^gone.* does not exist in {re.escape(str(tmp_path))}"):
            make_source(uri).open()
    with pytest.raises(BridgeError, match=r"/gone\.mp4 does not exist$"):
        make_source(f"file:{tmp_path}/gone.mp4").open()


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("", "tcp://127.0.0.1:5555"),
        ("6000", "tcp://127.0.0.1:6000"),
        ("10.0.0.2:6000", "tcp://10.0.0.2:6000"),
        ("localhost:6000", "tcp://127.0.0.1:6000"),
        ("tcp://*:6000", "tcp://*:6000"),
        ("tcp://[::1]:6000", "tcp://[::1]:6000"),
        ("ipc:///tmp/frames", "ipc:///tmp/frames"),
    ],
)
def test_short_addresses(place, address):
    source = make_source(f"zmq:{place}")
    assert isinstance(source, ZmqSource)
    assert source.status()["address"] == address


def test_missing_package_names_extra(monkeypatch, tmp_path):
    real = importlib.util.find_spec
    monkeypatch.setattr(lazy_imports.importlib.util, "find_spec", lambda name: None if name == "av" else real(name))
    file = schemes("source")["file"]
    assert "pip install 'streamflow-live[video]'" in file.unavailable()
    source = make_source(f"file:{tmp_path / 'a.mp4'}")
    with pytest.raises(BridgeUnavailable, match=r"pip install 'streamflow-live\[video\]'"):
        source.open()


def test_bridges_are_imported_on_use():
    sys.modules.pop("io_bridges.builtin_sources", None)
    parse("none:", "source")
    assert "io_bridges.builtin_sources" not in sys.modules
    make_source("none:")
    assert "io_bridges.builtin_sources" in sys.modules


def test_empty_source_waits():
    source = make_source("none:")
    source.open()
    start = time.monotonic()
    assert source.read(0.05) is None
    assert time.monotonic() - start >= 0.05
    source.close()


@pytest.mark.parametrize(
    ("spelling", "endpoint"),
    [
        ("6000", "tcp://127.0.0.1:6000"),
        ("LocalHost:06000", "tcp://127.0.0.1:6000"),
        ("tcp://Venue.local:6000", "tcp://venue.local:6000"),
        ("127.0.0.1:*", "tcp://127.0.0.1:*"),
    ],
)
def test_endpoint_has_one_spelling(spelling, endpoint):
    assert parse_endpoint(spelling) == endpoint


@pytest.mark.parametrize(
    ("source", "sinks"),
    [
        ("card:", ["zmq:5556", "zmq:5556"]),
        ("card:", ["zmq:", "png:a", "zmq:tcp://localhost:5556?size=64x64"]),
        ("card:", ["zmq:tcp://*:5556", "zmq:tcp://127.0.0.1:5556"]),
        ("card:", ["zmq:127.0.0.1:5556", "zmq:0.0.0.0:05556"]),
        ("card:", ["zmq:tcp://[::]:5556", "zmq:tcp://[::1]:5556"]),
        ("card:", ["zmq:ipc:///tmp/frames", "zmq:ipc:///tmp/../tmp/frames"]),
        ("card:", ["zmq+connect:10.0.0.2:7000", "zmq+connect:tcp://10.0.0.2:7000?size=64x64"]),
        ("card:", ["png:frames", "png:./a/../frames?every=2"]),
        ("zmq:5556", ["zmq:"]),
        ("card:", ["zmq:5557"]),
        ("card:", ["zmq:8090"]),
    ],
)
def test_duplicate_places_are_refused(source, sinks):
    with pytest.raises(SettingsError, match="are the same"):
        refuse_duplicates(source, sinks, {"--control": "tcp://127.0.0.1:5557", "--web": "tcp://*:8090"})


def test_duplicate_names_both_options():
    with pytest.raises(SettingsError) as caught:
        refuse_duplicates("card:", ["zmq:5556", "png:a", "zmq:tcp://localhost:5556"])
    assert str(caught.value) == (
        "--sink zmq:5556 and --sink zmq:tcp://localhost:5556 are the same address (tcp://127.0.0.1:5556). "
        "Leave one out, or give it another port"
    )


def test_duplicate_folder_through_a_link(tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "frames", target_is_directory=True)
    with pytest.raises(SettingsError, match="are the same path"):
        refuse_duplicates("card:", [f"png:{tmp_path / 'frames'}", f"png:{tmp_path / 'link'}"])


@pytest.mark.parametrize(
    ("source", "sinks"),
    [
        ("zmq:5555", ["zmq:5556", "zmq:tcp://127.0.0.1:5558", "png:a", "png:b"]),
        ("zmq:5555", ["zmq+connect:5555"]),  # A feedback loop on purpose.
        ("zmq:tcp://127.0.0.1:0", ["zmq:tcp://127.0.0.1:0", "zmq:tcp://127.0.0.1:0", "zmq:127.0.0.1:*"]),
        ("card:", ["zmq:tcp://10.0.0.1:5556", "zmq:tcp://127.0.0.1:5556"]),
        ("zmq+connect:10.0.0.2:7000", ["zmq+connect:10.0.0.3:7000"]),
    ],
)
def test_different_places_are_accepted(source, sinks):
    refuse_duplicates(source, sinks, {"--control": "tcp://127.0.0.1:5557"})
