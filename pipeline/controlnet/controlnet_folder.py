"""ControlNet folders in diffusers format, checked against the model before a network is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from pipeline.component_loading import read_network
from pipeline.families.family import Config, Family
from pipeline.file_digests import digest_of
from pipeline.loras.lora_kinds import SDXL, text_width_kind
from pipeline.model_files import read_json, weights_files
from presets.errors import ModelError
from presets.model_store import INDEX
from presets.paths import home_path, is_there

NETWORK = "ControlNetModel"
"""Class of the network in diffusers."""

SHARED: Mapping[str, Any] = MappingProxyType(
    {
        "in_channels": 4,
        "cross_attention_dim": 1280,
        "block_out_channels": (320, 640, 1280, 1280),
        "layers_per_block": 2,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "encoder_hid_dim": None,
        "class_embed_type": None,
        "num_class_embeds": None,
        "addition_embed_type": None,
        "addition_time_embed_dim": None,
        "projection_class_embeddings_input_dim": None,
    }
)
"""Settings that a ControlNet has in common with its UNet, and diffusers' default where a configuration is older."""


@dataclass(frozen=True)
class ControlNetFolder:
    """A checked folder. Its weights are read when the network of the model is."""

    path: Path
    weights: tuple[Path, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of weights and configuration, part of the key of everything compiled with them."""
        try:
            return digest_of(self.path, [*self.weights, self.path / "config.json"])
        except OSError as error:
            raise ModelError(f"{self.path} can't be read: {error.strerror or error}.") from error

    def read(self, dtype: torch.dtype) -> torch.nn.Module:
        """Return the network, in eval mode. Raises `ModelError` if its files do not fit together."""
        return read_network(self.path, "ControlNet", NETWORK, self.weights, dtype)


def open_controlnet(name: str, model: str, family: Family, config: Config, factor: int) -> ControlNetFolder | None:
    """Return the ControlNet that is put beside the UNet of a model; None for an empty name.

    Args:
        name: Path of the folder; a leading ``~`` is the home folder.
        model: Name of the model.
        family: Its family.
        config: Configuration of its network.
        factor: Pixels along a side of one latent pixel.

    Raises:
        ModelError: the folder can't be read, is no ControlNet, or is one for another model.
    """
    if not name:
        return None
    if not family.takes_controlnet:
        raise ModelError(
            f"{model} is a model of the family {family.title}, which this version plays without a ControlNet. Set"
            " controlnet to none, or choose a model of Stable Diffusion 1.5, 2.1 or SDXL."
        )
    path = home_path(name)
    own, weights = read_folder(path)
    _check_fit(path, own, model, config)
    channels, steps = own.get("conditioning_channels", 3), own.get("conditioning_embedding_out_channels", (0,) * 4)
    if channels != 3:
        raise ModelError(f"{path} takes control pictures of {channels!r} channels. This version makes those of 3, RGB.")
    order = own.get("controlnet_conditioning_channel_order", "rgb")
    if order not in ("rgb", "bgr"):
        raise ModelError(f"{path} is damaged: its controlnet_conditioning_channel_order is {order!r}, not rgb or bgr.")
    if not isinstance(steps, list | tuple) or 2 ** (len(steps) - 1) != factor:
        raise ModelError(
            f"{path} does not reduce control pictures to the latents of {model}, {factor} times smaller:"
            f" conditioning_embedding_out_channels is {steps!r}."
        )
    return ControlNetFolder(path, weights)


def read_folder(path: Path) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """Return configuration and weights files of a folder. Raises `ModelError` if it holds no whole ControlNet."""
    if not is_there(path):
        raise ModelError(f"There is no ControlNet folder {path}. Name a folder in diffusers format, or none.")
    if not path.is_dir():
        raise ModelError(
            f"{path} is a file. A ControlNet is a folder in diffusers format, with a config.json and its weights as"
            " diffusion_pytorch_model.safetensors."
        )
    if is_there(path / INDEX):
        raise ModelError(
            f"{path} is a whole model, with a {INDEX}, and no ControlNet. Name a ControlNet's folder, or none."
        )
    own = read_json(path / "config.json")
    if own.get("_class_name") != NETWORK:
        raise ModelError(f"{path} is no ControlNet: its config.json is of a {own.get('_class_name')!r}, not {NETWORK}.")
    return own, weights_files(path, "controlnet")


def _check_fit(path: Path, own: Config, model: str, config: Config) -> None:
    """Raise `ModelError` unless a ControlNet has the settings of the model's UNet."""
    is_for, mine = _kind(own), _kind(config)
    if is_for and mine and is_for != mine:
        raise ModelError(f"{path} is a ControlNet for {is_for}, and {model} is {mine}. Take a ControlNet for {mine}.")
    for key, usual in SHARED.items():
        wanted, given = (_plain(each.get(key, usual)) for each in (config, own))
        if wanted != given:
            raise ModelError(
                f"{path} is a ControlNet for another model than {model}: its {key} is {given!r}, that of the unet"
                f" {wanted!r}."
            )
    if config.get("time_embedding_type", "positional") != "positional":
        raise ModelError(f"{model} projects timesteps in a way of its own, for which there is no ControlNet.")


def _kind(config: Config) -> str:
    """Return the kind of UNet in words, empty if none is known."""
    return (
        SDXL if config.get("addition_embed_type") == "text_time" else text_width_kind(config.get("cross_attention_dim"))
    )


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
