"""Bare pipeline on one candidate of `auto`, ``python -m benchmarks.stream.candidate_pipeline``."""

import time
from pathlib import Path
from typing import Any

from benchmarks.child_process import answer_requests
from benchmarks.stream.bare_pipeline import CARDS, BarePipeline
from benchmarks.stream.built_model import no_progress
from daemon.shared.process import lower_priority
from daemon.shared.threads import run_in_threads
from io_bridges.card import draw_card
from pipeline.accelerators.accelerator_table import ACCELERATORS
from pipeline.accelerators.candidates import Candidate, as_json, read_candidate
from pipeline.accelerators.eager import available_device
from pipeline.accelerators.registry import Selection, select
from pipeline.engine_tuner import engine_tuner
from pipeline.image_stream import ImageStream
from pipeline.models import model_of
from pipeline.prepared_engines import preparation_of, shapes_of
from presets.build import Build


class CandidatePipeline(BarePipeline):
    """The stream of one candidate, or of `auto`, and the requests that measure it."""

    def candidates(self, preset: dict[str, Any], cache: str | None) -> dict[str, Any]:
        """Return every way to play that this machine has, and why the others are missing."""
        build = _build_of(preset, cache)
        model = model_of(build)
        preparation = preparation_of(build, no_progress, run_in_threads)
        choices = select("auto", model, shapes_of(build, model), preparation).choices
        ways = [
            Candidate(accelerator, precision, requests, threads)
            for accelerator, precision in choices.kinds
            for requests in choices.requests
            for threads in choices.threads
        ]
        missing = {name: reason for name, row in ACCELERATORS.items() if (reason := row.missing())}
        others = [name for name in ACCELERATORS if name not in {*missing, *(way.accelerator for way in ways)}]
        for name in others:
            if available_device().type == "cuda":
                ways += [] if ACCELERATORS[name].ahead else [Candidate(name)]
            else:
                computed = {precision for _, precision in choices.kinds} if name != "onnxruntime" else {"float32"}
                ways += [Candidate(name, precision) for precision in sorted(computed)]
        return {"candidates": [as_json(way) for way in ways], "missing": missing}

    def play(self, preset: dict[str, Any], candidate: dict[str, Any] | None, cache: str | None) -> dict[str, Any]:
        """Build the stream of a candidate; without one that of `auto`, measured first where no entry is kept."""
        began = time.perf_counter()
        build = _build_of(preset, cache)
        if candidate is not None:
            wanted = read_candidate(candidate)
            build = build.with_accelerator(wanted.accelerator)
            model = model_of(build)
            preparation = preparation_of(build, no_progress, run_in_threads)
            found = select(build.accelerator, model, shapes_of(build, model), preparation)
            selection = Selection(wanted, "asked for", found.choices, None)
            self._stream = ImageStream.build(build, no_progress, run_in_threads, selection=selection)
        else:
            self._stream = ImageStream.build(build, no_progress, run_in_threads)
            if (tuner := engine_tuner(self._stream, time.perf_counter, run_in_threads)) is not None:
                tuner.finish()
        self._cards = [draw_card(index, build.width, build.height) for index in range(CARDS)]
        return {"description": self._stream.description, "seconds": time.perf_counter() - began}


def _build_of(preset: dict[str, Any], cache: str | None) -> Build:
    return Build(**preset, cache=Path(cache) if cache else None)


def main() -> None:
    """Answer requests until the bench has ended."""
    lower_priority()
    bare = CandidatePipeline()
    answer_requests({"candidates": bare.candidates, "play": bare.play, "stream": bare.stream})


if __name__ == "__main__":
    main()
