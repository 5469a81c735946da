"""The bare pipeline, ``python -m benchmarks.stream.bare_pipeline``: no stage, no link, and niced as a renderer is."""

import statistics
import time
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.child_process import answer_requests
from benchmarks.stream.timing import finish, repeat_for, seconds_of
from daemon.shared.process import lower_priority
from io_bridges.card import draw_card
from pipeline.accelerators import registry
from pipeline.accelerators.engines import Preparation, Shapes
from pipeline.conditioning import TextConditioner
from pipeline.denoiser import ConditioningRows
from pipeline.image_stream import ImageStream
from pipeline.models import load_model
from presets.build import Build
from presets.frame_parameters import without_morph
from presets.parameters import Parameters

CARDS = 128
WARM_UP = 0.5
"""Seconds of each turn that are not counted."""
BATCH = 4
TURN = 8
"""Pictures of one turn, where a stream is compared with pictures one at a time."""


class BarePipeline:
    """One `ImageStream` at a time, and the requests it is measured by."""

    def build(self, model: str, width: int, height: int, accelerator: str) -> dict[str, Any]:
        """Make the stream; answers its description and the seconds that took."""
        began = time.perf_counter()
        build = Build(model=model, width=width, height=height).with_accelerator(accelerator)
        self._stream = ImageStream.build(build, lambda text, fraction: None)
        self._cards = [draw_card(index, width, height) for index in range(CARDS)]
        return {"description": self._stream.description, "seconds": time.perf_counter() - began}

    def stream(self, look: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Pictures a second, one admitted a step; a picture like the one before it does not count.

        Image mode walks through the card, text mode through seeds: each picture has to be drawn.
        """
        self._stream.clear()
        pictures = self._pictures(look)
        for _ in repeat_for(WARM_UP):
            next(pictures)
        distinct, last = 0, None
        began, spent = time.perf_counter(), time.process_time()
        for _ in repeat_for(seconds):
            for picture in next(pictures):
                distinct += last is None or not np.array_equal(picture, last)
                last = picture
        elapsed, spent = time.perf_counter() - began, time.process_time() - spent
        return {
            "fps": distinct / elapsed,
            "pictures": distinct,
            "in_flight": self._stream.in_flight + 1,
            "processor_ms_a_picture": spent * 1000 / max(distinct, 1),
        }

    def whole(self, look: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Encode, denoise and decode: as a stream against one picture at a time, by turns.

        The turn of a stream begins and ends with its pictures in flight, as in the middle of a show.
        """
        self._stream.clear()
        streamed: list[float] = []
        alone: list[float] = []
        for _ in repeat_for(seconds + WARM_UP, at_least=2):
            self._stream.clear()
            pictures = self._pictures(look)
            while not next(pictures):  # fills the stream
                pass
            streamed.append(_seconds_for(pictures, TURN))
            self._stream.clear()
            pictures = self._pictures(look, alone=True)
            alone.append(_seconds_for(pictures, TURN))
        # The first round warms up.
        ratios = [apart / together for apart, together in zip(alone[1:], streamed[1:], strict=True)]
        return {
            "ratio": statistics.median(ratios),
            "stream_fps": TURN / statistics.median(streamed[1:]),
            "alone_fps": TURN / statistics.median(alone[1:]),
            "rounds": len(ratios),
        }

    def denoiser(self, model: str, width: int, height: int, accelerator: str, seconds: float) -> dict[str, Any]:
        """One call of four rows at four timesteps, against the same four rows in four calls of one, by turns."""
        loaded = load_model(model)
        conditioner = TextConditioner(loaded.tokenizer, loaded.text_encoder, torch.device("cpu"), torch.float32)
        latent = (loaded.latent_channels, height // loaded.factor, width // loaded.factor)
        shapes = Shapes(width, height, latent, conditioner.shape.embeds, BATCH)
        chosen = registry.build(accelerator, loaded, shapes, Preparation(lambda text, fraction: None))
        engines = chosen.engines
        rows = torch.randn(BATCH, *latent, generator=torch.Generator().manual_seed(1)).to(engines.device)
        times = torch.tensor([row[0] for row in loaded.schedule(BATCH, 1.0).rows], device=engines.device)
        text = conditioner.encode(without_morph(Parameters()).wording).positive.embeds
        words = text.expand(BATCH, *text.shape).contiguous().to(engines.device)
        one = [torch.empty_like(whole[:1]) for whole in (rows, times, words)]

        def batched() -> None:
            engines.denoiser(rows, times, ConditioningRows(words))
            finish(engines.device)

        def single() -> None:
            for row in range(BATCH):
                # Into memory that stays, as the stream does it: no engine has to bind new buffers.
                for held, whole in zip(one, (rows, times, words), strict=True):
                    held.copy_(whole[row : row + 1])
                engines.denoiser(one[0], one[1], ConditioningRows(one[2]))
                finish(engines.device)

        with torch.inference_mode():
            for _ in repeat_for(WARM_UP):
                batched()
                single()
            rounds = [(seconds_of(batched), seconds_of(single)) for _ in repeat_for(seconds)]
        return {
            "accelerator": chosen.name,
            "precision": engines.precision,
            "ratio": statistics.median(four / together for together, four in rounds),
            "batched_ms": statistics.median(together for together, _ in rounds) * 1000,
            "single_ms": statistics.median(four for _, four in rounds) * 1000,
            "rounds": len(rounds),
        }

    def _pictures(self, look: dict[str, Any], alone: bool = False) -> Iterator[list[NDArray[np.uint8]]]:
        """Each turn admits a picture and steps, or, `alone`, steps until that picture is out."""
        parameters = Parameters.model_validate(look)
        conditioning = self._stream.encode(without_morph(parameters).wording)
        for number, card in enumerate(cycle(self._cards)):
            if parameters.mode == "text":
                parameters = parameters.model_copy(update={"seed": number})
            self._stream.admit(card, without_morph(parameters), conditioning)
            finished = self._stream.step()
            while alone and self._stream.in_flight:
                finished += self._stream.step()
            yield [picture.pixels for picture in finished]


def _seconds_for(pictures: Iterator[list[NDArray[np.uint8]]], turns: int) -> float:
    return seconds_of(lambda: [next(pictures) for _ in range(turns)])


def main() -> None:
    """Answer until the bench is gone."""
    lower_priority()
    bare = BarePipeline()
    answer_requests({"build": bare.build, "stream": bare.stream, "whole": bare.whole, "denoiser": bare.denoiser})


if __name__ == "__main__":
    main()
