"""``spout:`` against a stand-in for SpoutGL, and against SpoutGL itself where it runs (``pytest -m spout``)."""

import sys
import threading
from importlib.machinery import ModuleSpec
from types import SimpleNamespace

import fake_spout
import numpy as np
import pytest
from picture_without_symmetry import picture, rendered, tick
from signatures import differing_signatures

from io_bridges import scheme
from io_bridges.schemes import schemes
from io_bridges.spout.api import SpoutReceiving, SpoutSending
from io_bridges.uri import available, make_sink, make_source, refuse_duplicates
from presets.errors import BridgeError, BridgeUnavailable, SettingsError

WIDTH, HEIGHT = 34, 18
PATIENCE = 20.0


@pytest.fixture
def machine(monkeypatch):
    fake_spout.__spec__ = ModuleSpec("SpoutGL", None)
    monkeypatch.setitem(sys.modules, "SpoutGL", fake_spout)
    monkeypatch.setattr(scheme, "sys", SimpleNamespace(platform="win32", version_info=(3, 11)))
    return fake_spout.reset()


@pytest.fixture
def sink(machine):
    made = make_sink("spout:show")
    made.open(WIDTH, HEIGHT, 30.0)
    yield made
    made.close()


@pytest.fixture
def source(machine):
    made = make_source("spout:camera")
    made.open()
    yield made
    made.close()


def send(machine, pixels, name="camera", dxgi=87, alpha=7):
    """Publish RGB as another program's sender does."""
    before = machine.textures.get(name)
    rgba = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), alpha, np.uint8)], axis=2)
    machine.textures[name] = fake_spout.Texture(rgba, dxgi, before.frame + 1 if before else 1)
    machine.active = name
    if name not in machine.listed:
        machine.listed.append(name)


@pytest.mark.parametrize(
    ("real", "protocol"), [(fake_spout.SpoutSender, SpoutSending), (fake_spout.SpoutReceiver, SpoutReceiving)]
)
def test_stand_in_has_the_signatures(real, protocol):
    assert differing_signatures(real, protocol) == []


def test_sender_gets_picture_upright_and_opaque(machine, sink):
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    texture = machine.textures["show"].pixels
    assert np.array_equal(texture[:, :, :3], picture(WIDTH, HEIGHT))
    assert (texture[:, :, 3] == 255).all()


@pytest.mark.parametrize("swizzles", [True, False])
@pytest.mark.parametrize("dxgi", [28, 87])
def test_source_gets_colours_right(machine, source, dxgi, swizzles):
    machine.swizzles = swizzles
    send(machine, picture(WIDTH, HEIGHT), dxgi=dxgi)
    frame = source.read(PATIENCE)
    assert np.array_equal(frame.pixels, picture(WIDTH, HEIGHT))
    assert not frame.pixels.flags.writeable


def test_sink_to_source(machine, sink):
    source = make_source("spout:show")
    source.open()
    for seed in (1, 2):
        sink.write(rendered(picture(WIDTH, HEIGHT, seed)), tick())
        assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT, seed))
    assert source.read(0.03) is None, "a picture comes once"
    source.close()


@pytest.mark.parametrize("flipped", ["source", "sink"])
def test_flip_turns_upside_down(machine, flipped):
    sink = make_sink("spout:show" + ("?flip=1" if flipped == "sink" else ""))
    source = make_source("spout:show" + ("?flip=1" if flipped == "source" else ""))
    sink.open(WIDTH, HEIGHT, 30.0)
    source.open()
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT)[::-1])
    sink.close()
    source.close()


def test_empty_buffers_are_not_pictures(machine, source):
    machine.empty_first = 5
    send(machine, picture(WIDTH, HEIGHT))
    assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT))
    assert source.status()["pictures"] == 1


def test_transparent_black_picture_comes_in_time(machine, source):
    machine.empty_first = 0
    send(machine, np.zeros((HEIGHT, WIDTH, 3), np.uint8), alpha=0)
    assert not source.read(PATIENCE).pixels.any()


def test_size_change_makes_a_new_buffer(machine, source):
    send(machine, picture(WIDTH, HEIGHT))
    assert source.read(PATIENCE) is not None
    for size in ((200, 100), (8, 4)):
        send(machine, picture(*size))
        assert np.array_equal(source.read(PATIENCE).pixels, picture(*size))
    assert source.status()["size"] == "8x4"
    assert source.status()["changes"] == 3


def test_sender_goes_and_comes_back(machine, source):
    assert source.read(0.02) is None
    send(machine, picture(WIDTH, HEIGHT))
    assert source.read(PATIENCE) is not None
    machine.crash("camera")
    assert source.read(0.02) is None
    assert source.status()["sender"] == ""
    send(machine, picture(WIDTH, HEIGHT, 3))
    assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT, 3))
    assert source.status()["sender"] == "camera"


