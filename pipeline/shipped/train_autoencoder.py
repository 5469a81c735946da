"""First stage: the autoencoder, on sources and drawn targets, with latents near mean 0 and deviation 1."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.shipped.configuration import TrainingPlan
from pipeline.shipped.pairs import Shard, to_tensor
from pipeline.shipped.training_run import TrainingRun

_LATENT_NOISE = 0.03
"""Standard deviation of noise on the training latents, so that the decoder tolerates errors of the flow."""

_STEPS_OF_SHARD = 200
"""Steps on the crops of one shard before the next."""


def random_crops(shard: Shard, count: int, size: int, rng: np.random.Generator) -> Tensor:
    """Return crops of sources and targets, half of each: float32 ``[count, 3, size, size]`` in [-1, 1].

    Crops lie on the grid of latents, because the drawn patterns do.
    """
    crops = np.empty((count, size, size, 3), dtype=np.uint8)
    for index in range(count):
        pictures = shard.sources if index % 2 else shard.targets
        top, left = 8 * rng.integers(0, (shard.size - size) // 8 + 1, size=2)
        crops[index] = pictures[rng.integers(len(pictures)), top : top + size, left : left + size]
    return to_tensor(crops)


def reconstruction_loss(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared error at four sizes, and a tenth of the L1 error.

    The figure that counts is PSNR, hence the squared error. The smaller sizes give colour and light more weight than
    their pixels have.
    """
    loss = functional.mse_loss(output, target) + 0.1 * functional.l1_loss(output, target)
    for factor in (2, 4, 8):
        loss = loss + 0.25 * functional.mse_loss(
            functional.avg_pool2d(output, factor), functional.avg_pool2d(target, factor)
        )
    return loss


@torch.no_grad()
def initialise_encoder(encoder: Any, pictures: Tensor) -> None:
    """Set the encoder to the principal components of 8 × 8 pixel blocks, as nearly as its channels can hold them.

    The best linear code is a far better start than random weights: the decoder has all the information at once, and
    the flow gets channels in order of importance. Standard deviations are the square roots of the principal ones, so
    that fine detail is heard beside brightness but does not drown it.

    Args:
        encoder: Encoder of an ``AutoencoderDC`` without a shortcut at its end.
        pictures: A sample of pictures, float32 ``[B, 3, H, W]`` in [-1, 1].
    """
    conv_in, stages = encoder.conv_in, [stage for stage in encoder.down_blocks if len(stage)]
    for stage in stages:
        stage[0].norm.weight.fill_(0.05)  # the residual branches start small
    _pass_through(conv_in.conv, 3)
    hidden = conv_in(pictures)
    for stage in stages[:-1]:
        hidden = stage[0](hidden)
        _keep_components(stage[1].conv, hidden)
        hidden = stage[1](hidden)
    features = _rows(stages[-1][0](hidden))
    target = _block_components(pictures, encoder.conv_out.out_channels)
    fitted = torch.linalg.lstsq(torch.cat([features, torch.ones(len(features), 1)], dim=1), target).solution
    encoder.conv_out.weight.zero_()
    encoder.conv_out.weight[:, :, 1, 1] = fitted[:-1].T
    encoder.conv_out.bias.copy_(fitted[-1])


def _pass_through(convolution: nn.Conv2d, count: int) -> None:
    """Let the first `count` channels through a convolution, beside small random ones."""
    convolution.weight.mul_(0.1)
    for channel in range(count):
        convolution.weight[channel] = 0.0
        convolution.weight[channel, channel, 1, 1] = 1.0


def _keep_components(convolution: nn.Conv2d, hidden: Tensor) -> None:
    """Set a convolution to the principal components of its input ``[B, C, h, w]``."""
    rows = _rows(hidden)
    mean = rows.mean(dim=0)
    _, vectors = torch.linalg.eigh(torch.cov(rows.T))
    components = vectors.flip(1)[:, : convolution.out_channels].T
    convolution.weight.zero_()
    convolution.weight[:, :, 1, 1] = components
    if convolution.bias is not None:
        convolution.bias.copy_(-(components @ mean))


