"""The rule that frees a text encoder, and a player that follows it while pictures go on."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hand_clock import HandClock
from test_player import Rig, card
from tiny_folders import SIDE, write_family_folder

from daemon.renderer import prompt_encoder
from daemon.renderer.player import Player
from daemon.renderer.text_encoder_memory import IDLE, ROOM, TextEncoderMemory
from daemon.shared.clock import NS
from pipeline import kept_texts
from pipeline.conditioning import TextEncoderState
from pipeline.image_stream import ImageStream
from presets.build import Build
from presets.frame_parameters import PromptMixture

SIZE = 9_500_000_000


def states(encoded: int) -> TextEncoderState:
    return TextEncoderState("", encoded, SIZE)


def test_auto_follows_idle_time_and_memory() -> None:
    clock, asked = HandClock(), list[int]()
    free_memory = [ROOM * SIZE]

    def available() -> int:
        asked.append(clock.time)
        return free_memory[0]

    memory = TextEncoderMemory("auto", clock, available)
    clock.time += round((IDLE - 1) * NS)
    assert not memory.is_due(states(1))
    clock.time += round((IDLE - 1) * NS)
    assert not memory.is_due(states(1)), "a text was encoded since"
    assert asked == []
    clock.time += 2 * NS
    assert not memory.is_due(states(1)), "there is room"
    assert len(asked) == 1
    free_memory[0] -= 1
    assert not memory.is_due(states(1)), "it looks again after the same time"
    clock.time += round(IDLE * NS)
    assert memory.is_due(states(1))
    assert not memory.is_due(TextEncoderState("", 1, 0)), "nothing is left to free"


@pytest.mark.parametrize(("rule", "due"), [("keep", False), ("free", True)])
def test_other_rules_ask_nothing(rule: str, due: bool) -> None:
    clock = HandClock()
    memory = TextEncoderMemory(rule, clock, lambda: pytest.fail("it asks"))  # type: ignore[arg-type,return-value]
    assert memory.is_due(states(1)) is due
    clock.time += round(10 * IDLE * NS)
    assert memory.is_due(states(1)) is due


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_family_folder("stable-diffusion", tmp_path / "model")


@pytest.fixture
def rig(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(kept_texts, "SMALLEST", 0)
    build = Build(model=str(model), width=SIDE, height=SIDE, accelerator="eager", slots=6, cache=tmp_path / "cache")
    rig = Rig(ImageStream.build(build, lambda text, fraction: None))
    rig.player = Player(rig.connection, rig.stream, text_encoder="free")
    rig.count()
    yield rig
    rig.close()


def play_until(rig: Rig, done: Callable[[], bool]) -> None:
    """Give pictures until something is so. Each of them is drawn."""
    deadline = time.monotonic() + 30
    while True:
        assert rig.turn(card(0)) == 1, "pictures go on"
        if done():
            return
        assert time.monotonic() < deadline


def test_freed_text_encoder_comes_back(rig: Rig) -> None:
    rig.set(prompt="fire", strength=1.0)
    play_until(rig, lambda: rig.stream.text_encoder.held == 0)
    assert rig.stream.text_encoder.encoded == 2, "the prompt, and the empty negative one"
    rig.set(prompt="moss")
    play_until(rig, lambda: rig.player._words.newest().current)
    assert rig.stream.text_encoder.encoded == 3
    play_until(rig, lambda: rig.stream.text_encoder.held == 0)
    rig.set(prompt="fire")
    assert rig.turn(card(0)) == 1
    assert rig.player._words.newest().current, "known words need no text encoder"
    assert rig.stream.text_encoder.held == 0


def test_missing_text_encoder_leaves_the_words(rig: Rig, model: Path) -> None:
    rig.set(prompt="fire", strength=1.0)
    play_until(rig, lambda: rig.stream.text_encoder.held == 0)
    shutil.rmtree(model / "text_encoder")
    rig.set(prompt="moss")
    play_until(rig, lambda: "refused_words" in rig.report.description.values)
    assert "text_encoder" in rig.report.description.values["refused_words"]
    assert not rig.player._words.newest().current
    rig.set(prompt="fire")
    play_until(rig, lambda: "refused_words" not in rig.report.description.values)
    assert rig.player._words.newest().current


def test_stage_hears_what_is_loaded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.set(prompt="fire", strength=1.0)
    play_until(rig, lambda: rig.stream.text_encoder.held == 0)
    lazy = rig.stream._conditioner._lazy
    assert lazy is not None
    read, heard = lazy._read, threading.Event()

    def slow() -> object:
        heard.wait(20)
        return read()

    monkeypatch.setattr(lazy, "_read", slow)
    rig.set(prompt="moss")
    play_until(rig, lambda: rig.report.description.values.get("loading") == "loading the text encoder for 'moss'")
    heard.set()
    play_until(rig, lambda: rig.player._words.newest().current)
    play_until(rig, lambda: "loading" not in rig.report.description.values)


def test_first_words_are_reported_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage ends a renderer that says nothing for too long, so a text encoder that hangs must fall silent."""
    monkeypatch.setattr(prompt_encoder, "WAIT", 0.001)
    said: list[tuple[str, str]] = []
    progress = rig.connection.progress
    monkeypatch.setattr(
        rig.connection, "progress", lambda phase, text, done: (said.append((phase, text)), progress(phase, text, done))
    )
    encode = rig.player._words._encode

    def slow(wording: PromptMixture) -> object:
        time.sleep(0.1)
        return encode(wording)

    monkeypatch.setattr(rig.player._words, "_encode", slow)
    rig.set(prompt="fire", strength=1.0)
    assert rig.turn(card(0)) == 1
    assert [each for each in said if each[0] == "loading"] == [("loading", "encoding the first prompt")]
