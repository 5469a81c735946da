"""The input that a show hears, changed by ``/audio/input`` while it plays."""

from collections.abc import Iterator

import pytest

from daemon.stage import show_sound
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.show_sound import ShowSound
from presets.movement import SILENCE

OSC = "osc:127.0.0.1:9001"


@pytest.fixture
def sound(store: ParameterStore) -> Iterator[ShowSound]:
    """The sound of a show that began without any."""
    sound = ShowSound(None, store)
    yield sound
    sound.stop()


def test_another_input_is_chosen(sound: ShowSound, store: ParameterStore) -> None:
    sound.look()
    assert sound.status() is None
    reply = store.apply("/audio/input", ["USB"], OSC)
    assert (reply.accepted, reply.note) == (True, "an input with 'USB' in its name is looked for")
    store.apply("/audio/input", ["Line In"], OSC)  # the last one counts
    sound.look()
    status = sound.status()
    assert status is not None
    assert status["source"] == "Line In"
    assert store.tempo.heard() == SILENCE, "nothing has come yet"
    heard = store.tempo.heard
    store.apply("/audio/input", ["default"], OSC)
    sound.look()
    assert store.tempo.heard != heard, "LFOs follow the new one"
    assert store.apply("/audio/input", ["OFF"], OSC).note == "nothing is heard any more"
    sound.look()
    assert sound.status() is None
    assert store.tempo.heard() == SILENCE


def test_refused_inputs(sound: ShowSound, store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "with --audio FILE" in store.apply("/audio/input", ["file:/etc/hosts"], OSC).note
    assert "a part of its name" in store.apply("/audio/input", [], OSC).note
    monkeypatch.setattr(show_sound, "missing_extra", lambda module, extra: f"no {module}; extra {extra}")
    reply = store.apply("/audio/input", ["usb"], OSC)
    assert (reply.accepted, reply.note) == (False, "no sounddevice; extra audio")
    sound.look()
    assert sound.status() is None
