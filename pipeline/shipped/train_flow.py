"""Second stage: the rectified flow and its text encoder together, on cached latents."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.shipped.captions import describe
from pipeline.shipped.configuration import TrainingPlan
from pipeline.shipped.networks import Networks
from pipeline.shipped.scenes import Scene
from pipeline.shipped.training_run import TrainingRun


class Batches:
    """Draws latents with a fresh caption each time, a share of them with none."""

    def __init__(self, networks: Networks, scenes: list[Scene], latents: Tensor, plan: TrainingPlan, seed: int) -> None:
        self._networks = networks
        self._scenes = scenes
        self._latents = latents
        self._dropped = plan.dropped_prompts
        self._rng = np.random.default_rng(seed)

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """``count`` latents float32 ``[B, 4, 32, 32]`` and their captions' token ids ``[B, tokens]``."""
        chosen = self._rng.integers(len(self._scenes), size=count)
        spoken = [
            "" if self._rng.random() < self._dropped else describe(self._scenes[index], self._rng) for index in chosen
        ]
        return self._latents[torch.from_numpy(chosen)].float(), self._networks.tokens(spoken)


def training_sigmas(count: int) -> Tensor:
    """Noise levels in (0, 1), float32 ``[count]``: mostly the logit-normal middle, a fifth spread evenly.

    Moved a little towards noise, because that is where the words decide what the picture becomes.
    A logit-normal alone hardly ever sees pure noise, where every picture without a source begins.
    """
    middle = torch.sigmoid(0.4 + torch.randn(count))
    return torch.where(torch.rand(count) < 0.2, torch.rand(count), middle)


def half_crops(latents: Tensor) -> Tensor:
    """One random crop of half the side: ``[B, 4, 16, 16]``. A quarter of the work, so four times the captions."""
    half = latents.shape[-1] // 2
    top, left = (int(value) for value in torch.randint(0, half + 1, (2,)))
    return latents[..., top : top + half, left : left + half]


def noised(latents: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """The straight line between data and noise at ``sigma`` ``[B]``."""
    share = sigma[:, None, None, None]
    return (1 - share) * latents + share * noise


def train_flow(
    networks: Networks,
    scenes: list[Scene],
    latents: Tensor,
    plan: TrainingPlan,
    course: TrainingRun,
    snapshot: Callable[[], None] | None = None,
) -> None:
    """Train denoiser and text encoder in place until the time is up; ends with the averaged weights in them."""
    torch.manual_seed(plan.seed + 1 + course.step)
    batches = Batches(networks, scenes, latents, plan, plan.seed + 2 + course.step)
    networks.unet.train()
    networks.text_encoder.train()

    def step() -> Tensor:
        crops = course.progress < plan.crop_share
        data, ids = batches.draw(4 * plan.flow_batch if crops else plan.flow_batch)
        if crops:
            data = half_crops(data)
        noise, sigma = torch.randn_like(data), training_sigmas(len(data))
        v = networks.velocity(noised(data, noise, sigma), sigma, networks.conditioning(ids))
        return functional.mse_loss(v, noise - data)

    course.run(step, plan.ema_decay, snapshot)
    course.swap_average()
    networks.unet.eval()
    networks.text_encoder.eval()
