"""Process of one contender, ``python -m benchmarks.paper.contender_process``, so that its memory can be measured."""

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
from benchmarks.paper.energy_meter import energy_meter
from benchmarks.paper.picture_comparison import PictureComparison
from benchmarks.paper.random_model import write_random_model
from benchmarks.paper.stream_contender import StreamContender
from benchmarks.paper.streamdiffusion_rival import StreamDiffusionRival
from benchmarks.show.received_frames import quantile
from benchmarks.stream.timing import repeat_for, synchronize
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
"""Class of each `ContenderSpec.kind`."""
CARDS = 64
LEAST = 2
"""Fewest frames of a turn."""


def find_accelerators() -> dict[str, Any]:
    """Return the device, the accelerators, and the reason why each one or the rival cannot be measured."""
    missing = {"streamdiffusion": streamdiffusion_rival.missing()}
    for name in registry.ACCELERATORS:
        try:
            registry.choose(name)
        except AcceleratorUnavailable as error:
            missing[name] = str(error)
        else:
            missing[name] = ""
    # `auto` takes engines only if they are built already. A bench has the time to build them.
    ahead = [name for name, row in registry.ACCELERATORS.items() if row.ahead and not missing[name]]
    return {
        "device": available_device().type,
        "best": ahead[0] if ahead else registry.choose("auto")[0],
        "accelerators": [*registry.ACCELERATORS],
        "missing": missing,
    }


def write(architecture: str, folder: str) -> dict[str, Any]:
    """Write a model folder of this architecture with random weights."""
    write_random_model(ARCHITECTURES[architecture], Path(folder))
    return {}


class ContenderHost:
    """One contender, and the turns that measure it."""

    def build(self, kind: str, config: dict[str, Any], **settings: Any) -> dict[str, Any]:
        """Build the contender. Return its description."""
        shared = ContenderConfig(**config)
        self._contender: Contender = KINDS[kind](shared, **settings)
        self._cards = [draw_card(index, shared.width, shared.height).copy() for index in range(CARDS)]
        self._cuda = self._contender.device.type == "cuda"
        self._numbers = count()
        self._values: dict[str, Any] | None = None
        """Parameter values of the frames in flight."""
        self._meter = energy_meter(self._cuda)
        return {**self._contender.description, "energy_of": self._meter.of if self._meter else None}

    def turn(self, look: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Draw for so long, from one finished frame to another. A frame equal to the one before does not count.

        A turn with the look of the last turn continues with its frames in flight. Filling a stream is in no turn.
        """
        peak_memory.reset_peak(self._cuda)
        if look != self._values:
            self._begin(look)
        while not self._draw():  # fill the stream and warm up
            pass
        synchronize(self._contender.device)
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
        return {"pictures": pictures, "seconds": ended - began, "joules": spent} | peak_memory.read_peak(self._cuda)

    def latency(self, look: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Measure the time from admission to pixels of every frame, and the frame rate."""
        self._begin(look)
        admitted: deque[float] = deque()
        latencies: list[float] = []
        began = counted = 0.0
        for turn in repeat_for(seconds + 0.3, at_least=8 * LEAST):
            admitted.append(time.perf_counter())
            drawn = self._draw()
            now = time.perf_counter()
            for _ in drawn:
                latencies.append(now - admitted.popleft())
            if drawn and not began and turn >= LEAST:  # the stream is full and warm
                began, counted, latencies = now, 0.0, []
            elif began:
                counted += len(drawn)
                ended = now
        return {
            "fps": counted / (ended - began),
            "latency_p50_ms": quantile(latencies, 0.5) * 1000,
            "latency_p99_ms": quantile(latencies, 0.99) * 1000,
            "pictures": len(latencies),
        }

    def _begin(self, look: dict[str, Any]) -> None:
        self._values = look
        self._look = Parameters.model_validate(look)
        self._contender.begin(self._look)

    def _draw(self) -> list[Any]:
        """Admit the next frame: another seed in text mode, the next card in image mode."""
        number = next(self._numbers)
        seed = number if self._look.mode == "text" else self._look.seed
        return self._contender.draw(self._cards[number % CARDS], seed)


def handlers() -> dict[str, Handler]:
    """Return the requests that this process answers."""
    host, comparison = ContenderHost(), PictureComparison()
    return {
        "find_accelerators": find_accelerators,
        "write": write,
        "build": host.build,
        "turn": host.turn,
        "latency": host.latency,
        "decode": autoencoders.measure_batch,
        "autoencoder": autoencoders.measure_tiny_and_full,
        "reference": comparison.reference,
        "compare": comparison.compare,
    }


def main() -> None:
    """Answer requests until standard input ends."""
    lower_priority()
    torch.manual_seed(0)
    answer_requests(handlers())


if __name__ == "__main__":
    main()
