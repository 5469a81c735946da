"""Features of sounds whose times and bands are known: by samples, and through files of several kinds."""

import math
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sounds import CLICKS, RATE, Sound, burst, clicks, times, write

from io_bridges.audio.analysis import QUIETEST_BAND, SoundAnalyser, SoundFeatures, block_length
from io_bridges.audio.audio_file import FILE_RATE, decoded, looped_blocks
from io_bridges.audio.auto_gain import NOISE
from io_bridges.audio.heard_file import HeardFile
from presets.errors import BridgeError
from presets.movement import SILENCE

BLOCK = block_length(RATE)
BACKGROUNDS = {
    "silence": 0 * times(6),
    "a chord": sum(0.08 * np.sin(2 * np.pi * hertz * times(6)) for hertz in (110.0, 221.0, 331.5)),
    "vibrato": 0.3 * np.sin(2 * np.pi * 440 * times(6) + 8 * np.sin(2 * np.pi * 6 * times(6))),
}


def analysed(sound: Sound, rate: float = RATE) -> list[SoundFeatures]:
    analyser = SoundAnalyser(rate)
    length = analyser.block
    return [analyser.analyse(sound[at : at + length]) for at in range(0, len(sound) - length + 1, length)]


def onsets(features: Sequence[SoundFeatures]) -> list[float]:
    """Return the number of the block of each onset."""
    return [number for number, each in enumerate(features) if each.is_onset]


def blocks_of(seconds: Sequence[float]) -> list[int]:
    return [int(second * RATE / BLOCK) for second in seconds]


@pytest.mark.parametrize("loudness", [1.0, 0.1, 0.02])
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_clicks_are_onsets(background: str, loudness: float) -> None:
    sound = ((clicks(6) + BACKGROUNDS[background]) * loudness).astype(np.float32)
    found = [number for number in onsets(analysed(sound)) if number > 2]  # the background itself begins
    late = [number - begun for number, begun in zip(found, blocks_of(CLICKS), strict=True)]
    assert set(late) <= {0, 1}, late


def test_steady_sounds_have_one_onset() -> None:
    random = np.random.default_rng(2)
    for sound in (0.1 * random.standard_normal(RATE * 5), BACKGROUNDS["a chord"], BACKGROUNDS["vibrato"]):
        assert onsets(analysed(np.asarray(sound, np.float32))) == [0]


def test_onsets_of_one_burst_are_not_doubled() -> None:
    found = onsets(analysed(burst(200, 1.0, 1.5, 3.0)))
    assert len(found) == 1
    assert 0 <= found[0] - blocks_of([1.0])[0] <= 1


@pytest.mark.parametrize(("hertz", "band"), [(80, "bass"), (1000, "mid"), (8000, "treble")])
@pytest.mark.parametrize("amplitude", [0.9, 0.01])
def test_burst_is_in_its_band(hertz: float, band: str, amplitude: float) -> None:
    features = analysed(burst(hertz, 1.0, 2.0, 4.0, amplitude))
    loud, before, after = features[blocks_of([1.5])[0]], features[blocks_of([0.9])[0]], features[blocks_of([3.5])[0]]
    shares = {name: getattr(loud, name) for name in ("bass", "mid", "treble")}
    assert loud.level > 0.95
    assert shares.pop(band) > 0.95
    assert max(shares.values()) < 0.1
    assert before[:4] == (0, 0, 0, 0)
    assert max(after[:4]) < 0.001


@settings(max_examples=20)
@given(loudness=st.floats(0.15, 1.0), hertz=st.floats(50, 12_000))
def test_loudness_changes_nothing(loudness: float, hertz: float) -> None:
    sound = (burst(hertz, 0.1, 0.9, 1.3) + 0.3 * burst(2 * hertz, 0.95, 1.3, 1.3)).astype(np.float32)
    one, other = analysed(sound), analysed(sound * np.float32(loudness))
    assert len(onsets(one)) == len(onsets(other)) > 0
    assert all(abs(begun - again) <= 1 for begun, again in zip(onsets(one), onsets(other), strict=True))
    for place in range(blocks_of([0.75])[0], blocks_of([0.85])[0]):  # the meters have fallen since the ramp
        for share, again in zip(one[place][:4], other[place][:4], strict=True):
            # A leak into another band is silence if it is below the noise of an input.
            is_noise = share * QUIETEST_BAND * 0.5 * loudness < 2 * NOISE
            assert share == pytest.approx(again, abs=0.02) or (is_noise and again < share)


