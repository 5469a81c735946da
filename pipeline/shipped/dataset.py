"""The training pictures and their latents: drawn from the seed, cached on disk, the same on every machine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.shipped.captions import describe
from pipeline.shipped.configuration import SHAPE
from pipeline.shipped.probes import draw_probe
from pipeline.shipped.scenes import Scene, draw, random_scene

Report = Callable[[float, str], None]
"""Told how far a stage is, 0..1, and one line about it."""


def random_scenes(count: int, seed: int) -> list[Scene]:
    """The first ``count`` scenes of a seed; a longer list starts with the shorter one."""
    rng = np.random.default_rng(seed)
    return [random_scene(rng) for _ in range(count)]


def captions(scenes: list[Scene], seed: int) -> list[str]:
    """One caption for each scene."""
    rng = np.random.default_rng(seed)
    return [describe(scene, rng) for scene in scenes]


def autoencoder_pictures(
    folder: Path, scenes: list[Scene], probes: int, seed: int, report: Report
) -> NDArray[np.uint8]:
    """Scenes and probes, mixed: memory-mapped uint8 ``[N, 256, 256, 3]``; drawn once, then read from ``folder``."""
    count, size = len(scenes) + probes, SHAPE.picture_size
    path = folder / f"pictures-{len(scenes)}-{probes}-{seed}.npy"
    if not path.exists():
        aside = path.with_suffix(".part")
        pictures = np.lib.format.open_memmap(aside, mode="w+", dtype=np.uint8, shape=(count, size, size, 3))
        rng = np.random.default_rng(seed + 1)
        order = rng.permutation(count)
        for index, at in enumerate(order):
            pictures[at] = draw(scenes[index], size) if index < len(scenes) else draw_probe(rng, size)
            if index % 50 == 0:
                report(index / count, "drawing pictures for the autoencoder")
        pictures.flush()
        aside.replace(path)
    cached: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return cached


def as_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """uint8 ``[B, H, W, 3]`` to float32 ``[B, 3, H, W]`` in [-1, 1]."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


@torch.no_grad()
def scene_latents(folder: Path, scenes: list[Scene], autoencoder: Any, seed: int, report: Report) -> Tensor:
    """Latents of the scenes' pictures, float16 ``[N, 4, 32, 32]``; encoded once, then read from ``folder``.

    The cache belongs to one autoencoder: the file carries a fingerprint of the encoder's weights.
    """
    weights = float(sum(parameter.double().abs().sum() for parameter in autoencoder.encoder.parameters()))
    path = folder / f"latents-{len(scenes)}-{seed}-{weights:.6f}.pt"
    if path.exists():
        cached: Tensor = torch.load(path, weights_only=True)
        return cached
    parts = []
    for start in range(0, len(scenes), 16):
        pictures = np.stack([draw(scene) for scene in scenes[start : start + 16]])
        parts.append(autoencoder.encode(as_tensor(pictures)).latents.half())
        report(start / len(scenes), "encoding pictures for the flow")
    latents = torch.cat(parts)
    aside = path.with_suffix(".part")
    torch.save(latents, aside)
    aside.replace(path)
    return latents
