"""Process that draws with one model and measures the pictures, ``python -m benchmarks.model.model_process``."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.child_process import Handler, answer_requests
from benchmarks.model import classifier_training, clip_measures, contact_sheets
from benchmarks.model.held_out import held_out_pictures, moving_clip
from benchmarks.model.model_player import ModelPlayer, PlayedModel
from benchmarks.model.style_cases import (
    MOTIFS,
    StyleCase,
    clip_cases,
    motif_prompts,
    motif_recipes,
    psnr_figures,
    style_cases,
)
from benchmarks.model.style_classifier import FEATURES, accuracy
from benchmarks.paper.image_metrics import frechet
from daemon.shared.process import lower_priority
from io_bridges.frames import Pixels
from pipeline.shipped.draw import draw_style
from pipeline.shipped.styles import STYLES
from presets.parameters import Parameters

QUICK_SOURCES = ("bunny stands", "chelsea")
DISTANCE_SOURCES = ("bunny stands", "chelsea", "rocket")
"""Sources of the Fréchet distance. 25 steps take long."""
QUICK_FRAMES = 5
STILL_FRAMES = 8
LOOK = ("strength", "structure", "steps", "guidance", "image_guidance")
"""Parameters of the default look that the rows state."""
LEAST_FLICKER = 0.01
"""Flicker of a drawn style in percent below which a ratio to it says nothing."""


class ModelBench:
    """One model, the held-out pictures in every style, and the measurements. `prepare` and `train` come first."""

    def prepare(
        self, played: dict[str, Any], quick: bool = False, styles: list[str] | None = None, cache: str | None = None
    ) -> dict[str, Any]:
        """Load the model and choose the pictures. Return the model's description and the default parameters.

        Args:
            played: Fields of `PlayedModel`.
            quick: True for fewer pictures and a smaller classifier.
            styles: Names of the styles. None means all, or every other one if `quick`.
            cache: Folder of the classifier. None means the user's cache folder.
        """
        self._played = PlayedModel(**played)
        self._quick = quick
        self._classifier_folder = Path(cache) if cache else None
        self._styles = styles or list(STYLES)[:: 2 if quick else 1]
        pictures = held_out_pictures(self._played.size)
        self._sources = {name: pictures[name] for name in (QUICK_SOURCES if quick else pictures)}
        self._clip = moving_clip(self._played.size, QUICK_FRAMES if quick else 12)
        self._flows = clip_measures.clip_flows(self._clip)
        self._cases = style_cases(self._sources, self._styles)
        self._by_style: dict[str, dict[str, Any]] = {style: {} for style in self._styles}
        self._default = Parameters()
        self.player = ModelPlayer(self._played)
        return {
            "look": {key: value for key in LOOK if (value := getattr(self._default, key, None)) is not None},
            "styles": {style: STYLES[style].keeps_edges for style in self._styles},
            "description": self.player.description,
            "flicker_of_source_percent": clip_measures.flicker(self._clip, self._flows),
        }

    def train(self, size: tuple[int, int] | None = None) -> dict[str, Any]:
        """Load or train the classifier. Return its accuracy on the drawn pictures, the most that a model can reach."""
        usual = classifier_training.QUICK if self._quick else classifier_training.FULL
        wanted = classifier_training.TrainingSize(*size) if size else usual
        self._classifier, trained = classifier_training.trained_classifier(wanted, self._classifier_folder)
        drawn = [case.drawn for case in self._cases]
        return self._accuracy(drawn) | trained._asdict() | {"pictures": len(drawn)}

    def autoencoder(self) -> dict[str, Any]:
        """Measure the autoencoder on drawn styles and on the sources, and the classifier on its pictures."""
        drawn = [case.drawn for case in self._cases]
        returned, sources = self.player.round_trip(drawn), list(self._sources.values())
        return {
            "styles": psnr_figures(returned, drawn),
            "photographs": psnr_figures(self.player.round_trip(sources), sources),
            "named": self._accuracy(returned),
        }

    def words(self, strength: float, only: str | None = None) -> dict[str, Any]:
        """Measure words and source at a strength, on all cases or on those of one source."""
        cases = [case for case in self._cases if only in (None, case.source_name)]
        pictures = self.player.draw(cases, strength=strength)
        named = self._classifier.name(pictures, [case.source for case in cases])
        edges = [clip_measures.edge_correlation(a, case.drawn) for a, case in zip(pictures, cases, strict=True)]
        of_source = [clip_measures.edge_correlation(a, case.source) for a, case in zip(pictures, cases, strict=True)]
        change = [np.abs(a.astype(np.int16) - case.source).mean() for a, case in zip(pictures, cases, strict=True)]
        if only is None:
            self._keep_styles(cases, named, edges)
        kept = [edge for edge, case in zip(edges, cases, strict=True) if case.keeps_edges]
        return accuracy(named, [_labels(case) for case in cases]) | {
            "edge_correlation": float(np.mean(kept)) if kept else None,
            "edge_correlation_with_source": float(np.mean(of_source)),
            "change_percent": float(np.mean(change)) * 100 / 255,
            "pictures": len(cases),
        }

    def motifs(self, steps: int) -> dict[str, Any]:
        """Compare the light of each motif that is drawn from words alone with that of the drawn motif."""
        empty = np.zeros((self._played.size, self._played.size, 3), np.uint8)
        pictures = self.player.draw_motifs(motif_prompts(), steps=steps)
        pairs = zip(pictures, motif_recipes(), strict=True)
        found = [clip_measures.light_correlation(picture, draw_style(empty, recipe)) for picture, recipe in pairs]
        named = dict(zip(MOTIFS, (round(each, 3) for each in found), strict=True))
        return {"correlation": float(np.mean(found)), "worst": min(found), "pictures": len(found), "each": named}

    def clip(self, style: str) -> dict[str, Any]:
        """Measure motion and flicker of the clip in one style. Return them with the figures of its still pictures."""
        cases = clip_cases(self._clip, style)
        pictures, drawn = self.player.draw(cases), [case.drawn for case in cases]
        flicker, of_drawn = (clip_measures.flicker(each, self._flows) for each in (pictures, drawn))
        motion, motion_of_drawn = (
            clip_measures.motion_agreement(self._flows, clip_measures.clip_flows(each)) for each in (pictures, drawn)
        )
        return self._by_style[style] | {
            "motion_agreement": motion,
            "motion_agreement_of_drawn": motion_of_drawn,
            "flicker_percent": flicker,
            "flicker_of_drawn_percent": of_drawn,
            "flicker_ratio": flicker / max(of_drawn, LEAST_FLICKER),
        }

    def still(self) -> dict[str, Any]:
        """Measure the largest difference of pictures of a still source with a fixed seed, in levels of 255.

        While the stream fills and drains, the network is called at other batch sizes, which may round differently.
        """
        steps = self._default.steps
        steady, every = [0], [0]
        for case in self._cases[:: max(1, len(self._cases) // 4)]:
            pictures = self.player.draw_still(case, STILL_FRAMES + 2 * steps)
            every.append(max(_difference(pictures[0], other) for other in pictures))
            middle = pictures[steps:-steps]
            steady += [_difference(middle[0], other) for other in middle[1:]]
        return {
            "largest_difference_levels": max(steady),
            "with_filling_and_draining_levels": max(every),
            "pictures": len(steady) - 1,
        }

    def distance(self, steps: int) -> dict[str, Any]:
        """Return the Fréchet distance of drawn pictures from those of so many steps, or from other palettes for 0."""
        cases = [case for case in self._cases if case.source_name in DISTANCE_SOURCES]
        sources, drawn = [case.source for case in cases], [case.drawn for case in cases]
        if steps:
            pictures = self.player.draw(cases, steps=steps)
        else:
            others = style_cases(self._sources, self._styles, shift=7)
            pictures = [case.drawn for case in others if case.source_name in DISTANCE_SOURCES]
        distance = frechet(*(self._classifier.quarter_features(each, sources) for each in (pictures, drawn)))
        return {"frechet_distance": distance, "features": FEATURES, "pictures": len(pictures)}

    def accelerated(self) -> dict[str, Any]:
        """Compare the pictures of the accelerator that plays with those of eager torch in float32."""
        cases = self._cases[:: len(self._sources)]
        reference = ModelPlayer(self._played._replace(accelerator="eager", precision="float32"))
        return psnr_figures(self.player.draw(cases), reference.draw(cases))

    def sheets(self, folder: str) -> dict[str, Any]:
        """Write the contact sheets. Return the names of their files."""
        cases = {name: [case for case in self._cases if case.source_name == name] for name in self._sources}
        return {"files": contact_sheets.write_sheets(Path(folder), self.player, cases)}

    def _accuracy(self, pictures: list[Pixels]) -> dict[str, float]:
        named = self._classifier.name(pictures, [case.source for case in self._cases])
        return accuracy(named, [_labels(case) for case in self._cases])

    def _keep_styles(self, cases: list[StyleCase], named: list[tuple[str, str]], edges: list[float]) -> None:
        """Keep the figures of each style for `clip`."""
        for style in self._styles:
            own = [number for number, case in enumerate(cases) if case.style == style]
            figures = accuracy([named[number] for number in own], [_labels(cases[number]) for number in own])
            self._by_style[style] = figures | {"edge_correlation": float(np.mean([edges[number] for number in own]))}


def _difference(one: Pixels, other: Pixels) -> int:
    """Return the largest difference of two pictures in levels."""
    return int(np.abs(one.astype(np.int16) - other).max())


def _labels(case: StyleCase) -> tuple[str, str]:
    return case.style, str(case.recipe.palette)


def handlers() -> dict[str, Handler]:
    """Return the requests that this process answers."""
    bench = ModelBench()
    names = ("prepare", "train", "autoencoder", "words", "motifs", "clip", "still", "distance", "accelerated", "sheets")
    return {name: getattr(bench, name) for name in names}


def main() -> None:
    """Answer requests until standard input ends."""
    lower_priority()
    answer_requests(handlers())


if __name__ == "__main__":
    main()
