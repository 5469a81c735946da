"""Single-file checkpoints of Stable Diffusion and SDXL as components of a folder, by diffusers' own conversion.

The file has no configurations and no tokenizer: those are a donor's, a folder of the same architecture.
"""

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from pipeline.families.family import component_library
from pipeline.library_imports import load_class
from pipeline.model_files import read_json
from pipeline.pickled_weights import read_pickled_weights
from presets.errors import ModelError

_UNET = "model.diffusion_model."
_VAE = "first_stage_model."
_SDXL_MARK = f"{_UNET}label_emb.0.0.weight"
_FIRST = f"{_UNET}input_blocks.0.0.weight"
_TEXT = f"{_UNET}middle_block.1.transformer_blocks.0.attn2.to_k.weight"
_CLIPS = {
    "text_encoder": ("cond_stage_model.transformer.", "conditioner.embedders.0.transformer."),
    "text_encoder_2": ("conditioner.embedders.1.model.",),
}
"""Prefixes of the text encoders' weights. The second one is OpenCLIP's."""


class SingleFile:
    """An opened checkpoint: its shapes are known, its weights are read when they are converted."""

    def __init__(self, path: Path, is_pickled: bool = False) -> None:
        """Read the header, or all of a pickled file. Raises `ModelError` for no checkpoint of these families."""
        self.path = path
        self._pickled = read_pickled_weights(path) if is_pickled else None
        self.shapes = _shapes(path) if self._pickled is None else {k: tuple(v.shape) for k, v in self._pickled.items()}
        if _FIRST not in self.shapes or _TEXT not in self.shapes:
            raise ModelError(
                f"{path} is no single-file checkpoint of Stable Diffusion or SDXL: it has no {_FIRST}. Other models,"
                " and UNets alone, are not converted; look for the model's folder in diffusers format."
            )

    def difference(self, donor: Path) -> str:
        """Return why a donor's UNet has another architecture, an empty text if it has the same."""
        config = read_json(donor / "unet" / "config.json")
        channels = config.get("block_out_channels")
        width = config.get("cross_attention_dim")
        has = {
            "input channels": (self.shapes[_FIRST][1], config.get("in_channels")),
            "channels": (self.shapes[_FIRST][0], channels[0] if isinstance(channels, list) and channels else None),
            "width of a text": (self.shapes[_TEXT][1], width),
            "SDXL": (_SDXL_MARK in self.shapes, config.get("addition_embed_type") == "text_time"),
        }
        return "; ".join(f"{name}: {mine}, not {other}" for name, (mine, other) in has.items() if mine != other)

    def has(self, component: str) -> bool:
        """Return True if the file has the weights of a component."""
        prefixes = {"unet": (_UNET,), "vae": (_VAE,)} | _CLIPS
        return any(name.startswith(prefixes.get(component, ())) for name in self.shapes)

    def convert(self, component: str, donor: Path, kind: str, target: Path, dtype: torch.dtype) -> None:
        """Write a component as a folder in diffusers' format.

        Args:
            component: ``unet``, ``vae``, ``text_encoder`` or ``text_encoder_2``.
            donor: Folder with the component's configuration.
            kind: Class of the component, by the donor's ``model_index.json``.
            target: Folder of the component, which is made.
            dtype: Type of the weights.

        Raises:
            ModelError: the weights do not fit the configuration.
        """
        library = component_library(component)
        try:
            network = _empty_network(load_class(library, kind), library, donor / component)
            weights = self._converted(component, network)
            _fill(network, weights, f"{component} of {self.path}")
            network.to(dtype).save_pretrained(target, safe_serialization=True)
        except (OSError, ValueError, TypeError, RuntimeError, KeyError, IndexError, AttributeError) as error:
            raise ModelError(f"The {component} of {self.path} can't be converted: {error}") from error

    def _converted(self, component: str, network: Any) -> dict[str, torch.Tensor]:
        convert = importlib.import_module("diffusers.loaders.single_file_utils")
        prefixes = {"unet": (_UNET,), "vae": (_VAE,)} | _CLIPS
        weights = dict(self._weights(prefixes[component]))
        if component == "unet":
            return dict(convert.convert_ldm_unet_checkpoint(weights, network.config))
        if component == "vae":
            return dict(convert.convert_ldm_vae_checkpoint(weights, network.config))
        if component == "text_encoder":
            return dict(convert.convert_ldm_clip_checkpoint(weights))
        return dict(convert.convert_open_clip_checkpoint(network, weights, prefix=_CLIPS[component][0]))

    def _weights(self, prefixes: tuple[str, ...]) -> Iterator[tuple[str, torch.Tensor]]:
        if self._pickled is not None:
            yield from ((name, each) for name, each in self._pickled.items() if name.startswith(prefixes))
            return
        with safe_open(self.path, framework="pt") as file:
            for name in self.shapes:
                if name.startswith(prefixes):
                    yield name, file.get_tensor(name)


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of a ``.safetensors`` file. Raises `ModelError` if it can't be read."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} can't be read as .safetensors: {error}") from error


def add_delta(unet: Path, weights: tuple[Path, ...], delta: Path) -> None:
    """Add delta weights to a UNet's, as PeRFlow publishes them: ``W = W_SD + ΔW``, summed in float32.

    Args:
        unet: Folder of the UNet, whose weights are replaced by one file in half precision.
        weights: Its weights files.
        delta: File of the delta, with diffusers' names.

    Raises:
        ModelError: the delta is of another architecture, or can't be read.
    """
    from safetensors.torch import load_file, save_file

    try:
        difference = load_file(delta)
        base: dict[str, torch.Tensor] = {}
        for path in weights:
            base |= load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{delta} can't be added: {error}") from error
    shapes = ({name: tuple(each.shape) for name, each in part.items()} for part in (base, difference))
    of_base, of_delta = shapes
    if other := sorted(dict(of_base.items() ^ of_delta.items())):
        raise ModelError(
            f"{delta} is no delta of this UNet: {len(other)} weights are missing on one side or have another shape, for"
            f" example {other[0]}."
        )
    summed = {name: (each.float() + difference[name].float()).half() for name, each in base.items()}
    for path in (*weights, *unet.glob("*.index*.json")):
        path.unlink()
    save_file(summed, unet / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})


def _empty_network(loader: Any, library: str, folder: Path) -> Any:
    """Return a network of a configuration, with placeholders for weights. Small text encoders have random ones."""
    if library == "transformers":
        return loader(loader.config_class.from_pretrained(folder, local_files_only=True))
    with torch.device("meta"):
        return loader.from_config(read_json(folder / "config.json"))


def _fill(network: Any, weights: Mapping[str, torch.Tensor], what: str) -> None:
    """Load weights into a network. Raises `ModelError` if one is missing: both libraries would leave it random."""
    names = set(network.state_dict())
    if not any(name.startswith("text_model.") for name in names):  # newer versions of transformers dropped the prefix
        weights = {name.removeprefix("text_model."): each for name, each in weights.items()}
    missing = sorted(name for name in names - set(weights) if not name.endswith("position_ids"))
    if missing:
        raise ModelError(
            f"The {what} lacks {len(missing)} of {len(names)} weights, for example {missing[0]}: it has another"
            " architecture than the donor. Name another one by --like."
        )
    network.load_state_dict({name: each for name, each in weights.items() if name in names}, strict=False, assign=True)
