"""First stage: the autoencoder, on crops of scenes and camera images, with latents near mean 0 and deviation 1."""

from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.vae import AutoencoderTinyBlock
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.shipped.configuration import SHAPE, TrainingPlan
from pipeline.shipped.dataset import to_tensor
from pipeline.shipped.training_run import TrainingRun

_LATENT_NOISE = 0.03
"""Standard deviation of noise on the training latents, so that the decoder tolerates errors of the flow."""


def random_crops(images: NDArray[np.uint8], count: int, size: int, rng: np.random.Generator) -> Tensor:
    """Return crops at random positions, half of them mirrored: float32 ``[count, 3, size, size]`` in [-1, 1]."""
    crops = np.empty((count, size, size, 3), dtype=np.uint8)
    for index in range(count):
        top, left = rng.integers(0, images.shape[1] - size + 1, size=2)
        crop = images[rng.integers(len(images)), top : top + size, left : left + size]
        crops[index] = crop[:, ::-1] if rng.random() < 0.5 else crop
    return to_tensor(crops)


def reconstruction_loss(output: Tensor, target: Tensor) -> Tensor:
    """Return the L1 loss of pixels, plus half of it for horizontal and vertical differences, plus that of chroma.

    The differences keep edges sharp. Chroma has its own term because luminance dominates the pixel loss.
    """
    horizontal = functional.l1_loss(output[..., :, 1:] - output[..., :, :-1], target[..., :, 1:] - target[..., :, :-1])
    vertical = functional.l1_loss(output[..., 1:, :] - output[..., :-1, :], target[..., 1:, :] - target[..., :-1, :])
    chroma = functional.l1_loss(output - output.mean(dim=1, keepdim=True), target - target.mean(dim=1, keepdim=True))
    return functional.l1_loss(output, target) + 0.5 * (horizontal + vertical) + chroma


def colour_axes_loss(latents: Tensor, images: Tensor) -> Tensor:
    """Return the squared error between the first three channels and luminance and two chroma axes of each 8 × 8 patch.

    Without this loss all four channels encode luminance first, and a missing colour axis is a saddle point: the decoder
    can't use a signal that the encoder does not send, and the encoder gets no gradient for one that is not used.
    """
    red, green, blue = functional.avg_pool2d(images, SHAPE.downsampling).unbind(dim=1)
    light = (red + green + blue) / 3
    axes = torch.stack([(light + 0.25) / 0.5, (red - blue) / 0.59, (green - (red + blue) / 2) / 0.43], dim=1)
    return functional.mse_loss(latents[:, :3], axes)


def colour_axes_weight(progress: float) -> float:
    """Return the weight of `colour_axes_loss`: 1 for a quarter of the run, then falling to free channels for detail."""
    return max(0.03, min(1.0, 1.0 - (progress - 0.25) / 0.3))


def initialise_weights(autoencoder: nn.Module) -> None:
    """Initialise by He et al. with small residual branches. torch's default attenuates a signal without norm layers."""
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
    """Return a penalty for channels whose mean is not 0, deviation not 1 or correlation not 0, over the batch."""
    flat = latents.transpose(0, 1).flatten(1)
    mean = flat.mean(dim=1)
    deviation = flat.std(dim=1) + 1e-4
    correlation = torch.corrcoef(flat)
    off_diagonal = correlation - torch.diag(torch.diag(correlation))
    return mean.square().mean() + deviation.log().square().mean() + off_diagonal.square().mean()


def train_autoencoder(autoencoder: Any, images: NDArray[np.uint8], plan: TrainingPlan, run: TrainingRun) -> None:
    """Train the autoencoder in place until the run ends, and leave the averaged weights in it."""
    rng = np.random.default_rng(plan.seed + run.step)
    if run.step == 0:
        initialise_weights(autoencoder)
    autoencoder.train().to(memory_format=torch.channels_last)

    def step() -> Tensor:
        crops = random_crops(images, plan.autoencoder_batch, plan.autoencoder_crop, rng)
        crops = crops.contiguous(memory_format=torch.channels_last)
        latents = autoencoder.encoder(crops)
        output = autoencoder.decoder(latents + _LATENT_NOISE * torch.randn_like(latents))
        colour_axes = colour_axes_weight(run.progress) * colour_axes_loss(latents, crops)
        return reconstruction_loss(output, crops) + 0.3 * colour_axes + 0.02 * moment_penalty(latents)

    run.train(step, decay=0.998)
    run.swap_average()
    autoencoder.eval()


def polish_decoder(autoencoder: Any, images: NDArray[np.uint8], plan: TrainingPlan, run: TrainingRun) -> None:
    """Train the decoder alone. The latents do not change, so the flow stays valid."""
    rng = np.random.default_rng(plan.seed + 5 + run.step)
    autoencoder.to(memory_format=torch.channels_last)

    def step() -> Tensor:
        crops = random_crops(images, plan.autoencoder_batch, plan.autoencoder_crop, rng)
        crops = crops.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            latents = autoencoder.encoder(crops)
        return reconstruction_loss(autoencoder.decoder(latents + _LATENT_NOISE * torch.randn_like(latents)), crops)

    run.train(step, decay=0.995)
    run.swap_average()
    autoencoder.eval()


@torch.no_grad()
def mean_psnr(autoencoder: Any, images: NDArray[np.uint8]) -> float:
    """Return the mean PSNR of whole images after encoding and decoding, in dB."""
    values = []
    for image in images:
        target = to_tensor(image[None])
        output = autoencoder.decode(autoencoder.encode(target).latents).sample.clamp(-1, 1)
        values.append(10 * float(torch.log10(4 / (output - target).square().mean().clamp_min(1e-9))))
    return sum(values) / max(len(values), 1)