def test_empty_name_is_the_active_sender(machine):
    source = make_source("spout:")
    source.open()
    send(machine, picture(WIDTH, HEIGHT), name="first")
    assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT))
    send(machine, picture(20, 10), name="second")
    assert source.read(PATIENCE).pixels.shape == (10, 20, 3)
    assert source.status()["sender"] == "second"
    source.close()
    with pytest.raises(SettingsError, match="name is missing"):
        make_sink("spout:")


def test_name_of_a_crashed_show_is_taken_again(machine):
    send(machine, picture(8, 8), name="show")
    machine.crash("show")
    assert "show" in machine.listed
    sink = make_sink("spout:show")
    sink.open(WIDTH, HEIGHT, 30.0)
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    assert list(machine.textures) == ["show"], "Resolume looks for this name"
    sink.close()
    assert machine.listed == []


def test_taken_name_is_refused(machine, sink):
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    second = make_sink("spout:show")
    with pytest.raises(BridgeUnavailable, match=r"'show' is running \(34x18\).*another name"):
        second.open(WIDTH, HEIGHT, 30.0)
    second.close()
    with pytest.raises(SettingsError, match="are the same name"):
        refuse_duplicates("card:", ["spout:show", "spout:show?size=64x64"])


def test_name_lost_in_a_race_is_told(machine, sink):
    send(machine, picture(8, 8), name="show")
    sink._sender.name = "show_1"
    machine.crash("show")
    with pytest.raises(BridgeError, match="another name than 'show'"):
        sink.write(rendered(picture(WIDTH, HEIGHT)), tick())


def test_refused_picture_is_an_error(machine, sink):
    machine.takes_pictures = False
    with pytest.raises(BridgeError, match="did not take the picture"):
        sink.write(rendered(picture(WIDTH, HEIGHT)), tick())


def test_oversized_sender_is_refused(machine, source):
    machine.textures["camera"] = fake_spout.Texture(np.zeros((1, 9000, 4), np.uint8))
    with pytest.raises(BridgeError, match="9000x1 pixels"):
        source.read(1.0)


def test_missing_context_is_told(machine):
    machine.context = False
    for bridge in (make_source("spout:camera"), make_sink("spout:show")):
        with pytest.raises(BridgeUnavailable, match="graphics driver"):
            bridge.open(*([] if hasattr(bridge, "read") else [WIDTH, HEIGHT, 30.0]))


def test_call_from_another_thread_is_an_error(machine, source):
    errors = []

    def read():
        try:
            source.read(0.1)
        except BridgeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert errors == ["Spout failed: no OpenGL context is bound to this thread"]
    thread = threading.Thread(target=source.close)
    thread.start()
    thread.join()
    assert source.status()["source"] == "spout", "status may be asked for from any thread"


def test_running_senders_are_listed(machine):
    send(machine, picture(8, 8), name="Arena - Composition")
    send(machine, picture(8, 8), name="what?")
    assert available(schemes("source")["spout"]) == ["spout:Arena - Composition", "spout:what??"]


@pytest.mark.parametrize(
    ("platform", "version", "message"),
    [
        ("linux", (3, 11), "runs on Windows only"),
        ("darwin", (3, 11), "runs on Windows only"),
        ("win32", (3, 14), "Use: Python 3.13"),
        ("win32", (3, 13), r"streamflow-live\[spout\]"),
    ],
)
def test_reason_why_it_cannot_run(monkeypatch, platform, version, message):
    monkeypatch.setattr(scheme, "sys", SimpleNamespace(platform=platform, version_info=version))
    for bridge in (make_source("spout:camera"), make_sink("spout:show")):
        with pytest.raises(BridgeUnavailable, match=message):
            bridge.open(*([] if hasattr(bridge, "read") else [WIDTH, HEIGHT, 30.0]))


def test_long_name_is_refused():
    with pytest.raises(SettingsError, match="255 bytes"):
        make_sink("spout:" + "ä" * 128)


@pytest.mark.spout
@pytest.mark.skipif(sys.platform != "win32", reason="Spout is for Windows")
def test_real_spout_shares_a_picture():
    pytest.importorskip("SpoutGL")
    sink, source = make_sink("spout:streamflow-test"), make_source("spout:streamflow-test")
    sink.open(64, 32, 30.0)
    source.open()
    frame = None
    for index in range(200):
        sink.write(rendered(picture(64, 32), index), tick(index))
        frame = source.read(0.05)
        if frame is not None:
            break
    assert np.array_equal(frame.pixels, picture(64, 32))
    source.close()
    sink.close()
