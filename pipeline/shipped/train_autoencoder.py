"""First stage: the autoencoder, on crops of motifs and probes, with latents held near mean 0 and deviation 1."""

from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.vae import AutoencoderTinyBlock
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.shipped.configuration import SHAPE, TrainingPlan
from pipeline.shipped.dataset import as_tensor
from pipeline.shipped.training_run import TrainingRun

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
    """L1 of the pixels, half that of their differences to the right and below, and that of their chroma.

    The differences keep edges crisp; chroma counts again, because light alone explains most of a bright picture.
    """
    across = functional.l1_loss(made[..., :, 1:] - made[..., :, :-1], wanted[..., :, 1:] - wanted[..., :, :-1])
    down = functional.l1_loss(made[..., 1:, :] - made[..., :-1, :], wanted[..., 1:, :] - wanted[..., :-1, :])
    chroma = functional.l1_loss(made - made.mean(dim=1, keepdim=True), wanted - wanted.mean(dim=1, keepdim=True))
    return functional.l1_loss(made, wanted) + 0.5 * (across + down) + chroma


def anchor_loss(latents: Tensor, pictures: Tensor) -> Tensor:
    """How far the first three channels are from the light and the two chroma axes of each 8 × 8 patch, standardised.

    Left alone, all four channels settle on light, which pays off first, and a missing colour axis is a saddle point:
    the decoder can't use what the encoder doesn't say, and the encoder isn't asked for what the decoder doesn't use.
    """
    red, green, blue = functional.avg_pool2d(pictures, SHAPE.downsampling).unbind(dim=1)
    light = (red + green + blue) / 3
    axes = torch.stack([(light + 0.25) / 0.5, (red - blue) / 0.59, (green - (red + blue) / 2) / 0.43], dim=1)
    return functional.mse_loss(latents[:, :3], axes)


def anchor_weight(progress: float) -> float:
    """Full at first; from a quarter of the way on it lets go, so that the channels may carry detail too."""
    return max(0.03, min(1.0, 1.0 - (progress - 0.25) / 0.3))


def start_lively(autoencoder: nn.Module) -> None:
    """He's initialisation, residual branches quiet: torch's own fades the signal in so deep a stack without norms."""
    for module in autoencoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in autoencoder.modules():
        if isinstance(module, AutoencoderTinyBlock):
            with torch.no_grad():
                module.conv[-1].weight.mul_(0.25)


def moment_penalty(latents: Tensor) -> Tensor:
    """How far the channels are, over the batch, from mean 0, deviation 1 and telling nothing of one another."""
    flat = latents.transpose(0, 1).flatten(1)
    mean = flat.mean(dim=1)
    deviation = flat.std(dim=1) + 1e-4
    correlation = torch.corrcoef(flat)
    alike = correlation - torch.diag(torch.diag(correlation))
    return mean.square().mean() + deviation.log().square().mean() + alike.square().mean()


def train_autoencoder(autoencoder: Any, pictures: NDArray[np.uint8], plan: TrainingPlan, course: TrainingRun) -> None:
    """Train in place until the course's time is up; ends with the averaged weights in the network."""
    rng = np.random.default_rng(plan.seed + course.step)
    if course.step == 0:
        start_lively(autoencoder)
    autoencoder.train().to(memory_format=torch.channels_last)

    def step() -> Tensor:
        crops = random_crops(pictures, plan.autoencoder_batch, plan.autoencoder_crop, rng)
        crops = crops.contiguous(memory_format=torch.channels_last)
        latents = autoencoder.encoder(crops)
        made = autoencoder.decoder(latents + _LATENT_NOISE * torch.randn_like(latents))
        anchor = anchor_weight(course.progress) * anchor_loss(latents, crops)
        return reconstruction_loss(made, crops) + 0.3 * anchor + 0.02 * moment_penalty(latents)

    course.run(step, decay=0.998)
    course.swap_average()
    autoencoder.eval()


def polish_decoder(autoencoder: Any, pictures: NDArray[np.uint8], plan: TrainingPlan, course: TrainingRun) -> None:
    """Train the decoder alone, its latents as they are: the flow that makes them need not be trained again."""
    rng = np.random.default_rng(plan.seed + 5 + course.step)
    autoencoder.to(memory_format=torch.channels_last)

    def step() -> Tensor:
        crops = random_crops(pictures, plan.autoencoder_batch, plan.autoencoder_crop, rng)
        crops = crops.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            latents = autoencoder.encoder(crops)
        return reconstruction_loss(autoencoder.decoder(latents + _LATENT_NOISE * torch.randn_like(latents)), crops)

    course.run(step, decay=0.995)
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
