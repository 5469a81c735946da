"""Bare pipeline, ``python -m benchmarks.stream.bare_pipeline``: an `ImageStream` at a renderer's process priority."""

import statistics
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.child_process import answer_requests
from benchmarks.stream.built_model import BuiltModel, no_progress
from benchmarks.stream.timing import interleaved, recorded, repeat_for, seconds_of, synchronize
from daemon.shared.process import lower_priority
from io_bridges.card import draw_card
from pipeline.denoiser import ConditioningRows
from pipeline.image_stream import ImageStream
from presets.build import Build
from presets.frame_parameters import without_morph
from presets.parameters import Parameters

CARDS = 128
WARM_UP = 0.5
"""Seconds at the start of a turn that do not count."""
ROWS = 4
"""Rows of the batched denoiser call."""
TURN = 8
"""Frames of one turn in the comparison of a stream with one frame at a time."""


class BarePipeline:
    """One `ImageStream`, and the requests that measure it."""

    def build(self, model: str, width: int, height: int, accelerator: str, cache: str | None = None) -> dict[str, Any]:
        """Build the stream. Return its description and the duration of the build."""
        began = time.perf_counter()
        build = Build(model=model, width=width, height=height, cache=Path(cache) if cache else None)
        self._stream = ImageStream.build(build.with_accelerator(accelerator), no_progress)
        self._cards = [draw_card(index, width, height) for index in range(CARDS)]
        return {"description": self._stream.description, "seconds": time.perf_counter() - began}

    def stream(self, look: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Measure the rate of distinct frames, with one admission per step.

        A frame equal to the one before does not count. In image mode the card moves, in text mode the seed changes, so
        that every frame has to be rendered.
        """
        self._stream.clear()
        frames = self._frames(look)
        for _ in repeat_for(WARM_UP):
            next(frames)
        distinct, last = 0, None
        began, processor_began = time.perf_counter(), time.process_time()
        for _ in repeat_for(seconds):
            for frame in next(frames):
                distinct += last is None or not np.array_equal(frame, last)
                last = frame
        elapsed, processor = time.perf_counter() - began, time.process_time() - processor_began
        return {
            "fps": distinct / elapsed,
            "pictures": distinct,
            "in_flight": self._stream.in_flight + 1,
            "processor_ms_a_picture": processor * 1000 / max(distinct, 1),
        }

    def whole(self, look: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Compare the stream with one frame at a time, encoder and decoder included, in interleaved turns.

        A turn of the stream starts and ends with its frames in flight, as in the middle of a show.
        """
        streamed: list[float] = []
        alone: list[float] = []
        for _ in repeat_for(seconds + WARM_UP, at_least=2):
            self._stream.clear()
            frames = self._frames(look)
            while not next(frames):  # fill the stream
                pass
            streamed.append(_seconds_for(frames, TURN))
            self._stream.clear()
            alone.append(_seconds_for(self._frames(look, alone=True), TURN))
        streamed, alone = streamed[1:], alone[1:]  # the first round warms up
        return {
            "ratio": statistics.median(apart / together for apart, together in zip(alone, streamed, strict=True)),
            "stream_fps": TURN / statistics.median(streamed),
            "alone_fps": TURN / statistics.median(alone),
            "rounds": len(streamed),
        }

    def denoiser(
        self, model: str, width: int, height: int, accelerator: str, seconds: float, cache: str | None = None
    ) -> dict[str, Any]:
        """Compare one call of four rows at four timesteps with four calls of one row, in interleaved turns."""
        folder = Path(cache) if cache else None
        built = BuiltModel.build(model, width, height, accelerator, rows=ROWS, cache=folder)
        engines = built.engines
        generator = torch.Generator().manual_seed(1)
        latents = torch.randn(ROWS, *built.shapes.inputs, generator=generator).to(engines.device)
        timesteps = torch.tensor([row[0] for row in built.model.schedule(ROWS, 1.0).rows], device=engines.device)
        text = built.encode_text(Parameters()).positive.embeds
        embeds = text.expand(ROWS, *text.shape).contiguous().to(engines.device)
        inputs = (latents, timesteps, embeds)
        one = [torch.empty_like(rows[:1]) for rows in inputs]
        with torch.inference_mode():
            call_four = recorded(
                lambda: engines.denoiser(latents, timesteps, ConditioningRows(embeds)), engines.recorder
            )
            call_one = recorded(lambda: engines.denoiser(one[0], one[1], ConditioningRows(one[2])), engines.recorder)

            def batched() -> None:
                call_four()
                synchronize(engines.device)

            def single() -> None:
                for row in range(ROWS):
                    # Copied into the same memory each time, as the stream does, so that no engine binds new buffers.
                    for held, rows in zip(one, inputs, strict=True):
                        held.copy_(rows[row : row + 1])
                    call_one()
                    synchronize(engines.device)

            for _ in repeat_for(WARM_UP):
                batched()
                single()
            together, apart = interleaved(seconds, batched, single, warm_up=0)
        return {
            **built.description,
            "ratio": statistics.median(four / one_call for one_call, four in zip(together, apart, strict=True)),
            "batched_ms": statistics.median(together) * 1000,
            "single_ms": statistics.median(apart) * 1000,
            "rounds": len(together),
        }

    def _frames(self, look: dict[str, Any], alone: bool = False) -> Iterator[list[NDArray[np.uint8]]]:
        """Yield the frames finished in each turn. A turn admits one frame and steps once, or until it is out."""
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


def _seconds_for(frames: Iterator[list[NDArray[np.uint8]]], turns: int) -> float:
    return seconds_of(lambda: [next(frames) for _ in range(turns)])


def main() -> None:
    """Answer requests until standard input ends."""
    lower_priority()
    bare = BarePipeline()
    answer_requests({"build": bare.build, "stream": bare.stream, "whole": bare.whole, "denoiser": bare.denoiser})


if __name__ == "__main__":
    main()
