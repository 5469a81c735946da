"""Second stage: the rectified flow and its text encoder, trained together on the latents of pairs.

The network predicts the clean latent and its loss is that of the velocity (Li & He 2025, "Back to Basics": x-prediction
with v-loss). The target is nearly a function of the source, so a network that predicts it draws a usable picture in one
step. A network that predicts the velocity would have to reproduce the noise first.
"""

from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from pipeline.empty_source import coordinates
from pipeline.shipped.configuration import TrainingPlan
from pipeline.shipped.networks import Networks
from pipeline.shipped.pairs import Shard, shard_batches, to_tensor
from pipeline.shipped.prompts import caption_for
from pipeline.shipped.recipes import Recipe
from pipeline.shipped.training_run import TrainingRun

_ENCODER_BATCH = 32
_SMALLEST_SIGMA = 0.5
"""Noise level below which the loss has no more weight. The velocity's own weight, 1/σ², grows without bound."""


class LatentShard:
    """Latents of a shard, float16 ``[N, C, h, w]``, with its recipes."""

    def __init__(self, shard: Shard, networks: Networks) -> None:
        self.sources = _encode(networks, shard.sources)
        self.targets = _encode(networks, shard.targets)
        self.recipes, self.composed = shard.recipes, shard.composed
        structure = [1.0 if recipe is None else recipe.structure for recipe in shard.recipes]
        self.structure = torch.tensor(structure)[:, None, None, None]
        self.empty = coordinates(*self.sources.shape[1:])
        """Latent of a missing source, float32 ``[C, h, w]``."""

    def batches(self, count: int, side: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor, list[str]]]:
        """Yield sources as the network sees them, targets and captions, in one pass over the shard.

        Args:
            count: Pairs of 16 × 16 latents in a batch. Smaller crops come in proportionally more pairs.
            side: Largest side of the latents in latent pixels. Larger ones are cropped at random, unless composed.
            rng: Chooses pairs, crops and captions.
        """
        whole = self.sources.shape[-1]
        side = whole if self.composed else min(side, whole)
        for chosen in shard_batches(len(self.recipes), min(len(self.recipes), count * 256 // side**2), rng):
            at = torch.from_numpy(chosen)
            top, left = (int(place) for place in rng.integers(0, whole - side + 1, size=2))
            crop = (at, slice(None), slice(top, top + side), slice(left, left + side))
            seen = torch.lerp(self.empty[crop[1:]], self.sources[crop].float(), self.structure[at])
            yield seen, self.targets[crop].float(), [self._caption(i, rng) for i in chosen]

    def _caption(self, index: int, rng: np.random.Generator) -> str:
        recipe: Recipe | None = self.recipes[index]
        return "" if recipe is None else caption_for(recipe, rng)


@torch.no_grad()
def _encode(networks: Networks, images: np.ndarray) -> Tensor:
    parts = [
        networks.encode(to_tensor(images[start : start + _ENCODER_BATCH])).half()
        for start in range(0, len(images), _ENCODER_BATCH)
    ]
    return torch.cat(parts)


def training_sigmas(count: int) -> Tensor:
    """Return noise levels in (0, 1], float32 ``[count]``: half are 1, a quarter uniform, the rest logit-normal.

    Pictures start at pure noise or near it, and most take one or two steps.
    """
    kind, middle = torch.rand(count), torch.sigmoid(0.4 + torch.randn(count))
    return torch.where(kind < 0.5, torch.ones(count), torch.where(kind < 0.75, 1 - torch.rand(count), middle))


def crop_side(progress: float, small: bool = True) -> int:
    """Return the side of the latents in latent pixels at a progress of 0 to 1: 8 if `small`, then 16, then whole.

    Styles are local, so small crops teach them as well as large ones, with four times as many captions a step.
    Composition needs whole pictures. A trained network knows the styles already, and a crop of 8 is mostly border.
    """
    return 8 if small and progress < 0.5 else (16 if progress < 0.8 else 1024)


def interpolate(latents: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """Return ``(1 − σ)·latents + σ·noise`` for ``sigma`` ``[B]``."""
    sigma = sigma[:, None, None, None]
    return (1 - sigma) * latents + sigma * noise


def velocity_loss(predicted: Tensor, target: Tensor, sigma: Tensor) -> Tensor:
    """Return the squared error of the velocity, ``|x̂ − x|²/σ²``, for predicted and true clean latents ``[B, ...]``."""
    errors = (predicted - target).square().mean(dim=(1, 2, 3))
    return (errors / sigma.clamp_min(_SMALLEST_SIGMA).square()).mean()


def train_flow(
    networks: Networks,
    shards: Iterator[Shard],
    plan: TrainingPlan,
    run: TrainingRun,
    snapshot: Callable[[], None] | None = None,
) -> None:
    """Train denoiser and text encoder in place until the run ends, and leave the averaged weights in them.

    Args:
        networks: The networks. The autoencoder is not trained.
        shards: Endless shards. The newest `plan.shards` are kept, and one pass over a random one follows another.
        plan: Training settings.
        run: Clock, optimiser and checkpoint.
        snapshot: Called from time to time with the current weights.
    """
    torch.manual_seed(plan.seed + 1 + run.step)
    batches = _batches(networks, shards, plan, run, np.random.default_rng(plan.seed + 2 + run.step))
    networks.unet.train().to(memory_format=torch.channels_last)
    networks.text_encoder.train()

    def step() -> Tensor:
        sources, targets, captions = next(batches)
        noise, sigma = torch.randn_like(targets), training_sigmas(len(targets))
        # A processor that multiplies bfloat16 takes three quarters of the time.
        with torch.autocast("cpu", torch.bfloat16, enabled=torch.ops.mkldnn._is_mkldnn_bf16_supported()):
            conditioning = networks.conditioning(networks.tokens(captions))
            predicted = networks.predict(interpolate(targets, noise, sigma), sources, sigma, conditioning)
        return velocity_loss(predicted.float(), targets, sigma)

    run.train(step, plan.ema_decay, snapshot)
    run.swap_average()
    networks.unet.eval()
    networks.text_encoder.eval()


def _batches(
    networks: Networks, shards: Iterator[Shard], plan: TrainingPlan, run: TrainingRun, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor, list[str]]]:
    kept: deque[LatentShard] = deque(maxlen=plan.shards)
    for shard in shards:
        kept.append(LatentShard(shard, networks))
        passes = plan.shard_uses if len(kept) > 1 else 1.0
        while passes > 0:
            # The newest first, then random ones, so that each shard is used about `shard_uses` times in all.
            composed = bool(rng.random() < plan.composed_share)
            of_kind = [shard for shard in kept if shard.composed == composed] or list(kept)
            chosen = kept[-1] if passes == plan.shard_uses else of_kind[int(rng.integers(len(of_kind)))]
            yield from chosen.batches(plan.flow_batch, crop_side(run.progress, plan.small_crops), rng)
            passes -= 1
