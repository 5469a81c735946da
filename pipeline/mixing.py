"""Vectors mixed by weights: on the straight line between them, or on the sphere."""

from collections.abc import Sequence

import torch

STRAIGHT = 1e-3
"""Sine of an angle below which two vectors count as (anti)parallel: there is no arc between them to speak of."""


def mean(rows: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """The weighted mean of tensors of one shape; `weights` above 0, of any sum. Summed in float32 or wider."""
    total = sum(weights)
    found = torch.zeros_like(rows[0], dtype=torch.promote_types(rows[0].dtype, torch.float32))
    for row, weight in zip(rows, weights, strict=True):
        found.add_(row, alpha=weight / total)
    return found.to(rows[0].dtype)


def turn(rows: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """An iterated `slerp`: from the mix so far to the next tensor, by the share of its weight in those so far.

    A mix stays what it is when all its weights are scaled by one factor, and another tensor may be put behind it: so a
    cross-fade from a mix, itself perhaps a cross-fade, begins exactly where that mix stood.
    """
    precise = torch.promote_types(rows[0].dtype, torch.float32)
    turned, total = rows[0].to(precise), weights[0]
    for row, weight in zip(rows[1:], weights[1:], strict=True):
        total += weight
        turned = slerp(turned, row.to(precise), weight / total)
    return turned.to(rows[0].dtype)


def slerp(one: torch.Tensor, other: torch.Tensor, share: float) -> torch.Tensor:
    """Spherical linear interpolation of the vectors in the last dimension (Shoemake, SIGGRAPH 1985).

    ``sin((1 − share)·Ω)/sin Ω·one + sin(share·Ω)/sin Ω·other``, Ω the angle between them, lengths as they come; the
    straight line where they are (anti)parallel, or one of them has no length.
    """
    lengths = one.norm(dim=-1, keepdim=True) * other.norm(dim=-1, keepdim=True)
    angle = torch.acos(((one * other).sum(-1, keepdim=True) / lengths).clamp(-1.0, 1.0))
    sine = torch.sin(angle)
    arc = sine > STRAIGHT  # False where the angle is not a number
    kept = torch.where(arc, torch.sin((1.0 - share) * angle) / sine, 1.0 - share)
    return kept * one + torch.where(arc, torch.sin(share * angle) / sine, share) * other
