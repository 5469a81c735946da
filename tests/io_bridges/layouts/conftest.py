"""The layouts that the tests read, each made once, and a show that answers their messages."""

import json
import zlib
from typing import Any
from xml.etree import ElementTree

import pytest
from layout_messages import TYPED
from lone_show import lone_show

from daemon.shared.clock import SystemClock
from daemon.stage.control_transport import ControlTransport
from daemon.stage.cue_show import CueShow
from daemon.stage.midi_show import MidiShow
from daemon.stage.opened_places import FILES
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.recorded_show import RecordedShow
from daemon.stage.show_wrapper import ShowWrapper
from io_bridges.layouts.chataigne import session_of_chataigne
from io_bridges.layouts.open_stage_control import session_file
from io_bridges.layouts.outline import Outline, make_outline
from io_bridges.layouts.touchosc import layout_of_touchosc
from io_bridges.midi.control import MidiControl
from presets.library import Library
from presets.midi_file import MidiSetup, default_mapping
from presets.set_list import Cue


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("presets")
    (folder / "my big look.yaml").write_text("seed: 77\n")
    return Library(folder)


@pytest.fixture(scope="session")
def outline(library: Library) -> Outline:
    return make_outline(library.names())


@pytest.fixture(scope="session")
def session(outline: Outline) -> Any:
    return json.loads(session_file(outline, "10.0.0.7", 9000))


@pytest.fixture(scope="session")
def tosc(outline: Outline) -> ElementTree.Element:
    return ElementTree.fromstring(zlib.decompress(layout_of_touchosc(outline, 9001)))


@pytest.fixture(scope="session")
def noisette(outline: Outline) -> Any:
    return json.loads(session_of_chataigne(outline, "10.0.0.7", 9000, 8090))


@pytest.fixture
def store(library: Library) -> ShowWrapper:
    """A show with a set list, on its second cue."""
    transport = ControlTransport(ParameterStore(library), SystemClock())
    transport.store.opened.trust(dict.fromkeys(FILES, TYPED))
    cues = CueShow(transport.store, [Cue(preset=name) for name in ("fire", "ink", "gold")])
    midi = MidiControl(MidiSetup(("box",), default_mapping(), library.folder / "midi.yaml"))
    show = lone_show(MidiShow(RecordedShow(cues, transport), midi), transport.store)
    show.apply("/cue/jump", [2], "test")
    show.apply("/prompt/1/text", ["something else"], "test")
    return show
