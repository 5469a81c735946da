"""First stage: the autoencoder, on crops of motifs and probes, with latents held near mean 0 and deviation 1."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pipeline.shipped.configuration import TrainingPlan
from pipeline.shipped.course import Course
from pipeline.shipped.dataset import as_tensor

_LATENT_NOISE = 0.03
"""Noise on the latents while training: the decoder must bear a flow that lands a little beside."""


def random_crops(pictures: NDArray[np.uint8], count: int, size: int, rng: np.random.Generator) -> Tensor:
    """Crops at random places, half of them mirrored: float32 ``[count, 3, size, size]`` in [-1, 1]."""
    crops = np.empty((count, size, size, 3), dtype=np.uint8)
    for index in range(count):
        top, left = rng.integers(0, pictures.shape[1] - size + 1, size=2)
        crop = pictures[rng.integers(len(pictures)), top : top + size, left : left + size]
        crops[index] = crop[:, ::-1] if rng.random() < 0.5 else crop
    return as_tensor(crops)


def reconstruction_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """L1 of the pixels plus half the L1 of their differences to the right and below, which keeps edges crisp."""
    across = functional.l1_loss(made[..., :, 1:] - made[..., :, :-1], wanted[..., :, 1:] - wanted[..., :, :-1])
    down = functional.l1_loss(made[..., 1:, :] - made[..., :-1, :], wanted[..., 1:, :] - wanted[..., :-1, :])
    return functional.l1_loss(made, wanted) + 0.5 * (across + down)


def moment_penalty(latents: Tensor) -> Tensor:
    """How far each channel's batch mean is from 0 and its deviation from 1."""
    mean = latents.mean(dim=(0, 2, 3))
    deviation = latents.std(dim=(0, 2, 3)) + 1e-4
    return mean.square().mean() + deviation.log().square().mean()


def train_autoencoder(autoencoder: Any, pictures: NDArray[np.uint8], plan: TrainingPlan, course: Course) -> None:
    """Train in place until the course's time is up; ends with the averaged weights in the network."""
    rng = np.random.default_rng(plan.seed + course.step)
    autoencoder.train().to(memory_format=torch.channels_last)

    def step() -> Tensor:
        crops = random_crops(pictures, plan.autoencoder_batch, plan.autoencoder_crop, rng)
        crops = crops.contiguous(memory_format=torch.channels_last)
        latents = autoencoder.encoder(crops)
        made = autoencoder.decoder(latents + _LATENT_NOISE * torch.randn_like(latents))
        return reconstruction_loss(made, crops) + 0.02 * moment_penalty(latents)

    course.run(step, decay=0.998)
    course.swap_average()
    autoencoder.eval()


@torch.no_grad()
def signal_to_noise(autoencoder: Any, pictures: NDArray[np.uint8]) -> float:
    """Mean PSNR of whole pictures after encoding and decoding, in dB."""
    values = []
    for picture in pictures:
        wanted = as_tensor(picture[None])
        made = autoencoder.decode(autoencoder.encode(wanted).latents).sample.clamp(-1, 1)
        values.append(10 * float(torch.log10(4 / (made - wanted).square().mean().clamp_min(1e-9))))
    return sum(values) / max(len(values), 1)
