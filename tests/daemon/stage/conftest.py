"""Fixtures: a source that a test moves, and a running show for the tests of one module."""

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from control_show import control_show, show_values
from feed import Feed
from shipped_adapters import (
    controlnet_of_the_shipped_model,
    ip_adapter_of_the_shipped_model,
    lora_of_the_shipped_model,
)
from show import Show

SIDE = 64


def tone_and_silence(path: Path) -> Path:
    """Write a second of 100 Hz and two seconds of silence."""
    at = np.arange(3 * 44_100) / 44_100
    tone = np.where(at < 1, 20_000 * np.sin(2 * np.pi * 100 * at), 0)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 44_100, len(tone), "NONE", ""))
        file.writeframes(tone.astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def feed() -> Iterator[Feed]:
    feed = Feed(SIDE)
    yield feed
    feed.close()


@pytest.fixture(scope="module")
def running_show(tmp_path_factory: pytest.TempPathFactory, feed: Feed) -> Iterator[Show]:
    """A show on eager torch, which has nothing to compile and nothing to measure beside the tests, in two steps.

    Its four LoRAs are the same file, at weight 0. Its ControlNet of edges is at scale 0, and its IP-Adapter has
    no image. It hears a tone that comes and goes.
    """
    folder = tmp_path_factory.mktemp("controls")
    lora = lora_of_the_shipped_model(folder)
    look = f"accelerator: eager\nsteps: 2\nwidth: {SIDE}\nheight: {SIDE}\n"
    look += "".join(f"lora{place}: {lora}\nlora{place}_weight: 0\n" for place in (1, 2, 3, 4))
    look += f"controlnet: {controlnet_of_the_shipped_model(folder)}\ncontrolnet_preprocessor: canny\n"
    look += f"controlnet_scale: 0\nip_adapter: {ip_adapter_of_the_shipped_model(folder)}\n"
    sound = tone_and_silence(folder / "sound.wav")
    with control_show(folder / "show", feed, look, "--threads", "1", "--audio", str(sound)) as show:
        yield show


@pytest.fixture
def show(running_show: Show) -> Iterator[Show]:
    """The running show. Values that a test leaves changed are set back, so that its failure fails no other test."""
    values = show_values(running_show)
    yield running_show
    left = {address for address, value in show_values(running_show).items() if value != values[address]}
    if left := left - {"/preset"}:
        running_show.set(**{address[1:]: values[address] for address in left})
