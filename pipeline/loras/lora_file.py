"""LoRA files: ``.safetensors`` with the names of diffusers, peft or kohya, checked before a network is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from safetensors import SafetensorError, safe_open

from pipeline.file_digests import file_digest
from pipeline.loras.lora_kinds import kind_of_lora
from presets.errors import ModelError
from presets.paths import home_path, is_there

COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "text_encoder_2": ("text_encoder_2.", "lora_te2_"),
    "text_encoder": ("text_encoder.", "lora_te_", "lora_te1_"),
}
"""Beginnings of the names that belong to a text encoder. All others belong to the UNet."""

PAIRS = ((".lora_down.", ".lora_up."), (".lora_A.", ".lora_B."), (".down.", ".up."))
"""Part of a name by which the two matrices of a branch differ, in the formats that there are."""

_OTHER_KINDS = {
    "dora_scale": "DoRA",
    "magnitude_vector": "DoRA",
    "hada_": "LoHa",
    "lokr_": "LoKr",
    "oft_": "OFT",
    "lora_mid": "LoCon with three matrices a layer",
}
"""Kinds of adapters with another formula, by part of a name."""

_LONGEST = 200
"""Characters of a name in a message."""


@dataclass(frozen=True)
class LoraFile:
    """A checked LoRA file. Its weights are read when a network is loaded."""

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    """Shape of each tensor, by its name in the file."""
    metadata: Mapping[str, str]
    """Texts of the header."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file, part of the key of everything compiled with it. Raises `ModelError`."""
        try:
            return file_digest(self.path).hex()
        except OSError as error:
            raise ModelError(f"{self.path} can't be read: {error.strerror or error}.") from error

    @property
    def kind(self) -> str:
        """Kind of model that it is for, empty if nothing tells."""
        return kind_of_lora(self.shapes, self.metadata)

    def names_of(self, component: str) -> list[str]:
        """Return the names of a component's tensors."""
        return [name for name in self.shapes if component_of(name) == component]


def component_of(name: str) -> str:
    """Return the component that a tensor belongs to: ``unet``, ``text_encoder`` or ``text_encoder_2``."""
    return next((component for component, starts in COMPONENTS.items() if name.startswith(starts)), "unet")


def open_lora(name: str | Path) -> LoraFile:
    """Return a LoRA file after checking its header.

    Args:
        name: Path of the file; a leading ``~`` is the home folder.

    Raises:
        ModelError: the file is missing, damaged, pickled, or no LoRA whose branches can be played.
    """
    path = home_path(str(name))
    if not is_there(path):
        raise ModelError(f"There is no LoRA file {path}. Name a .safetensors file, or none.")
    if not path.is_file():
        raise ModelError(f"{path} is no file. A LoRA is one .safetensors file; name it with its folder.")
    if path.suffix != ".safetensors":
        raise ModelError(
            f"{path} is a '{path.suffix}' file. A LoRA is a .safetensors file; pickled weights (.pt, .bin, .ckpt) can"
            " run any code when they are read, and are never read."
        )
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged ({error}). Download the LoRA again.") from error
    lora = LoraFile(path, shapes, metadata)
    _check_names(lora)
    return lora


def partner(name: str) -> str:
    """Return the name of the other matrix of a branch; empty if a name is that of neither."""
    for down, up in PAIRS:
        for mine, other in ((down, up), (up, down)):
            start, found, end = name.rpartition(mine)
            if found:
                return f"{start}{other}{end}"
    return ""


def layer_of(name: str) -> str:
    """Return the layer that a matrix or an alpha belongs to, as the file names it."""
    for down, up in PAIRS:
        for part in (down, up):
            if part in name:
                return name.rpartition(part)[0].removesuffix(".lora")
    return name.removesuffix(".alpha")


def _check_names(lora: LoraFile) -> None:
    """Raise `ModelError` unless every tensor is one of a pair of matrices, or the alpha of a pair."""
    if other := next((kind for part, kind in _OTHER_KINDS.items() if any(part in name for name in lora.shapes)), ""):
        raise ModelError(f"{lora.path} is an adapter of another kind, {other}. This version plays LoRAs alone.")
    branches = {name: shape for name, shape in lora.shapes.items() if partner(name) and name.endswith(".weight")}
    if not branches:
        raise ModelError(f"{lora.path} is no LoRA: it has no pair of matrices such as lora_down and lora_up.")
    named = {layer_of(name) for name in branches}
    for name, shape in lora.shapes.items():
        if name.endswith(".alpha") and layer_of(name) in named and shape in ((), (1,)):
            continue
        if name not in branches or len(shape) not in (2, 4):
            raise ModelError(
                f"{lora.path} has {name[:_LONGEST]} of shape {shape}, which is no part of a LoRA's low-rank branches."
            )
        if partner(name) not in branches:
            raise ModelError(
                f"{lora.path} has {name[:_LONGEST]}, and no {partner(name)[-30:]} beside it. It is damaged; download it"
                " again."
            )
        if 0 in shape:
            raise ModelError(f"{lora.path} has {name[:_LONGEST]} of rank 0, {shape}: nothing was trained in it.")
    if not lora.names_of("unet"):
        raise ModelError(f"{lora.path} has weights for text encoders alone, and none for the UNet that draws.")
