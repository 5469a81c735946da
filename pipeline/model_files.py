"""Checks of the files of a model folder, so that an unsupported one is refused before anything is loaded."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from pipeline.families.family import Family
from pipeline.solvers import SCHEDULERS
from presets.errors import ModelError
from presets.model_store import SHIPPED as SHIPPED
from presets.model_store import find_model

UNLIMITED_TOKENS = int(1e30)
"""transformers' ``model_max_length`` of a tokenizer without a limit."""

LARGEST_INDEX = 50_000_000
"""Bytes of an index of shards; a longer file is no index."""


OWN_STEPS = {"RectifiedFlowPipeline": "StraightFlowScheduler"}
"""Classes of pipelines that take steps of their own, with the scheduler that takes the same. InstaFlow's folders name a
``PNDMScheduler``, which their pipeline never calls."""


def model_folder(name: str | Path) -> Path:
    """Return the folder of `SHIPPED`, or of a name or path as `presets.model_store.find_model`.

    Raises:
        ModelError: it is missing.
    """
    return Path(__file__).parent / "shipped" / "model" if name == SHIPPED else find_model(str(name))


def component_classes(folder: Path, index: Mapping[str, Any], family: Family) -> dict[str, str]:
    """Return the class of each component that the folder has. Raises `ModelError` for a missing or another one."""
    classes: dict[str, str] = {}
    for component, supported in family.classes.items():
        entry = index.get(component)
        own = OWN_STEPS.get(str(index.get("_class_name")))
        if component == "scheduler" and own and not (isinstance(entry, list) and entry[-1] in SCHEDULERS):
            entry = ["", own]  # one that was put in on purpose stays
        if component in family.optional and (entry is None or entry == [None, None]):
            continue
        if not (isinstance(entry, list) and len(entry) == 2):
            raise ModelError(f"{folder / 'model_index.json'} names no {component}; {family.title} needs one.")
        if entry[1] not in supported:
            if component == "scheduler" and entry[1] in SCHEDULERS:
                raise ModelError(
                    f"The scheduler of {folder} is a {entry[1]}, with which {family.title} draws noise;"
                    f" {' or '.join(supported)} fits."
                )
            raise ModelError(
                f"The {component} of {folder} is a {entry[1]}; this version supports {' or '.join(supported)}."
            )
        if component in family.tokenizers and not (folder / component).is_dir():
            raise ModelError(f"{folder / component} is missing. Download the model again.")
        classes[component] = entry[1]
    return classes


def weights_files(folder: Path, component: str) -> tuple[Path, ...]:
    """Return the weights of a component: one file, or all shards of its index.

    Raises:
        ModelError: the weights, a shard or the configuration is missing or damaged.
    """
    read_json(folder / "config.json")
    stem = (
        "model" if component.startswith(("text_encoder", "image_encoder", "depth_model")) else "diffusion_pytorch_model"
    )
    for variant in ("", ".fp16"):
        path = folder / f"{stem}{variant}.safetensors"
        index = folder / f"{stem}.safetensors.index{variant}.json"
        if path.is_file():
            files: tuple[Path, ...] = (path,)
        elif index.is_file():
            files = _shards(index)
        else:
            continue
        for file in files:
            _check_header(file)
        return files
    raise ModelError(f"{folder / stem}.safetensors is missing; pickled weights (.bin) are never read.")


def token_limit(tokenizer: Path) -> int:
    """Return the most tokens of a text, as the folder of a tokenizer says."""
    limit = read_json(tokenizer / "tokenizer_config.json").get("model_max_length")
    return int(limit) if isinstance(limit, int | float) and limit > 0 else UNLIMITED_TOKENS


def _shards(index: Path) -> tuple[Path, ...]:
    """Return the files that an index names, in the folder of the index and nowhere else."""
    if index.stat().st_size > LARGEST_INDEX:
        raise ModelError(f"{index} has more than {LARGEST_INDEX} bytes; it is no index of weights.")
    named = read_json(index).get("weight_map")
    if not isinstance(named, dict) or not named or not all(isinstance(name, str) for name in named.values()):
        raise ModelError(f"{index} names no weights. Download the model again.")
    files = tuple(index.parent / name for name in sorted(set(named.values())))
    for file in files:
        if file.parent != index.parent or file.suffix != ".safetensors":
            raise ModelError(f"{index} names {file.name!r}; shards are .safetensors files beside their index.")
    return files


def _check_header(path: Path) -> None:
    try:
        # Torch would map it for writing, which the system refuses for a file that is larger than its memory.
        with safe_open(path, framework="numpy") as file:
            file.keys()
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing. Download the model again.") from error
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged ({error}). Download the model again.") from error


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file. Raises `ModelError` if it is missing or holds no JSON object."""
    if not path.is_file():
        raise ModelError(f"{path} is missing. A model folder in diffusers format has one; download the model again.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # bad UTF-8, bad JSON, and JSON that is nested too deep
        raise ModelError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} must hold a JSON object; it holds a {type(value).__name__}.")
    return value


def component_weights(folder: Path, components: Iterable[str], autoencoder: str = "vae") -> dict[str, tuple[Path, ...]]:
    """Return the weights files of those components of a model folder that have weights.

    `autoencoder` is the component that plays as ``vae``. Raises `ModelError`.
    """
    return {
        name: weights_files(folder / (autoencoder if name == "vae" else name), name)
        for name in components
        if name != "scheduler" and not name.startswith("tokenizer")
    }
