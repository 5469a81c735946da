"""The process that hears: a file is heard at its own pace, processes crash, hang, babble and come back."""

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sounds import burst, clicks, write

from io_bridges.audio import listener as listener_module
from io_bridges.audio.analysis import SoundFeatures
from io_bridges.audio.listener import AudioListener, AudioSource
from io_bridges.audio.report import AudioReport, decode_line, encode_features
from presets.errors import BridgeError, BridgeUnavailable
from presets.movement import SILENCE

OPEN = json.dumps(asdict(AudioReport("open", "", "Mic")))

Make = Callable[..., AudioListener]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes a listener, whose process runs Python code if it is given."""
    made: list[AudioListener] = []

    def listener(source: AudioSource = AudioSource("mic", False), code: str = "") -> AudioListener:
        made.append(AudioListener(source, (sys.executable, "-c", code)) if code else AudioListener(source))
        return made[-1]

    yield listener
    for each in made:
        each.stop()


def look(listener: AudioListener, condition: Callable[[], object]) -> None:
    """Tend the listener until a condition is true."""
    until = time.monotonic() + 60
    while not condition():
        listener.look()
        assert time.monotonic() < until, "the condition did not become true in time"
        time.sleep(0.005)


def test_file_is_heard(make: Make, tmp_path: Path) -> None:
    """A second of bass with clicks, then a second of treble with none, in a loop."""
    bass = np.concatenate((burst(80, 0, 1, 1) + clicks(1, (0.3, 0.6)), burst(8000, 0, 1, 1))).astype(np.float32)
    listener = make(AudioSource.read(str(write(tmp_path / "song.wav", bass))))
    assert listener.heard() == SILENCE
    look(listener, lambda: listener.heard().bass > 0.9 and listener.heard().level > 0.9)
    look(listener, lambda: listener.heard().onset > 0.7)
    look(listener, lambda: listener.heard().treble > 0.9 and listener.heard().bass < 0.05)
    look(listener, lambda: listener.heard().bass > 0.9)  # again
    status = listener.status()
    assert (status["state"], status["name"], status["note"], status["restarts"]) == ("open", "song.wav", "", 0)
    assert status["features"] == listener.meters() or listener.meters().keys() == SILENCE._asdict().keys()
    listener.stop()
    assert listener.heard() == SILENCE


def test_features_rest_when_none_come() -> None:
    now = [10.0]
    listener = AudioListener(AudioSource("mic", False), now=lambda: now[0])
    listener._take(SoundFeatures(0.5, 0.25, 0.75, 1, False), now[0])
    now[0] += 0.4
    assert listener.heard()[:4] == (0.5, 0.25, 0.75, 1)
    now[0] += 0.2
    assert listener.heard() == SILENCE
    assert listener.problem == ""


def test_onset_dies_away() -> None:
    now = [10.0]
    listener = AudioListener(AudioSource("mic", False), now=lambda: now[0])
    listener._take(SoundFeatures(1, 0, 0, 0, True), now[0])
    assert listener.heard().onset == 1
    for seconds in (0.01, 0.15, 0.4):
        now[0] = 10 + seconds
        assert listener.heard().onset == pytest.approx(math.exp(-seconds / 0.15))


def test_lost_input_comes_back(make: Make, tmp_path: Path) -> None:
    failed = json.dumps(asdict(AudioReport("failed", "Mic gives no more sound; it is looked for")))
    listener = make(
        code=f"import os, pathlib, sys; print({OPEN!r}); print('[1, 0, 0, 0, 0]', flush=True);"
        f"mark = pathlib.Path({str(tmp_path / 'mark')!r}); again = mark.exists(); mark.touch();"
        f"sys.stdin.read() if again else print({failed!r}, flush=True)"
    )
    look(listener, lambda: listener.problem)
    assert listener.problem == "Mic gives no more sound; it is looked for"
    look(listener, lambda: listener.status()["state"] == "open")
    assert (listener.problem, listener.status()["restarts"]) == ("", 1)


@pytest.mark.parametrize(("limit", "words"), [("START", "words of a driver"), ("HUNG", OPEN)])
def test_hung_process_is_replaced(make: Make, monkeypatch: pytest.MonkeyPatch, limit: str, words: str) -> None:
    """It has longer before its first line, because a busy machine imports slowly."""
    monkeypatch.setattr(listener_module, limit, 0.3)
    listener = make(code=f"import time; print({words!r}, flush=True); time.sleep(100)")
    look(listener, lambda: listener.status()["hangs"])
    look(listener, lambda: listener.problem == "the process that hears has ended")
    assert listener.status()["hangs"] == 1


def test_missing_input_is_told_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    failed = json.dumps(asdict(AudioReport("failed", "no audio input has 'mic' in its name")))
    listener = make(code=f"print({failed!r})")
    look(listener, lambda: int(str(listener.status()["restarts"])) >= 2)
    assert [record.message for record in caplog.records] == ["audio: no audio input has 'mic' in its name"]


def test_source_is_a_file_or_an_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    song = tmp_path / "song.wav"
    song.touch()
    assert AudioSource.read(str(song)) == AudioSource.read(f"file:{song}") == (str(song), True)
    assert AudioSource.read("usb mic") == ("usb mic", False)
    with pytest.raises(BridgeError, match=r"--audio: /no/song\.wav is not a file"):
        AudioSource.read("file:/no/song.wav")
    monkeypatch.setitem(sys.modules, "sounddevice", None)  # as if neither were installed
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(BridgeUnavailable, match=r"Run: pip install 'streamflow-live\[audio\]'"):
        AudioSource.read("usb mic")
    with pytest.raises(BridgeUnavailable, match=r"Run: pip install 'streamflow-live\[video\]'"):
        AudioSource.read(str(song))


@given(features=st.builds(SoundFeatures, *[st.floats(0, 1)] * 4, st.booleans()))
def test_lines_are_read_as_written(features: SoundFeatures) -> None:
    assert decode_line(encode_features(features)) == pytest.approx(features, abs=1e-4)


@given(
    line=st.binary(max_size=60) | st.sampled_from([b"[1,2]", b"[1e999,0,0,0,0]", b'{"state":"no"}', b"[[],0,0,0,0]"])
)
def test_no_line_raises(line: bytes) -> None:
    found = decode_line(line)
    assert found is None or isinstance(found, AudioReport) or all(0 <= share <= 1 for share in found[:4])
