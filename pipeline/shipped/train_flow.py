"""Second stage: the rectified flow and its text encoder, trained together on cached latents."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.shipped.captions import caption_for
from pipeline.shipped.configuration import TrainingPlan
from pipeline.shipped.networks import Networks
from pipeline.shipped.scenes import Scene
from pipeline.shipped.training_run import TrainingRun


class BatchSampler:
    """Random batches of latents, each with a new random caption or the empty one."""

    def __init__(self, networks: Networks, scenes: list[Scene], latents: Tensor, plan: TrainingPlan, seed: int) -> None:
        self._networks = networks
        self._scenes = scenes
        self._latents = latents
        self._dropped = plan.dropped_prompts
        self._rng = np.random.default_rng(seed)

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Return ``count`` latents, float32 ``[B, 4, 32, 32]``, and the token ids of captions, ``[B, tokens]``."""
        chosen = self._rng.integers(len(self._scenes), size=count)
        scenes = (self._scenes[index] for index in chosen)
        texts = ["" if self._rng.random() < self._dropped else caption_for(scene, self._rng) for scene in scenes]
        return self._latents[torch.from_numpy(chosen)].float(), self._networks.tokens(texts)


def training_sigmas(count: int) -> Tensor:
    """Return noise levels in (0, 1), float32 ``[count]``: four fifths logit-normal, a fifth uniform.

    The logit-normal distribution is shifted towards noise, where the prompt has the most effect. It hardly ever gives
    pure noise, where every image without a source starts, hence the uniform part.
    """
    middle = torch.sigmoid(0.4 + torch.randn(count))
    return torch.where(torch.rand(count) < 0.2, torch.rand(count), middle)


def random_half_crop(latents: Tensor) -> Tensor:
    """Return one random crop of half the side, ``[B, 4, 16, 16]``, at a quarter of the cost."""
    half = latents.shape[-1] // 2
    top, left = (int(value) for value in torch.randint(0, half + 1, (2,)))
    return latents[..., top : top + half, left : left + half]


def interpolate(latents: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """Return ``(1 − σ)·latents + σ·noise`` for ``sigma`` ``[B]``."""
    sigma = sigma[:, None, None, None]
    return (1 - sigma) * latents + sigma * noise


def train_flow(
    networks: Networks,
    scenes: list[Scene],
    latents: Tensor,
    plan: TrainingPlan,
    run: TrainingRun,
    snapshot: Callable[[], None] | None = None,
) -> None:
    """Train denoiser and text encoder in place until the run ends, and leave the averaged weights in them."""
    torch.manual_seed(plan.seed + 1 + run.step)
    batches = BatchSampler(networks, scenes, latents, plan, plan.seed + 2 + run.step)
    networks.unet.train()
    networks.text_encoder.train()

    def step() -> Tensor:
        crops = run.progress < plan.crop_share
        data, ids = batches.draw(4 * plan.flow_batch if crops else plan.flow_batch)
        if crops:
            data = random_half_crop(data)
        noise, sigma = torch.randn_like(data), training_sigmas(len(data))
        v = networks.velocity(interpolate(data, noise, sigma), sigma, networks.conditioning(ids))
        return functional.mse_loss(v, noise - data)

    run.train(step, plan.ema_decay, snapshot)
    run.swap_average()
    networks.unet.eval()
    networks.text_encoder.eval()
