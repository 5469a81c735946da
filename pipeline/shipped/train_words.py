"""Stage before the flow: the text encoder learns which words name which style, palette, adjective and motif.

A few hundred cheap steps on captions bring synonyms together. The flow then starts with a meaningful text encoder and
trains it further, which is easier than learning words and images from one noisy loss.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.shipped.configuration import SHAPE, TrainingPlan
from pipeline.shipped.networks import Networks
from pipeline.shipped.palettes import COLOURS, PALETTES
from pipeline.shipped.prompts import caption_for
from pipeline.shipped.recipes import Recipe, random_recipe
from pipeline.shipped.styles import OWN, STYLES
from pipeline.shipped.training_run import TrainingRun
from pipeline.shipped.vocabulary import ADJECTIVE_WORDS, MOTIF_WORDS

LABELS = tuple(
    f"{kind} {name}"
    for kind, names in {
        "style": STYLES,
        "palette": (OWN, *PALETTES, *COLOURS),
        "adjective": ADJECTIVE_WORDS,
        "motif": MOTIF_WORDS,
    }.items()
    for name in names
)
"""Everything that a caption can name."""

_COLUMN = {name: column for column, name in enumerate(LABELS)}
_BATCH = 64


def labels_of(recipe: Recipe) -> list[str]:
    """Return the labels of what a recipe names. A palette of two colours has two."""
    palette = () if recipe.palette is None else recipe.palette.split(" and ")
    return [
        *(f"style {name}" for name in (recipe.style, recipe.second) if name is not None),
        *(f"palette {name}" for name in palette),
        *(f"adjective {name}" for name in recipe.adjectives),
        *(f"motif {name}" for name in (recipe.motif,) if name is not None),
    ]


def label_head() -> nn.Linear:
    """Return a linear layer that predicts the labels from the mean token state. Discarded after the stage."""
    return nn.Linear(SHAPE.text_width, len(LABELS))


def train_words(networks: Networks, head: nn.Linear, plan: TrainingPlan, run: TrainingRun) -> None:
    """Train the text encoder in place until the run ends, and leave the averaged weights in it."""
    rng = np.random.default_rng(plan.seed + 6 + run.step)
    networks.text_encoder.train()

    def step() -> Tensor:
        recipes = [random_recipe(rng) for _ in range(_BATCH)]
        targets = torch.zeros(_BATCH, len(LABELS))
        for row, recipe in enumerate(recipes):
            targets[row, [_COLUMN[label] for label in labels_of(recipe)]] = 1.0
        ids = networks.tokens([caption_for(recipe, rng) for recipe in recipes])
        # The mean over all positions, because the denoiser pools all of them.
        logits = head(networks.conditioning(ids).mean(dim=1))
        return functional.binary_cross_entropy_with_logits(logits, targets)

    run.train(step, decay=0.98)
    run.swap_average()
    networks.text_encoder.eval()
