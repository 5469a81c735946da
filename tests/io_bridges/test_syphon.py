"""``syphon:`` against a stand-in for syphon-python, and against the package itself on a Mac (``pytest -m syphon``)."""

import inspect
import sys
import threading
from types import SimpleNamespace

import fake_syphon
import numpy as np
import pytest
from picture_without_symmetry import picture, rendered, tick
from signatures import differing_signatures

from io_bridges import scheme
from io_bridges.schemes import schemes
from io_bridges.syphon.api import MetalTexture, SyphonDirectory, SyphonReceiving, SyphonServing
from io_bridges.syphon.run_loop import tend_run_loop
from io_bridges.uri import available, make_sink, make_source, refuse_duplicates
from presets.errors import BridgeError, BridgeUnavailable, SettingsError

WIDTH, HEIGHT = 34, 18
PATIENCE = 20.0


@pytest.fixture
def machine(monkeypatch):
    monkeypatch.setattr(scheme, "sys", SimpleNamespace(platform="darwin", version_info=(3, 14)))
    made = fake_syphon.install(monkeypatch)
    yield made
    assert made.leaked == 0, "a call stands outside an autorelease pool"
    assert made.pools == 0


@pytest.fixture
def sink(machine):
    made = make_sink("syphon:show")
    made.open(WIDTH, HEIGHT, 30.0)
    yield made
    made.close()


@pytest.fixture
def source(machine):
    made = make_source("syphon:camera")
    made.open()
    yield made
    made.close()


def start(machine, name="camera", app="Arena"):
    """Start another program's server, and let the main thread hear of it."""
    machine.pools += 1  # another program's pool
    server = fake_syphon.SyphonMetalServer(name, app=app)
    machine.pools -= 1
    tend_run_loop()
    return server


def publish(machine, server, pixels, form=fake_syphon.BGRA8):
    """Publish RGB upright: the bottom row is the first of the surface."""
    rgba = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 7, np.uint8)], axis=2)[::-1]
    server.surface = fake_syphon.Texture(pixels.shape[1], pixels.shape[0], form)
    server.surface.memory[:] = rgba[:, :, [2, 1, 0, 3]] if form == fake_syphon.BGRA8 else rgba
    server.frame += 1


def the_server(machine):
    return next(iter(machine.servers.values()))


@pytest.mark.parametrize(
    ("stand_in", "protocol"),
    [
        (fake_syphon.SyphonMetalServer, SyphonServing),
        (fake_syphon.SyphonMetalClient, SyphonReceiving),
        (fake_syphon.SyphonServerDirectory, SyphonDirectory),
        (fake_syphon.Texture, MetalTexture),
    ],
)
def test_stand_in_has_the_protocols(stand_in, protocol):
    assert differing_signatures(stand_in, protocol) == []


def test_server_gets_picture_upright_and_opaque(machine, sink):
    for seed in range(5):
        sink.write(rendered(picture(WIDTH, HEIGHT, seed)), tick())
        surface = the_server(machine).surface.memory[::-1]  # as other programs see it
        assert np.array_equal(surface[:, :, [2, 1, 0]], picture(WIDTH, HEIGHT, seed))
        assert (surface[:, :, 3] == 255).all()


@pytest.mark.parametrize("form", [fake_syphon.RGBA8, fake_syphon.BGRA8])
def test_source_gets_picture_upright(machine, source, form):
    server = start(machine)
    publish(machine, server, picture(WIDTH, HEIGHT), form)
    frame = source.read(PATIENCE)
    assert np.array_equal(frame.pixels, picture(WIDTH, HEIGHT))
    assert not frame.pixels.flags.writeable
    assert source.read(0.02) is None, "a picture comes once"


def test_sink_to_source(machine, sink):
    source = make_source("syphon:show")
    source.open()
    tend_run_loop()
    for seed in (1, 2):
        sink.write(rendered(picture(WIDTH, HEIGHT, seed)), tick())
        assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT, seed))
    source.close()


@pytest.mark.parametrize("flipped", ["source", "sink"])
def test_flip_turns_upside_down(machine, flipped):
    sink = make_sink("syphon:show" + ("?flip=1" if flipped == "sink" else ""))
    source = make_source("syphon:show" + ("?flip=1" if flipped == "source" else ""))
    sink.open(WIDTH, HEIGHT, 30.0)
    source.open()
    tend_run_loop()
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT)[::-1])
    sink.close()
    source.close()


@pytest.mark.parametrize("name", ["Composition", "Arena", "Arena - Composition", ""])
def test_server_is_found_by_its_names(machine, name):
    if name:
        start(machine, "Other", "Program")
    server = start(machine, "Composition", "Arena")
    source = make_source(f"syphon:{name}")
    source.open()
    publish(machine, server, picture(WIDTH, HEIGHT))
    assert source.read(PATIENCE) is not None
    assert source.status()["server"] == "Arena - Composition"
    source.close()


def test_servers_are_heard_of_on_the_main_thread(machine):
    """A source thread alone never hears of a server that starts later."""
    source = make_source("syphon:camera")
    found = []

    def read():
        source.open()
        found.append(source.read(0.4))
        met.set()
        told.wait(PATIENCE)
        found.append(source.read(PATIENCE))
        source.close()

    met, told = threading.Event(), threading.Event()
    machine.pools += 1
    server = fake_syphon.SyphonMetalServer("camera")
    machine.pools -= 1
    publish(machine, server, picture(WIDTH, HEIGHT))
    thread = threading.Thread(target=read)
    thread.start()
    assert met.wait(PATIENCE)
    assert found == [None]
    tend_run_loop()
    told.set()
    thread.join()
    assert np.array_equal(found[1].pixels, picture(WIDTH, HEIGHT))
    assert machine.directories == 0