def test_gain_comes_back_after_a_loud_passage() -> None:
    sound = (burst(200, 0.0, 1.0, 26.0, 0.8) + burst(200, 1.0, 26.0, 26.0, 0.05)).astype(np.float32)
    levels = [each.level for each in analysed(sound)]
    assert levels[blocks_of([0.5])[0]] > 0.95
    assert levels[blocks_of([3.0])[0]] < 0.15
    assert levels[blocks_of([25.0])[0]] > 0.95


@settings(max_examples=20)
@given(samples=arrays(np.float32, 4 * BLOCK, elements=st.floats(width=32)))
def test_any_samples_stay_in_range(samples: Sound) -> None:
    for features in (*analysed(samples), *analysed(burst(300, 0, 0.1, 0.1))):
        assert all(0 <= share <= 1 for share in features[:4])


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000, 96_000, 192_000])
def test_rates_have_equal_features(rate: int) -> None:
    at = np.arange(rate) / rate
    sound = np.asarray(0.5 * np.sin(2 * np.pi * 80 * at), np.float32)
    level, bass, mid, treble, _ = analysed(sound, rate)[30]
    assert (level, bass) == (pytest.approx(1, abs=0.03), pytest.approx(1, abs=0.03))
    assert max(mid, treble) < 0.1
    assert 0.008 < block_length(rate) / rate < 0.017


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("a.wav", "pcm_s16le", 44_100), ("a.flac", "flac", 48_000), ("a.mp3", "mp3", 44_100), ("a.m4a", "aac", 48_000)],
)
def test_files_sound_as_they_were_written(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    sound = clicks(6)
    if rate != RATE:  # the same clicks at another rate
        sound = np.interp(np.arange(6 * rate) / rate, times(6), sound).astype(np.float32)
    path = write(tmp_path / name, sound, sound, rate=rate, codec=codec)
    heard = np.concatenate(list(decoded(path)))
    assert abs(len(heard) / FILE_RATE - 6) < 0.1
    found, expected = onsets(analysed(heard)), blocks_of(CLICKS)
    # Lossy codecs put some silence before the sound, and noise before each click.
    assert [abs(one - other) <= 6 for one, other in zip(found, expected, strict=True)] == [True] * len(expected)
    if codec in ("pcm_s16le", "flac"):
        assert all(0 <= one - other <= 1 for one, other in zip(found, expected, strict=True))


def test_file_is_looped_without_a_gap(tmp_path: Path) -> None:
    length = 10_007  # no whole number of blocks
    sound = np.asarray(0.5 * np.sin(np.arange(length) * 2 * np.pi / 100.07), np.float32)
    blocks = looped_blocks(write(tmp_path / "a.wav", sound), BLOCK)
    heard = np.concatenate(list(islice(blocks, 100)))
    assert np.abs(heard - np.tile(sound, 6)[: len(heard)]).max() < 0.001


@pytest.mark.parametrize("length", [3, 700, 40_000])
def test_short_file_is_looped_without_a_gap(tmp_path: Path, length: int) -> None:
    sound = np.linspace(-0.5, 0.5, length, dtype=np.float32)
    heard = np.concatenate(list(islice(looped_blocks(write(tmp_path / "a.wav", sound), BLOCK), 200)))
    assert np.abs(heard - np.resize(sound, len(heard))).max() < 0.001


def test_file_is_heard_at_any_time(tmp_path: Path) -> None:
    sound = (burst(80, 0.5, 1.0, 2.0) + burst(8000, 1.5, 2.0, 2.0)).astype(np.float32)
    path = write(tmp_path / "a.wav", sound)
    heard = HeardFile(path)
    bass, since_bass = heard.at(0.75)
    treble, since_treble = heard.at(1.75)
    assert bass.bass > 0.95
    assert bass.treble < 0.05
    assert treble.treble > 0.95
    assert treble.bass < 0.05
    assert (since_bass, since_treble) == (pytest.approx(0.25, abs=0.025), pytest.approx(0.25, abs=0.025))
    assert heard.at(0.0) == (SILENCE, math.inf)
    assert heard.at(9.0) == (SILENCE, pytest.approx(7.5, abs=0.025))
    assert HeardFile(path).at(0.75) == heard.at(0.75) == (bass, since_bass), "in any order"


def test_files_without_sound_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("no sound")
    empty = write(tmp_path / "empty.wav", np.zeros(1, np.float32))
    empty.write_bytes(empty.read_bytes()[:44])  # the header alone
    picture = Path(__file__).parents[3] / "docs" / "looks.jpg"
    for path in (text, tmp_path / "missing.wav", empty, picture):
        with pytest.raises(BridgeError, match=path.name):
            next(looped_blocks(path, BLOCK))
        with pytest.raises(BridgeError, match=path.name):
            HeardFile(path)
