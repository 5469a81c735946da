"""Stage before the flow: the text encoder learns which words name which motif, colour and adjective.

A few hundred cheap steps on captions bring synonyms together. The flow then starts with a meaningful text encoder and
trains it further, which is easier than learning words and images from one noisy loss.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.shipped.captions import ADJECTIVE_WORDS, MOTIF_WORDS, caption_for
from pipeline.shipped.configuration import SHAPE, TrainingPlan
from pipeline.shipped.networks import Networks
from pipeline.shipped.palettes import COLOURS, MOODS
from pipeline.shipped.scenes import Scene
from pipeline.shipped.training_run import TrainingRun

_NAMES = tuple(dict.fromkeys((*MOTIF_WORDS, *MOODS, *COLOURS, *ADJECTIVE_WORDS)))
_COLUMN = {name: column for column, name in enumerate(_NAMES)}
_BATCH = 64


def scene_labels(scene: Scene) -> Tensor:
    """Return the labels of a scene, float32 ``[names]`` of 0 and 1, one for each motif, colour and adjective."""
    row = torch.zeros(len(_NAMES))
    palette = (scene.palette,) if scene.palette in _COLUMN else tuple(scene.palette.split(" and "))
    motifs = (scene.motif,) if scene.second is None else (scene.motif, scene.second)
    for name in (*motifs, *palette, *scene.adjectives):
        row[_COLUMN[name]] = 1.0
    return row


def label_head() -> nn.Linear:
    """Return a linear layer that predicts the labels from the mean token state. Discarded after the stage."""
    return nn.Linear(SHAPE.text_width, len(_NAMES))


def train_words(networks: Networks, head: nn.Linear, scenes: list[Scene], plan: TrainingPlan, run: TrainingRun) -> None:
    """Train the text encoder in place until the run ends, and leave the averaged weights in it."""
    rng = np.random.default_rng(plan.seed + 6 + run.step)
    networks.text_encoder.train()

    def step() -> Tensor:
        chosen = [scenes[index] for index in rng.integers(len(scenes), size=_BATCH)]
        ids = networks.tokens([caption_for(scene, rng) for scene in chosen])
        # The mean over all positions, because the denoiser attends to all of them.
        logits = head(networks.conditioning(ids).mean(dim=1))
        return functional.binary_cross_entropy_with_logits(logits, torch.stack([scene_labels(s) for s in chosen]))

    run.train(step, decay=0.98)
    run.swap_average()
    networks.text_encoder.eval()
