"""URIs: every row of the table loads, every word of a URI is checked, what can't be meant is answered."""

import importlib
import sys
import time

import pytest

from io_bridges import extras
from io_bridges.card import CardSource
from io_bridges.clip_source import ClipSource
from io_bridges.png_folder import PngFolder
from io_bridges.schemes import SCHEMES, schemes
from io_bridges.uri import OPTIONS, make_sink, make_source, parse, sink_size
from io_bridges.zmq_source import ZmqSource
from presets.errors import BridgeUnavailable, SettingsError


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: f"{scheme.kind} {scheme.name}")
def test_every_row_of_the_table_makes_a_bridge_from_its_own_example(scheme):
    make = make_source if scheme.kind == "source" else make_sink
    bridge = make(scheme.example)
    assert isinstance(bridge.status(), dict)
    bridge.close()  # one that was never open may be closed
    assert set(scheme.options) <= set(OPTIONS)
    assert scheme.description


def test_the_kinds_of_one_scheme_are_two_bridges():
    assert type(make_source("zmq:")) is not type(make_sink("zmq:"))
    assert set(schemes("sink")) == {"zmq", "zmq+connect", "png"}


def test_a_scheme_without_a_place_needs_no_colon():
    assert isinstance(make_source("card"), CardSource)
    assert isinstance(make_source("CARD:"), CardSource)


def test_options_reach_the_bridge():
    assert make_source("card:?size=320x200&fps=12.5").status() | {"pictures": 0, "late": 0} == {
        "source": "card",
        "size": "320x200",
        "fps": 12.5,
        "pictures": 0,
        "late": 0,
    }


def test_a_place_is_taken_as_it_is_written():
    assert parse("file:/a/b%20c.mp4", "source").place == "/a/b%20c.mp4"
    assert parse("file:what?.mp4?", "source").place == "what?.mp4"
    assert parse(r"file:C:\clips\a.mp4?loop=0", "source").place == r"C:\clips\a.mp4"
    assert isinstance(make_source("file:clip.mp4"), ClipSource)


def test_a_sinks_size_is_for_the_stage():
    assert sink_size("zmq:tcp://127.0.0.1:5556?size=512x256") == (512, 256)
    assert sink_size("png:frames") is None
    assert isinstance(make_sink("png:frames?size=64x64&every=2"), PngFolder)


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("", "card:"),
        ("spoon:", "card:, file:, none:, zmq:"),
        ("png:frames", "names no source"),
        ("file", "names no source"),
        ("file:", "missing after the colon"),
        ("zmq+connect:", "missing after the colon"),
        ("card:640x480", "nothing stands between"),
        ("card:?sice=640x480", "'sice'; it takes size, fps"),
        ("none:?size=64x64", "takes no options"),
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
def test_a_source_that_cannot_be_meant_says_what_could(uri, says):
    with pytest.raises(SettingsError) as caught:
        make_source(uri)
    assert says in str(caught.value)


@pytest.mark.parametrize("uri", ["card:", "png:a?max=0", "png:a?every=1.5", "zmq:?fps=30"])
def test_a_sink_that_cannot_be_meant_is_refused(uri):
    with pytest.raises(SettingsError):
        make_sink(uri)


def test_a_path_without_its_scheme_gets_a_hint(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(SettingsError, match="Did you mean file:"):
        make_source(str(tmp_path / "clip.mp4"))


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
def test_addresses_may_be_short_and_stay_on_loopback_unless_written_out(place, address):
    source = make_source(f"zmq:{place}")
    assert isinstance(source, ZmqSource)
    assert source.status()["address"] == address


def test_a_missing_package_names_the_extra_that_brings_it(monkeypatch, tmp_path):
    real = importlib.util.find_spec
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda name: None if name == "av" else real(name))
    file = schemes("source")["file"]
    assert "pip install 'streamflow-live[video]'" in file.unavailable()
    source = make_source(f"file:{tmp_path / 'a.mp4'}")
    with pytest.raises(BridgeUnavailable, match=r"pip install 'streamflow-live\[video\]'"):
        source.open()


def test_a_bridge_is_imported_only_when_it_is_chosen():
    sys.modules.pop("io_bridges.empty", None)
    parse("none:", "source")
    assert "io_bridges.empty" not in sys.modules
    make_source("none:")
    assert "io_bridges.empty" in sys.modules


def test_none_waits_its_time_and_has_no_picture():
    source = make_source("none:")
    source.open()
    start = time.monotonic()
    assert source.read(0.05) is None
    assert time.monotonic() - start >= 0.05
    source.close()