def test_all_waiting_announcements_are_heard(machine):
    for number in range(5):
        machine.pools += 1
        fake_syphon.SyphonMetalServer(f"server {number}")
        machine.pools -= 1
    tend_run_loop()
    assert len(machine.announced) == 5


def test_no_run_loop_without_a_bridge(monkeypatch):
    monkeypatch.delitem(sys.modules, "syphon", raising=False)
    tend_run_loop()
    assert "syphon" not in sys.modules


def test_failing_run_loop_does_not_end_the_show(machine, caplog):
    machine.failure = fake_syphon.ObjectiveCError("NSInternalInconsistencyException")
    tend_run_loop()
    assert "NSInternalInconsistencyException" in caplog.text


def test_size_change_is_followed(machine, source):
    server = start(machine)
    for size in ((WIDTH, HEIGHT), (200, 100), (8, 4)):
        publish(machine, server, picture(*size))
        assert np.array_equal(source.read(PATIENCE).pixels, picture(*size))
    assert source.status()["size"] == "8x4"


def test_server_goes_and_comes_back(machine, source):
    assert source.read(0.02) is None
    server = start(machine)
    publish(machine, server, picture(WIDTH, HEIGHT))
    assert source.read(PATIENCE) is not None
    server.stop()
    tend_run_loop()
    assert source.read(0.02) is None
    assert source.status()["server"] == ""
    publish(machine, start(machine), picture(WIDTH, HEIGHT, 3))
    assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT, 3))
    assert source.status()["servers"] == 2


def test_silent_client_finds_the_new_server(machine, source):
    publish(machine, start(machine), picture(WIDTH, HEIGHT))
    assert source.read(PATIENCE) is not None
    old = the_server(machine)
    machine.announced.remove(old.description.uuid)  # It crashed, and its client has not noticed.
    publish(machine, start(machine), picture(WIDTH, HEIGHT, 2))
    source._received_at -= 10_000_000_000
    assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT, 2))


def test_unreadable_texture_is_refused(machine, source):
    server = start(machine)
    publish(machine, server, picture(WIDTH, HEIGHT), form=115)
    with pytest.raises(BridgeError, match="34x18 pixels of format 115"):
        source.read(PATIENCE)


@pytest.mark.parametrize("failure", [RuntimeError("stopped"), fake_syphon.ObjectiveCError("NSException")])
def test_failing_call_is_an_error(machine, sink, source, failure):
    publish(machine, start(machine), picture(WIDTH, HEIGHT))
    machine.failure = failure
    with pytest.raises(BridgeError, match="Syphon failed"):
        sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    with pytest.raises(BridgeError, match="Syphon failed"):
        source.read(PATIENCE)
    source.close()
    machine.failure = None


def test_mac_without_metal_is_told(machine):
    machine.metal = False
    with pytest.raises(BridgeUnavailable, match=r"No Metal device.*Metal GPU"):
        make_sink("syphon:show").open(WIDTH, HEIGHT, 30.0)
    machine.metal, machine.room = True, False
    sink = make_sink("syphon:show")
    with pytest.raises(BridgeUnavailable, match="smaller"):
        sink.open(WIDTH, HEIGHT, 30.0)
    sink.close()
    assert machine.servers == {}, "a server is left that shows nothing"


def test_running_servers_are_listed(machine):
    start(machine, "Composition", "Arena")
    start(machine, "", "Simple Server")
    assert available(schemes("source")["syphon"]) == ["syphon:Arena - Composition", "syphon:Simple Server"]


def test_names_of_sinks_are_their_own():
    with pytest.raises(SettingsError, match="are the same name"):
        refuse_duplicates("card:", ["syphon:show", "syphon:show?size=64x64"])
    with pytest.raises(SettingsError, match="name is missing"):
        make_sink("syphon:")
    refuse_duplicates("card:", ["syphon:show", "spout:show", "shm:show"])


@pytest.mark.parametrize(
    ("platform", "message"), [("linux", "runs on macOS only"), ("darwin", r"streamflow-live\[syphon\]")]
)
def test_reason_why_it_cannot_run(monkeypatch, platform, message):
    monkeypatch.setattr(scheme, "sys", SimpleNamespace(platform=platform, version_info=(3, 11)))
    for bridge in (make_source("syphon:camera"), make_sink("syphon:show")):
        with pytest.raises(BridgeUnavailable, match=message):
            bridge.open(*([] if hasattr(bridge, "read") else [WIDTH, HEIGHT, 30.0]))


real = pytest.mark.skipif(sys.platform != "darwin", reason="Syphon is for macOS")


@real
@pytest.mark.syphon
def test_stand_in_is_like_the_package():
    syphon = pytest.importorskip("syphon")
    for name in ("SyphonMetalClient", "SyphonServerDirectory"):
        assert inspect.signature(getattr(syphon, name)).parameters.keys() == (
            inspect.signature(getattr(fake_syphon, name)).parameters.keys()
        )
    expected, got = (
        inspect.signature(each.SyphonMetalServer.publish_frame_texture).parameters.keys()
        for each in (syphon, fake_syphon)
    )
    assert expected == got


@real
@pytest.mark.syphon
def test_real_syphon_shares_a_picture():
    pytest.importorskip("syphon")
    sink, source = make_sink("syphon:streamflow-test"), make_source("syphon:streamflow-test")
    sink.open(64, 32, 30.0)
    source.open()
    frame = None
    for index in range(200):
        sink.write(rendered(picture(64, 32), index), tick(index))
        tend_run_loop()
        frame = source.read(0.05)
        if frame is not None:
            break
    assert np.array_equal(frame.pixels, picture(64, 32))
    source.close()
    sink.close()
