"""Bare pipeline with and without reuse, ``python -m benchmarks.stream.reuse_pipeline``: their rates and pictures."""

import statistics
import time
from collections.abc import Iterator
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.child_process import answer_requests
from benchmarks.model.held_out import moving_clip
from benchmarks.paper.image_metrics import psnr
from benchmarks.stream.built_model import no_progress
from benchmarks.stream.timing import repeat_for
from daemon.shared.process import lower_priority
from daemon.shared.threads import run_in_threads
from pipeline.image_stream import ImageStream
from presets.build import Build
from presets.frame_parameters import without_morph
from presets.parameters import Parameters

FRAMES = 32
"""Frames of the clip, forth and back, that are compared."""
TURN = 16
"""Pictures of one turn: a multiple of the calls from one computation of the features to the next."""
Frames = list[NDArray[np.uint8]]


class Spent(NamedTuple):
    """Time of one turn, in seconds."""

    seconds: float
    processor: float


class ReusePipeline:
    """Two streams of one model, and the requests that compare them."""

    def build(self, preset: dict[str, Any], cache: str | None) -> dict[str, Any]:
        """Build both streams, the second to play as the first does. Return its description."""
        build = Build(**preset, cache=Path(cache) if cache else None)
        self._plain = ImageStream.build(build, no_progress, run_in_threads)
        chosen = self._plain.prepared.choice.selection
        same = None if chosen is None else chosen._replace(key=None)
        reusing = build.model_copy(update={"reuse": True})
        self._reusing = ImageStream.build(reusing, no_progress, run_in_threads, selection=same)
        clip = moving_clip(build.width)
        self._clip = [*clip, *reversed(clip)]
        return {"description": self._plain.description}

    def compare(self, look: dict[str, Any], limits: dict[str, Any], seconds: float, at_least: int) -> dict[str, Any]:
        """Compare the rates of both streams in interleaved turns of `TURN` pictures. Pictures in flight outlive a turn.

        Processor time is that of all threads, which other programs on the machine hardly change.
        """
        plain, reusing = self._turns(self._plain, look), self._turns(self._reusing, look | limits)
        times: list[tuple[Spent, Spent]] = []
        for number in repeat_for(seconds, at_least + 1):
            first, second = (plain, reusing) if number % 2 else (reusing, plain)
            spent = _spent(first), _spent(second)
            times.append(spent if number % 2 else (spent[1], spent[0]))
        times = times[1:]  # the first round fills both streams
        off, on = zip(*times, strict=True)
        return {
            "plain_fps": TURN / statistics.median(each.seconds for each in off),
            "fps": TURN / statistics.median(each.seconds for each in on),
            "ratio": statistics.median(one.seconds / other.seconds for one, other in times),
            "processor_ratio": statistics.median(one.processor / other.processor for one, other in times),
            "rounds": len(times),
        }

    def error(self, look: dict[str, Any], limits: list[dict[str, Any]], prompts: list[str]) -> dict[str, Any]:
        """Return the PSNR of each picture against that without reuse, and the share of calls that reused, by limit.

        ``next`` is the PSNR of a picture against the next one without reuse: what a picture that is late would have.
        """
        errors: list[list[float]] = [[] for _ in limits]
        shares: list[list[float]] = [[] for _ in limits]
        following: list[float] = []
        stream = self._reusing.prepared.stream
        for prompt in prompts:
            words = look | {"prompt": [{"text": prompt}]}
            expected = self._pictures(self._plain, words)
            following += [psnr(one, other) for one, other in pairwise(expected)]
            for place, each in enumerate(limits):
                before, calls = stream.reuse.reused, sum(stream.calls.values())
                drawn = self._pictures(self._reusing, words | each)
                errors[place] += [psnr(one, other) for one, other in zip(drawn, expected, strict=True)]
                shares[place].append((stream.reuse.reused - before) / (sum(stream.calls.values()) - calls))
        return {"psnr": errors, "reused": [statistics.mean(share) for share in shares], "next": following}

    def _pictures(self, stream: ImageStream, look: dict[str, Any]) -> Frames:
        turns = self._turns(stream, look)
        drawn: Frames = []
        while len(drawn) < FRAMES:
            drawn += next(turns)
        return drawn

    def _turns(self, stream: ImageStream, look: dict[str, Any]) -> Iterator[Frames]:
        """Yield the pictures that each call finishes. Each turn admits a frame of the clip."""
        stream.clear()
        moment = without_morph(Parameters.model_validate(look))
        conditioning = stream.encode(moment.wording)
        for frame in cycle(self._clip):
            stream.admit(frame, moment, conditioning)
            yield [each.pixels for each in stream.step()]


def _spent(turns: Iterator[Frames]) -> Spent:
    """Draw the pictures of one turn."""
    seconds, processor, drawn = time.perf_counter(), time.process_time(), 0
    while drawn < TURN:
        drawn += len(next(turns))
    return Spent(time.perf_counter() - seconds, time.process_time() - processor)


def main() -> None:
    """Answer requests until standard input ends."""
    lower_priority()
    both = ReusePipeline()
    answer_requests({"build": both.build, "compare": both.compare, "error": both.error})


if __name__ == "__main__":
    main()
