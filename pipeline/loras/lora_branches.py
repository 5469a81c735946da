"""Low-rank branches of a LoRA file by the layers of a network, by diffusers' own conversion of names."""

import importlib
import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from pipeline.library_imports import quick_imports
from pipeline.loras.lora_file import LoraFile, layer_of
from presets.errors import ModelError

_DIFFUSERS_METADATA = "lora_adapter_metadata"
"""Text of the header in which diffusers keeps the settings of peft, as JSON."""

_FAILURES = (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError)
"""Exceptions of diffusers' conversion for names that it does not know."""


class Branch(NamedTuple):
    """Two matrices beside one layer, float32: its output gets ``w·up(down(x))``."""

    down: torch.Tensor
    """``[R, in]``, or ``[R, in, k, k]`` beside a convolution."""
    up: torch.Tensor
    """``[out, R]``, or ``[out, R, 1, 1]``. The factor alpha/R is in it."""


def read_branches(lora: LoraFile, component: str, network: nn.Module) -> dict[str, Branch]:
    """Return the branches that a LoRA has for a network, by the name of the layer. Nothing is changed.

    Args:
        lora: The file.
        component: ``unet``, ``text_encoder`` or ``text_encoder_2``.
        network: The network of that component.

    Raises:
        ModelError: the file can't be read, or was made for another architecture.
    """
    names = lora.names_of(component)
    if not names:
        return {}
    try:
        with safe_open(lora.path, framework="pt") as file:
            tensors = {name: file.get_tensor(name).to(torch.float32) for name in names}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{lora.path} is damaged ({error}). Download the LoRA again.") from error
    if bad := next((name for name, tensor in tensors.items() if not tensor.isfinite().all()), ""):
        raise ModelError(f"{lora.path} holds NaN or infinity in {bad}. It is damaged; download it again.")
    scaled = _with_alphas(tensors)
    try:
        converted = _converted(scaled, component, network)
    except _FAILURES as error:
        raise ModelError(f"{lora.path} has names that diffusers can't convert: {str(error).strip()[:300]}") from error
    layers = [name.removesuffix(".lora_A.weight") for name in converted if name.endswith(".lora_A.weight")]
    # diffusers leaves names of mixed formats as they are, and drops some.
    if {f"{layer}.lora_{part}.weight" for layer in layers for part in "AB"} != converted.keys() or (
        2 * len(layers) != len([name for name in names if not name.endswith(".alpha")])
    ):
        raise ModelError(f"{lora.path} mixes names of several formats, and can't be read as a whole.")
    settings, branches = _settings(lora, component), {}
    for layer in layers:
        down, up = converted[f"{layer}.lora_A.weight"], converted[f"{layer}.lora_B.weight"]
        branches[layer] = _fitted(lora, network, layer, Branch(down, up * settings.scale(layer, len(down))))
    return branches


