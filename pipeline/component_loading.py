"""Components of a model folder read whole or not at all: networks, tokenizers, and the scheduler's configuration."""

from pathlib import Path
from typing import Any

import torch

from pipeline.families.family import QWEN_NETWORKS, Family, component_library
from pipeline.library_imports import load_class
from pipeline.model_files import read_json
from pipeline.solvers import Solver, solver_from_config
from presets.errors import ModelError

LARGE_TEXT_NETWORKS = ("T5EncoderModel", "Gemma2Model", "Qwen2_5_VLForConditionalGeneration", *QWEN_NETWORKS)
"""Text networks of gigabytes, which keep the type of their file."""


def read_network(
    folder: Path, component: str, name: str, weights: tuple[Path, ...], dtype: torch.dtype
) -> torch.nn.Module:
    """Read a network from disk, in eval mode.

    Args:
        folder: Folder of the component.
        component: Name of the component.
        name: Class of the network.
        weights: Its weights files, checked already.
        dtype: Type of the weights. Large text networks keep the type of their file.

    Raises:
        ModelError: the files do not fit together, or hold NaN or infinity.
    """
    library = component_library(component)
    network_class = load_class(library, name)
    precision: dict[str, Any] = {"dtype": "auto" if name in LARGE_TEXT_NETWORKS else dtype}
    if library == "diffusers":
        precision = {"torch_dtype": dtype, "low_cpu_mem_usage": False}
    try:
        network, info = network_class.from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            variant="fp16" if ".fp16" in weights[0].name else None,
            **precision,
        )
    except (OSError, ValueError, TypeError, RuntimeError, KeyError, AssertionError) as error:
        why = str(error) or "its config.json contradicts itself"
        raise ModelError(f"The {component} in {folder} can't be loaded: {why}") from error
    # Both libraries only warn about missing weights and leave them random.
    wrong = sorted([*info["missing_keys"], *info["mismatched_keys"]], key=str)
    if wrong:
        raise ModelError(
            f"{weights[0]} does not fit its config.json: {len(wrong)} weights are missing or have another shape, for"
            f" example {wrong[0]}. Download the model again."
        )
    if bad := next((each for each, weight in network.named_parameters() if not _is_finite(weight.detach())), ""):
        raise ModelError(f"{weights[0]} holds NaN or infinity in {bad}. It is damaged; download it again.")
    return network.eval().requires_grad_(False)  # type: ignore[no-any-return]


def _is_finite(weight: torch.Tensor) -> bool:
    """Return False if a weight holds NaN or infinity. It takes 0.2 s for a billion weights on one core."""
    if not weight.numel() or weight.dtype not in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        return True
    # NaN is passed on by both, and `isfinite` would take five times as long.
    return all(bool(end.isfinite()) for end in torch.aminmax(weight))


def read_tokenizer(folder: Path, name: str) -> Any:
    """Read a tokenizer of the class `name`. Raises `ModelError` if it can't be read."""
    try:
        return load_class("transformers", name).from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"The tokenizer in {folder} can't be read: {error}") from error


def read_solver(folder: Path, name: str, family: Family) -> Solver:
    """Return the solver of the scheduler in a model's folder, of the class `name`.

    Raises:
        ModelError: its configuration can't be read, or has a setting that the solver does not have.
    """
    path = folder / "scheduler" / "scheduler_config.json"
    return solver_from_config(name, read_json(path), path, family.flow_matching)