def _block_components(pictures: Tensor, count: int) -> Tensor:
    """Return the first principal components of 8 × 8 blocks, ``[blocks, count]``, with unit mean variance."""
    blocks = _rows(functional.pixel_unshuffle(pictures, 8))
    mean = blocks.mean(dim=0)
    variances, vectors = torch.linalg.eigh(torch.cov(blocks.T))
    variances, vectors = variances.flip(0)[:count], vectors.flip(1)[:, :count]
    scale = variances.pow(-0.25)
    scale = scale / (variances * scale.square()).mean().sqrt()
    components: Tensor = ((blocks - mean) @ vectors) * scale
    return components


def _rows(hidden: Tensor) -> Tensor:
    return hidden.permute(0, 2, 3, 1).flatten(0, 2)


def moment_penalty(latents: Tensor) -> Tensor:
    """Return a penalty for channels whose mean is not 0, and for latents whose mean square is not 1."""
    flat = latents.transpose(0, 1).flatten(1)
    penalty: Tensor = torch.square(flat.mean(dim=1)).mean() + torch.square(flat.square().mean() - 1)
    return penalty


def train_autoencoder(
    autoencoder: Any, shards: Iterator[Shard], plan: TrainingPlan, run: TrainingRun, initialise: bool = True
) -> None:
    """Train the autoencoder in place until the run ends, and leave the averaged weights in it.

    Args:
        autoencoder: An ``AutoencoderDC``.
        shards: Endless shards.
        plan: Training settings.
        run: Clock, optimiser and checkpoint.
        initialise: Give a run that has no checkpoint the encoder of `initialise_encoder`.
    """
    if initialise and run.step == 0:
        shard = next(shards)
        initialise_encoder(autoencoder.encoder, to_tensor(np.concatenate([shard.sources[:400], shard.targets[:400]])))
    crops = _crops(shards, plan, np.random.default_rng(plan.seed + run.step))
    autoencoder.train().to(memory_format=torch.channels_last)

    def step() -> Tensor:
        target = next(crops)
        latents = autoencoder.encoder(target)
        output = autoencoder.decoder(latents + _LATENT_NOISE * torch.randn_like(latents))
        return reconstruction_loss(output, target) + 0.01 * moment_penalty(latents)

    run.train(step, decay=0.998)
    run.swap_average()
    autoencoder.eval()


def polish_decoder(autoencoder: Any, shards: Iterator[Shard], plan: TrainingPlan, run: TrainingRun) -> None:
    """Train the decoder alone. The latents do not change, so the flow stays valid."""
    crops = _crops(shards, plan, np.random.default_rng(plan.seed + 5 + run.step))
    autoencoder.to(memory_format=torch.channels_last)

    def step() -> Tensor:
        target = next(crops)
        with torch.no_grad():
            latents = autoencoder.encoder(target)
        return reconstruction_loss(autoencoder.decoder(latents + _LATENT_NOISE * torch.randn_like(latents)), target)

    run.train(step, decay=0.995)
    run.swap_average()
    autoencoder.eval()


def _crops(shards: Iterator[Shard], plan: TrainingPlan, rng: np.random.Generator) -> Iterator[Tensor]:
    for shard in shards:
        for _ in range(_STEPS_OF_SHARD):
            crops = random_crops(shard, plan.autoencoder_batch, plan.autoencoder_crop, rng)
            yield crops.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def mean_psnr(autoencoder: Any, images: NDArray[np.uint8]) -> float:
    """Return the mean PSNR of whole images after encoding and decoding, in dB."""
    values = []
    for image in images:
        target = to_tensor(image[None])
        output = autoencoder.decoder(autoencoder.encoder(target)).clamp(-1, 1)
        values.append(10 * float(torch.log10(4 / (output - target).square().mean().clamp_min(1e-9))))
    return sum(values) / max(len(values), 1)