def _with_alphas(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the matrices of a file, with the factor alpha/R of each layer that has an alpha."""
    alphas = {layer_of(name): float(tensor) for name, tensor in tensors.items() if name.endswith(".alpha")}
    scaled = {}
    for name, tensor in tensors.items():
        if name.endswith(".alpha"):
            continue
        is_up = any(part in name for part in (".lora_up.", ".lora_B.", ".up."))
        alpha = alphas.get(layer_of(name))
        scaled[name] = tensor * (alpha / tensor.shape[1]) if is_up and alpha is not None else tensor
    return scaled


def _converted(tensors: dict[str, torch.Tensor], component: str, network: Any) -> dict[str, torch.Tensor]:
    """Return the matrices with the names of the network's layers and peft's ``lora_A`` and ``lora_B``."""
    with quick_imports():
        utils = importlib.import_module("diffusers.utils.state_dict_utils")
        loader = importlib.import_module("diffusers.loaders.lora_pipeline").StableDiffusionXLLoraLoaderMixin
    state, _ = loader.lora_state_dict(tensors, unet_config=network.config if component == "unet" else None)
    state = {name.removeprefix(f"{component}."): tensor for name, tensor in state.items()}
    if component == "unet":
        state = utils.convert_unet_state_dict_to_peft(state)
    elif not all(".lora_A." in name or ".lora_B." in name for name in state):
        state = utils.convert_state_dict_to_peft(utils.convert_state_dict_to_diffusers(state))
    # Newer versions of transformers dropped the prefix.
    dropped = "" if component == "unet" or hasattr(network, "text_model") else "text_model."
    return {name.removeprefix(dropped): tensor for name, tensor in state.items()}


class _Settings(NamedTuple):
    """Settings that diffusers keeps beside matrices without alphas, as in peft's ``LoraConfig``."""

    alpha: float | None
    alphas: Mapping[str, float]
    """Alphas of single layers, by the end of their names."""
    root: bool
    """True for alpha/√R in place of alpha/R (rsLoRA, arXiv:2312.03732)."""

    def scale(self, layer: str, rank: int) -> float:
        """Return the factor of a layer's branch."""
        ends = (end for end in self.alphas if layer == end.lstrip("^") or layer.endswith(f".{end.lstrip('^')}"))
        end = next(ends, None)
        alpha = self.alpha if end is None else self.alphas[end]
        if alpha is None:
            return 1.0
        return alpha / (math.sqrt(rank) if self.root else rank)


def _settings(lora: LoraFile, component: str) -> _Settings:
    """Return the settings of a component. Raises `ModelError` if they are damaged."""
    text = lora.metadata.get(_DIFFUSERS_METADATA)
    if text is None:
        return _Settings(None, {}, False)
    try:
        found = {str(key): value for key, value in json.loads(text).items()}
        alpha = found.get(f"{component}.lora_alpha")
        alphas = {str(key): float(value) for key, value in (found.get(f"{component}.alpha_pattern") or {}).items()}
        root = bool(found.get(f"{component}.use_rslora"))
        settings = _Settings(None if alpha is None else float(alpha), alphas, root)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{lora.path} has settings of LoRA in its header that can't be read: {error}") from error
    if not all(math.isfinite(each) for each in (settings.alpha or 0.0, *alphas.values())):
        raise ModelError(f"{lora.path} has an alpha in its header that is no number.")
    return settings


def _fitted(lora: LoraFile, network: nn.Module, layer: str, branch: Branch) -> Branch:
    """Return a branch in the shape of its layer's weight. Raises `ModelError` if it fits none."""
    try:
        base: Any = network.get_submodule(layer)
    except AttributeError as error:
        raise ModelError(_misfit(lora, f"the {type(network).__name__} has no layer {layer}")) from error
    if not (isinstance(base, nn.Linear) or (isinstance(base, nn.Conv2d) and base.groups == 1)):
        raise ModelError(f"{lora.path} has a branch for {layer}, which is no linear layer and no plain convolution.")
    out, taken, *kernel = base.weight.shape
    rank, ones = len(branch.down), [1] * len(kernel)
    wanted = (rank, taken, *kernel), (out, rank, *ones)
    for matrix, shape in zip(branch, wanted, strict=True):
        # A convolution of one pixel and a linear layer are the same, and trainers write either.
        if matrix.shape[:2] != shape[:2] or matrix.numel() != math.prod(shape):
            shapes = f"{[*branch.up.shape]} and {[*branch.down.shape]} for a weight of {[*base.weight.shape]}"
            raise ModelError(_misfit(lora, f"its matrices for {layer} are {shapes}"))
    return Branch(branch.down.reshape(wanted[0]), branch.up.reshape(wanted[1]))


def _misfit(lora: LoraFile, fault: str) -> str:
    made_for = f"is a LoRA for {lora.kind}, and does not fit this model" if lora.kind else "was made for another model"
    return f"{lora.path} {made_for}: {fault}."
