"""The process of one contender, ``python -m benchmarks.paper.contender_process``. It shares no memory with another."""

import time
from collections import deque
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.child_process import Handler, answer_requests
from benchmarks.paper import autoencoders, peak_memory, streamdiffusion_rival
from benchmarks.paper.architectures import ARCHITECTURES
from benchmarks.paper.baselines import DiffusersPipeline, VanillaLoop
from benchmarks.paper.contender import Contender, ContenderConfig
from benchmarks.paper.energy_meter import meter
from benchmarks.paper.picture_comparison import Quality
from benchmarks.paper.random_model import write_random_model
from benchmarks.paper.stream_contender import StreamContender
from benchmarks.paper.streamdiffusion_rival import StreamDiffusionRival
from benchmarks.show.received_frames import quantile
from benchmarks.stream.timing import finish, repeat_for
from daemon.shared.process import lower_priority
from io_bridges.card import draw_card
from pipeline.accelerators import registry
from pipeline.accelerators.eager import available_device
from presets.errors import AcceleratorUnavailable
from presets.parameters import Parameters

KINDS: dict[str, Any] = {
    "vanilla": VanillaLoop,
    "diffusers": DiffusersPipeline,
    "streamdiffusion": StreamDiffusionRival,
    "stream": StreamContender,
}
"""What can be built, by the name that the bench asks with."""
CARDS = 64
LEAST = 2
"""Pictures of the shortest turn."""


def here() -> dict[str, Any]:
    """What this machine has: the device, and why an accelerator or the rival can't be measured (empty: it can)."""
    device = available_device()
    missing = {"streamdiffusion": streamdiffusion_rival.missing()}
    for name in registry.ACCELERATORS:
        try:
            registry.choose(name)
        except AcceleratorUnavailable as error:
            missing[name] = str(error)
        else:
            missing[name] = ""
    # `auto` takes what is built already; a bench has the time to build.
    ahead = [name for name, row in registry.ACCELERATORS.items() if row.ahead and not missing[name]]
    best = ahead[0] if ahead else registry.choose("auto")[0]
    return {
        "device": device.type,
        "best": best,
        "accelerators": [*registry.ACCELERATORS],
        "missing": missing,
    }


def write(architecture: str, folder: str) -> dict[str, Any]:
    """Write a model of this architecture with random weights."""
    write_random_model(ARCHITECTURES[architecture], Path(folder))
    return {}


class ContenderHost:
    """One `Contender`, and the turns it is measured by."""

    def build(self, kind: str, subject: dict[str, Any], **settings: Any) -> dict[str, Any]:
        """Make it; answers its description."""
        asked = ContenderConfig(**subject)
        self._drawer: Contender = KINDS[kind](asked, **settings)
        self._cards = [draw_card(index, asked.width, asked.height).copy() for index in range(CARDS)]
        self._cuda = self._drawer.device.type == "cuda"
        self._numbers = count()
        self._playing: dict[str, Any] | None = None
        """The look of what is in flight."""
        self._meter = meter(self._cuda)
        of = {"energy_of": self._meter.of if self._meter else None}
        return {**self._drawer.description, **of}

    def turn(self, look: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Pictures for so long, from one that is done to one that is done; one like the one before does not count.

        A turn of the look that the last one had goes on with what is in flight: filling a stream is counted in none.
        """
        peak_memory.forget_peak(self._cuda)
        if look != self._playing:
            self._begin(look)
        while not self._draw():  # fills what is to be filled, and warms up
            pass
        finish(self._drawer.device)
        pictures, last = 0, None
        joules = self._meter.read() if self._meter else 0.0
        began = ended = time.perf_counter()
        while ended - began < seconds or pictures < LEAST:
            drawn = self._draw()
            if drawn:
                ended = time.perf_counter()
            for picture in drawn:
                pictures += last is None or not np.array_equal(picture, last)
                last = picture
        spent = self._meter.read() - joules if self._meter else None
        return {"pictures": pictures, "seconds": ended - began, "joules": spent} | peak_memory.peak(self._cuda)

    def latency(self, look: dict[str, Any], seconds: float) -> dict[str, Any]:
        """From a picture's admission to its pixels, for every one; and the pictures a second beside it."""
        self._begin(look)
        waiting: deque[float] = deque()
        took: list[float] = []
        began = counted = 0.0
        for turn in repeat_for(seconds + 0.3, at_least=8 * LEAST):
            waiting.append(time.perf_counter())
            drawn = self._draw()
            now = time.perf_counter()
            for _ in drawn:
                took.append(now - waiting.popleft())
            if drawn and not began and turn >= LEAST:  # full and warm by then
                began, counted, took = now, 0.0, []
            elif began:
                counted += len(drawn)
                ended = now
        return {
            "fps": counted / (ended - began),
            "latency_p50_ms": quantile(took, 0.5) * 1000,
            "latency_p99_ms": quantile(took, 0.99) * 1000,
            "pictures": len(took),
        }

    def _begin(self, look: dict[str, Any]) -> None:
        self._playing = look
        self._look = Parameters.model_validate(look)
        self._drawer.begin(self._look)

    def _draw(self) -> list[Any]:
        """In text mode another seed each; in image mode the card walks, and the seed stays."""
        number = next(self._numbers)
        seed = number if self._look.mode == "text" else self._look.seed
        return self._drawer.draw(self._cards[number % CARDS], seed)


def handlers() -> dict[str, Handler]:
    """What can be asked, for one contender and one comparison of pictures."""
    contender, quality = ContenderHost(), Quality()
    return {
        "here": here,
        "write": write,
        "build": contender.build,
        "turn": contender.turn,
        "latency": contender.latency,
        "decode": autoencoders.decode,
        "autoencoder": autoencoders.autoencoder,
        "reference": quality.reference,
        "compare": quality.compare,
    }


def main() -> None:
    """Answer until the bench is gone."""
    lower_priority()
    torch.manual_seed(0)
    answer_requests(handlers())


if __name__ == "__main__":
    main()
