"""Edges, motion and flicker of pictures and clips. Pictures are RGB uint8 ``[H, W, 3]``."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from io_bridges.frames import Pixels

EDGE_BLUR = 1.5
"""σ in pixels of the blur of an edge map. It forgives an edge that is drawn a pixel beside its place."""
MOVING = 1.0
"""Pixels per frame from which a pixel counts as moving."""

Field = NDArray[np.float32]


def edge_map(picture: Pixels) -> Field:
    """Return the magnitude of the Sobel gradient of the luminance, blurred, float32 ``[H, W]``."""
    light = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    magnitude = np.hypot(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1))
    blurred: Field = cv2.GaussianBlur(magnitude, (0, 0), EDGE_BLUR)
    return blurred


def edge_correlation(one: Pixels, other: Pixels) -> float:
    """Return Pearson's correlation of the edge maps of two pictures. It is 0 if one of them has no edge."""
    return _correlation(edge_map(one), edge_map(other))


def light_correlation(one: Pixels, other: Pixels) -> float:
    """Return Pearson's correlation of the light of two pictures. It is 0 if one of them is even."""
    return _correlation(*(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (one, other)))


def _correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    a, b = one.ravel().astype(np.float64), other.ravel().astype(np.float64)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / scale if scale > 1e-9 else 0.0


def flow_to_previous(picture: Pixels, previous: Pixels) -> Field:
    """Return the optical flow (DIS, Kroeger et al. 2016) from a picture to the one before it, ``[H, W, 2]``.

    The content of pixel p is at ``p + flow[p]`` in the previous picture, in pixels, x first.
    """
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    now, before = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (picture, previous))
    flow: Field = method.calc(now, before, None)
    return flow


def clip_flows(clip: Sequence[Pixels]) -> list[Field]:
    """Return the flow of every picture but the first to the one before it."""
    return [flow_to_previous(picture, previous) for previous, picture in pairwise(clip)]


def warp(previous: Pixels, flow: Field) -> tuple[Field, NDArray[np.bool_]]:
    """Return the previous picture moved along a flow, and the pixels whose content was inside it.

    Returns:
        float32 ``[H, W, 3]`` and a mask ``[H, W]``.
    """
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = x + flow[..., 0], y + flow[..., 1]
    moved: Field = cv2.remap(previous.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved, (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)


def flicker(clip: Sequence[Pixels], flows: Sequence[Field]) -> float:
    """Return the mean absolute difference of each picture from the previous one moved along the source's flow.

    The unit is percent of full scale. Pixels whose content was outside the previous picture do not count.

    Args:
        clip: Pictures in order.
        flows: Flow of the source at every picture but the first, from `clip_flows`.
    """
    total, count = 0.0, 0
    for previous, picture, flow in zip(clip[:-1], clip[1:], flows, strict=True):
        moved, inside = warp(previous, flow)
        total += float(np.abs(picture.astype(np.float32) - moved)[inside].sum(dtype=np.float64))
        count += 3 * int(inside.sum())
    return 100 / 255 * total / count if count else 0.0


def motion_agreement(source: Sequence[Field], output: Sequence[Field]) -> float | None:
    """Return the cosine of two clips' flows over all pixels where the source moves, or None if nothing moves.

    1 is the same motion up to a factor, 0 is unrelated motion or none.
    """
    product = of_source = of_output = 0.0
    for one, other in zip(source, output, strict=True):
        moving = np.hypot(one[..., 0], one[..., 1]) >= MOVING
        a, b = one[moving].astype(np.float64), other[moving].astype(np.float64)
        product += float((a * b).sum())
        of_source += float((a * a).sum())
        of_output += float((b * b).sum())
    if not of_source:
        return None
    return product / float(np.sqrt(of_source * of_output)) if of_output else 0.0
