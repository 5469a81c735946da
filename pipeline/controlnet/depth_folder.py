"""Folders of depth models in transformers' format, checked before a network is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.component_loading import read_network
from pipeline.model_files import read_json, weights_files
from presets.errors import ModelError
from presets.model_store import find_depth_model

NETWORK = "DepthAnythingForDepthEstimation"
"""Class of the network in transformers: Depth Anything (arXiv:2401.10891), and V2 (arXiv:2406.09414)."""

COMPONENT = "depth_model"

BICUBIC = 3
"""Number of the bicubic filter in Pillow."""

LARGEST_SIDE = 2048
"""px of the picture that a network reads; a larger one would take minutes."""


@dataclass(frozen=True)
class DepthFolder:
    """A checked folder. Its weights are read when the first stream is prepared."""

    path: Path
    weights: tuple[Path, ...]
    size: tuple[int, int]
    """Height and width that a picture is resized to, px."""
    multiple: int
    """px that both sides are multiples of."""
    keeps_shape: bool
    """True if a picture keeps its aspect ratio, and one of its sides the size."""
    mean: tuple[float, float, float]
    """Mean of each colour, 0 to 1, which the network reads as 0."""
    deviation: tuple[float, float, float]
    """Difference of each colour that the network reads as 1."""

    def read(self) -> torch.nn.Module:
        """Return the network in float32 and eval mode. Raises `ModelError` if its files do not fit together."""
        return read_network(self.path, COMPONENT, NETWORK, self.weights, torch.float32)

    def read_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width at which the network reads a picture, as transformers' ``DPTImageProcessor``."""
        tall, wide = self.size[0] / height, self.size[1] / width
        if self.keeps_shape:
            tall = wide = wide if abs(1 - wide) < abs(1 - tall) else tall  # as little as possible
        return self._rounded(tall * height), self._rounded(wide * width)

    def _rounded(self, side: float) -> int:
        return max(1, round(side / self.multiple)) * self.multiple


def open_depth_model(name: str) -> DepthFolder:
    """Return the depth model of a name, as `presets.model_store.find_depth_model` takes it.

    Raises:
        ModelError: the folder is missing, can't be read, or is another kind of model.
    """
    path = find_depth_model(name)
    if not path.is_dir():
        raise ModelError(
            f"{path} is a file. A depth model is a folder with its config.json, preprocessor_config.json and"
            " model.safetensors."
        )
    config = read_json(path / "config.json")
    if NETWORK not in (config.get("architectures") or []):
        raise ModelError(
            f"{path} is no depth model of this version: its config.json is of {config.get('architectures')!r}, not"
            f" {NETWORK}."
        )
    if (kind := config.get("depth_estimation_type", "relative")) != "relative":
        raise ModelError(
            f"{path} gives {kind} depth, in metres. A ControlNet wants relative depth, near in white: take a model"
            " without Metric in its name."
        )
    weights = weights_files(path, COMPONENT)
    patch = config.get("patch_size", 14)
    return _folder(path, weights, read_json(path / "preprocessor_config.json"), patch)


def _folder(path: Path, weights: tuple[Path, ...], settings: Mapping[str, Any], patch: object) -> DepthFolder:
    """Return a folder with the settings of its ``preprocessor_config.json``. Raises `ModelError` for other ones."""
    file = path / "preprocessor_config.json"
    usual = {"do_resize": True, "do_rescale": True, "do_normalize": True, "do_pad": False, "resample": BICUBIC}
    for key, wanted in usual.items():
        if settings.get(key, wanted) != wanted:
            raise ModelError(f"{file} has {key}={settings[key]!r}; this version prepares pictures with {wanted!r}.")
    try:
        size = settings["size"]["height"], settings["size"]["width"]
        mean, deviation = (tuple(map(float, settings[key])) for key in ("image_mean", "image_std"))
        multiple, factor = settings.get("ensure_multiple_of", 1), float(settings.get("rescale_factor", 1 / 255))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{file} lacks size, image_mean or image_std, or they are no numbers: {error!r}.") from error
    sides = (*size, multiple, patch)
    if not all(type(each) is int and 1 <= each <= LARGEST_SIDE for each in sides) or multiple % patch:
        raise ModelError(
            f"{file} has the size {size!r} in multiples of {multiple!r}; the network reads squares of {patch!r} px, and"
            f" {LARGEST_SIDE} px are the most."
        )
    if len(mean) != 3 or len(deviation) != 3 or not all(each > 0 for each in deviation) or abs(factor * 255 - 1) > 1e-6:
        raise ModelError(f"{file} has image_mean {mean!r}, image_std {deviation!r} and rescale_factor {factor!r}.")
    return DepthFolder(path, weights, size, multiple, bool(settings.get("keep_aspect_ratio")), mean, deviation)
