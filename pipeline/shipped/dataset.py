"""Training images and their latents, drawn from a seed and cached on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.shipped.camera_images import draw_camera_image
from pipeline.shipped.captions import caption_for
from pipeline.shipped.configuration import SHAPE
from pipeline.shipped.scenes import Scene, draw_scene, random_scene

Report = Callable[[float, str], None]
"""Progress callback: the share of a stage that is done, 0..1, and one line of text."""


def random_scenes(count: int, seed: int) -> list[Scene]:
    """Return ``count`` scenes of a seed. A longer list starts with the shorter one."""
    rng = np.random.default_rng(seed)
    return [random_scene(rng) for _ in range(count)]


def captions(scenes: list[Scene], seed: int) -> list[str]:
    """Return one caption for each scene."""
    rng = np.random.default_rng(seed)
    return [caption_for(scene, rng) for scene in scenes]


def autoencoder_images(
    folder: Path, scenes: list[Scene], camera_images: int, seed: int, report: Report
) -> NDArray[np.uint8]:
    """Return shuffled scenes and camera images, memory-mapped uint8 ``[N, 256, 256, 3]``, cached in ``folder``."""
    count, size = len(scenes) + camera_images, SHAPE.image_size
    path = folder / f"pictures-{len(scenes)}-{camera_images}-{seed}.npy"
    if not path.exists():
        temporary = path.with_suffix(".part")
        images = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=(count, size, size, 3))
        rng = np.random.default_rng(seed + 1)
        order = rng.permutation(count)
        for index, at in enumerate(order):
            images[at] = draw_scene(scenes[index], size) if index < len(scenes) else draw_camera_image(rng, size)
            if index % 50 == 0:
                report(index / count, "drawing images for the autoencoder")
        images.flush()
        temporary.replace(path)
    cached: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return cached


def to_tensor(images: NDArray[np.uint8]) -> Tensor:
    """Return uint8 images ``[B, H, W, 3]`` as float32 ``[B, 3, H, W]`` in [-1, 1]."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


@torch.no_grad()
def scene_latents(folder: Path, scenes: list[Scene], autoencoder: Any, seed: int, report: Report) -> Tensor:
    """Return the latents of all scenes, float16 ``[N, 4, 32, 32]``, cached in ``folder``.

    The name of the cache file contains a checksum of the encoder's weights.
    """
    weights = float(sum(parameter.double().abs().sum() for parameter in autoencoder.encoder.parameters()))
    path = folder / f"latents-{len(scenes)}-{seed}-{weights:.6f}.pt"
    if path.exists():
        cached: Tensor = torch.load(path, weights_only=True)
        return cached
    parts = []
    for start in range(0, len(scenes), 16):
        images = np.stack([draw_scene(scene) for scene in scenes[start : start + 16]])
        parts.append(autoencoder.encode(to_tensor(images)).latents.half())
        report(start / len(scenes), "encoding images for the flow")
    latents = torch.cat(parts)
    temporary = path.with_suffix(".part")
    torch.save(latents, temporary)
    temporary.replace(path)
    return latents
