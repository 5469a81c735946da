"""Comparison of the stream's pictures with those of diffusers' own pipeline, one by one."""

from collections.abc import Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.paper.baselines import DiffusersPipeline
from benchmarks.paper.contender import ContenderConfig, Pixels
from benchmarks.paper.image_metrics import clip_score, frechet, inception_features, psnr, ssim
from benchmarks.paper.stream_contender import StreamContender
from io_bridges.card import draw_card
from io_bridges.clip import decode_clip
from io_bridges.framing import fit
from presets.frame_parameters import without_morph
from presets.parameters import Parameters

PROMPTS = ("neon tunnel", "fire flames", "golden rings", "ice cells", "green grid", "dark blue waves")
APART = 23
"""Frames between two source pictures of a clip or of the test card."""


class PictureCase(NamedTuple):
    """One picture to draw."""

    source: Pixels
    look: Parameters

    @property
    def text(self) -> str:
        """Prompt of the picture."""
        return self.look.prompt[0].text


class PictureComparison:
    """Pictures of diffusers for one set of cases, and the stream's distance from them. Built contenders are kept."""

    def __init__(self) -> None:
        self._pipelines: dict[ContenderConfig, DiffusersPipeline] = {}
        self._streams: dict[str, tuple[StreamContender, int]] = {}
        """Streams, each with the number of torch's threads after its build."""
        self._threads = torch.get_num_threads()

    def reference(
        self,
        config: dict[str, Any],
        look: dict[str, Any],
        pictures: int,
        footage: str | None,
        clip: str | None,
        inception: str | None,
    ) -> dict[str, Any]:
        """Draw the cases with diffusers' pipeline in float32: every prompt in turn, each with its source and seed."""
        self._config = ContenderConfig(**config)._replace(precision="float32")
        sources = _sources(self._config, -(-pictures // len(PROMPTS)), footage)
        self._cases = [
            PictureCase(source, Parameters.model_validate(look | {"prompt": prompt, "seed": seed}))
            for seed, (source, prompt) in enumerate(islice(product(sources, PROMPTS), pictures))
        ]
        torch.set_num_threads(self._threads)  # an accelerator may have changed it
        pipeline = self._pipelines.get(self._config) or DiffusersPipeline(self._config)
        self._pipelines[self._config] = pipeline
        self._score = clip_score(Path(clip)) if clip else None
        self._extract = inception_features(Path(inception)) if inception else None
        self._reference = [_draw(pipeline, case) for case in self._cases]
        # The scale of the figures: the same pictures with another prompt.
        other = [
            _draw(pipeline, case._replace(look=case.look.model_copy(update={"prompt": after.look.prompt})))
            for case, after in zip(self._cases[:2], self._cases[1:3], strict=True)
        ]
        return {"another_prompt_psnr_db": float(np.mean([*map(psnr, other, self._reference)]))}

    def compare(self, accelerator: str, **settings: Any) -> dict[str, Any]:
        """Draw the cases with the stream, several in flight, and return the distances."""
        key = repr((self._config, accelerator, settings))
        if key not in self._streams:
            torch.set_num_threads(self._threads)
            stream = StreamContender(self._config, accelerator, **settings)
            self._streams[key] = stream, torch.get_num_threads()
        stream, threads = self._streams[key]
        torch.set_num_threads(threads)
        drawn = stream.draw_all([(case.source, case.look) for case in self._cases])
        noise = [*map(psnr, drawn, self._reference)]
        structure = [*map(ssim, drawn, self._reference)]
        figures: dict[str, Any] = {
            "psnr_db": float(np.mean(noise)),
            "psnr_worst_db": min(noise),
            "ssim": float(np.mean(structure)),
            "ssim_worst": min(structure),
            "pictures": len(drawn),
        }
        if self._score is not None:
            texts = [case.text for case in self._cases]
            figures["clip_score"] = self._score(drawn, texts)
            figures["clip_score_of_diffusers"] = self._score(self._reference, texts)
        if self._extract is not None:
            figures["frechet_distance"] = frechet(self._extract(drawn), self._extract(self._reference))
        return stream.description | figures


def _draw(pipeline: DiffusersPipeline, case: PictureCase) -> Pixels:
    pipeline.begin(case.look)
    return pipeline.draw(case.source, without_morph(case.look).parameters.seed)[0]


def _sources(config: ContenderConfig, count: int, footage: str | None) -> Sequence[Pixels]:
    """Return `count` frames of a clip, or of the test card, far enough apart to differ."""
    size = config.width, config.height
    if footage is None:
        return [draw_card(APART * number, *size).copy() for number in range(count)]
    frames = islice(decode_clip(Path(footage)), 0, APART * count, APART)
    found = [fit(frame, *size).copy() for frame in frames]
    return [found[number % len(found)] for number in range(count)]
