"""IP-Adapter files and their image encoders, checked against the model before a network is loaded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from pipeline.families.family import Config, Family
from pipeline.file_digests import file_digest
from pipeline.loras.lora_kinds import text_width_kind
from pipeline.model_files import read_json, weights_files
from presets.errors import ModelError
from presets.paths import home_path, is_there

ENCODER = "CLIPVisionModelWithProjection"
"""Class of the image encoder in transformers."""

BESIDE = "image_encoder"
"""Folder beside the file in which the image encoder is looked for, as IP-Adapters are published."""

PROJECTION = ("proj.weight", "proj.bias", "norm.weight", "norm.bias")
"""Weights of the projection of an image to tokens, behind ``image_proj.``"""

_ATTENTION = re.compile(r"ip_adapter\.\d+\.to_[kv]_ip\.weight")

_OTHER_KINDS = {
    "image_proj.latents": "Plus, which sees all parts of an image",
    "image_proj.proj.0.": "Full or FaceID",
    "perceiver_resampler": "FaceID Plus",
    "lora": "FaceID",
}
"""Kinds of IP-Adapters with another network, by part of a name."""


@dataclass(frozen=True)
class IpAdapter:
    """A checked IP-Adapter with its image encoder. Weights are read when networks are."""

    path: Path
    encoder: Path
    """Folder of the image encoder."""
    encoder_weights: tuple[Path, ...]
    shapes: Mapping[str, tuple[int, ...]]
    """Shape of each tensor, by its name in the file."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file, part of the key of everything compiled with its attention. Raises `ModelError`."""
        try:
            return file_digest(self.path).hex()
        except OSError as error:
            raise ModelError(f"{self.path} can't be read: {error.strerror or error}.") from error

    @property
    def image(self) -> tuple[int, int]:
        """``(N, D)``: number and width of the tokens of an image."""
        width = self.shapes["image_proj.norm.weight"][0]
        return self.shapes["image_proj.proj.weight"][0] // width, width

    def read(self, start: str) -> dict[str, torch.Tensor]:
        """Return the tensors whose names begin with `start`, without it, in float32. Raises `ModelError`."""
        try:
            with safe_open(self.path, framework="pt") as file:
                names = [name for name in self.shapes if name.startswith(start)]
                tensors = {name.removeprefix(start): file.get_tensor(name).to(torch.float32) for name in names}
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{self.path} is damaged ({error}). Download the IP-Adapter again.") from error
        if bad := next((name for name, tensor in tensors.items() if not tensor.isfinite().all()), ""):
            raise ModelError(f"{self.path} holds NaN or infinity in {start}{bad}. It is damaged; download it again.")
        return tensors


def open_ip_adapter(name: str, encoder: str, model: str, family: Family, config: Config) -> IpAdapter | None:
    """Return the IP-Adapter that is put on a model; None for an empty name.

    Args:
        name: Path of the file; a leading ``~`` is the home folder.
        encoder: Path of the folder of its image encoder; empty is `BESIDE` its file.
        model: Name of the model.
        family: Its family.
        config: Configuration of its network.

    Raises:
        ModelError: a file can't be read, is no IP-Adapter that can be played, or is one for another model.
    """
    if not name:
        return None
    if not family.takes_ip_adapter:
        raise ModelError(
            f"{model} is a model of the family {family.title}, which this version plays without an IP-Adapter. Set"
            " ip_adapter to none, or choose a model of Stable Diffusion 1.5, 2.1 or SDXL."
        )
    path = home_path(name)
    shapes = read_shapes(path)
    width, mine = shapes["image_proj.norm.weight"][0], config.get("cross_attention_dim")
    if width != mine:
        kinds = [text_width_kind(each) or f"texts of width {each!r}" for each in (width, mine)]
        raise ModelError(f"{path} is an IP-Adapter for {kinds[0]}, and {model} is for {kinds[1]}.")
    folder = home_path(encoder) if encoder else path.parent / BESIDE
    return IpAdapter(path, folder, _encoder_weights(path, folder, shapes["image_proj.proj.weight"][1]), shapes)


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of a file. Raises `ModelError` if it is no IP-Adapter that can be played."""
    if not is_there(path):
        raise ModelError(f"There is no IP-Adapter file {path}. Name a .safetensors file, or none.")
    if not path.is_file() or path.suffix != ".safetensors":
        raise ModelError(
            f"{path} is no .safetensors file. An IP-Adapter is one; pickled weights (.bin, .pt) can run any code when"
            " they are read, and are never read."
        )
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged ({error}). Download the IP-Adapter again.") from error
    if other := next((kind for part, kind in _OTHER_KINDS.items() if any(part in name for name in shapes)), ""):
        raise ModelError(f"{path} is an IP-Adapter of another kind, {other}. This version plays the plain kind alone.")
    projection = [shapes.get(f"image_proj.{name}", ()) for name in PROJECTION]
    attention = [name for name in shapes if not name.startswith("image_proj.")]
    if () in projection or not attention or not all(map(_ATTENTION.fullmatch, attention)):
        raise ModelError(f"{path} is no IP-Adapter: it lacks a projection of images, or attention to them.")
    (out, *taken), bias, norm, shift = projection
    if len(taken) != 1 or len(shapes) != len(attention) + len(PROJECTION) or bias != (out,) or norm != shift:
        raise ModelError(f"{path} is damaged: its projection of images has the shapes {projection}.")
    if len(norm) != 1 or not norm[0] or out % norm[0] or not out:
        raise ModelError(f"{path} is damaged: its projection makes {out} numbers, for tokens of width {norm}.")
    return shapes


def _encoder_weights(path: Path, folder: Path, width: int) -> tuple[Path, ...]:
    """Return the weights files of an image encoder. Raises `ModelError` if it is none, or one of another width."""
    if not (is_there(folder) and folder.is_dir()):
        raise ModelError(
            f"{path} needs the folder of its image encoder, and there is none at {folder}. Name it in"
            " ip_adapter_encoder."
        )
    config = read_json(folder / "config.json")
    if ENCODER not in (config.get("architectures") or []):
        raise ModelError(f"{folder} is no image encoder: its config.json names no {ENCODER}.")
    given = config.get("projection_dim", 512)  # transformers leaves it out where it is its default
    if given != width:
        raise ModelError(
            f"The image encoder in {folder} gives {given!r} numbers for an image, and {path} takes {width}. It is for"
            " another one."
        )
    return weights_files(folder, "image_encoder")
