"""Weighted mixes of vectors: linear, or along the sphere (slerp)."""

from collections.abc import Sequence

import torch

MIN_SINE = 1e-3
"""Sine of an angle below which two vectors are treated as parallel or antiparallel, where slerp is undefined."""


def weighted_mean(vectors: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """Return the weighted mean of tensors of one shape, summed in float32 or wider.

    Args:
        vectors: Tensors of one shape and dtype.
        weights: Weights above 0, of any sum.

    Returns:
        The mean in the dtype of `vectors`.
    """
    total = sum(weights)
    mean = torch.zeros_like(vectors[0], dtype=torch.promote_types(vectors[0].dtype, torch.float32))
    for vector, weight in zip(vectors, weights, strict=True):
        mean.add_(vector, alpha=weight / total)
    return mean.to(vectors[0].dtype)


def iterated_slerp(vectors: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """Return the vectors mixed one after another by `slerp`, each by its share of the weights so far.

    The result does not change when all weights are scaled by one factor, and another vector can be appended. So a
    cross-fade from a mix, itself perhaps a cross-fade, starts exactly at that mix.

    Args:
        vectors: Tensors of one shape and dtype, with the vectors in the last dimension.
        weights: Weights above 0, of any sum.

    Returns:
        The mix in the dtype of `vectors`, computed in float32 or wider.
    """
    dtype = torch.promote_types(vectors[0].dtype, torch.float32)
    mix, total = vectors[0].to(dtype), weights[0]
    for vector, weight in zip(vectors[1:], weights[1:], strict=True):
        total += weight
        mix = slerp(mix, vector.to(dtype), weight / total)
    return mix.to(vectors[0].dtype)


def slerp(v0: torch.Tensor, v1: torch.Tensor, t: float) -> torch.Tensor:
    """Return the spherical linear interpolation of the vectors in the last dimension (Shoemake, SIGGRAPH 1985).

    ``sin((1 − t)·Ω)/sin Ω·v0 + sin(t·Ω)/sin Ω·v1``, with Ω the angle between the vectors, which keep their lengths.
    Parallel, antiparallel and zero vectors are interpolated linearly.
    """
    lengths = v0.norm(dim=-1, keepdim=True) * v1.norm(dim=-1, keepdim=True)
    omega = torch.acos(((v0 * v1).sum(-1, keepdim=True) / lengths).clamp(-1.0, 1.0))
    sine = torch.sin(omega)
    spherical = sine > MIN_SINE  # False where omega is NaN
    weight0 = torch.where(spherical, torch.sin((1.0 - t) * omega) / sine, 1.0 - t)
    return weight0 * v0 + torch.where(spherical, torch.sin(t * omega) / sine, t) * v1
