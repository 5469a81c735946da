"""Checks of the files of a model folder, so that an unsupported one is refused before anything is loaded."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from pipeline.solvers import SCHEDULERS
from presets.errors import ModelError
from presets.paths import home_path, is_there

SHIPPED = "shipped"
"""Name of the model that ships with the program."""

SUPPORTED_CLASSES: Mapping[str, Mapping[str, str]] = {
    "unet": {"UNet2DConditionModel": "diffusers"},
    "vae": {"AutoencoderTiny": "diffusers", "AutoencoderDC": "diffusers"},
    "text_encoder": {"CLIPTextModel": "transformers"},
    "tokenizer": {
        "CLIPTokenizer": "transformers",
        "CLIPTokenizerFast": "transformers",
        "PreTrainedTokenizerFast": "transformers",
    },
    "scheduler": dict.fromkeys(SCHEDULERS, "diffusers"),
}
"""Components that a model must have, their supported classes, and the library of each class."""

LATENT_CHANNELS = 4
"""Channels of a latent where the autoencoder's configuration does not say, diffusers' default."""

WEIGHT_FILES = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
"""Stem of the weights file of each component that has weights."""


def model_folder(name: str | Path) -> Path:
    """Return the folder of `SHIPPED`, or the folder at a path. Raises `ModelError` if it is missing."""
    folder = Path(__file__).parent / "shipped" / "model" if name == SHIPPED else home_path(str(name))
    if not (is_there(folder) and folder.is_dir()):
        raise ModelError(f"There is no model folder {folder}. Name a folder in diffusers format, or '{SHIPPED}'.")
    return folder


def component_classes(folder: Path) -> dict[str, str]:
    """Return the class of each component by ``model_index.json``. Raises `ModelError` for a missing or another one."""
    index = read_json(folder / "model_index.json")
    classes: dict[str, str] = {}
    for component, supported in SUPPORTED_CLASSES.items():
        entry = index.get(component)
        if not (isinstance(entry, list) and len(entry) == 2):
            raise ModelError(f"{folder / 'model_index.json'} names no {component}; every model needs one.")
        if entry[1] not in supported:
            raise ModelError(
                f"The {component} of {folder} is a {entry[1]}; this version supports {' or '.join(supported)}."
            )
        classes[component] = entry[1]
    return classes


def check_unet(folder: Path) -> None:
    """Raise `ModelError` if the UNet takes or gives something that the stream does not have.

    ``addition_embed_type`` "text" takes nothing more: diffusers' ``TextTimeEmbedding`` reads the text's hidden states.
    """
    config = read_json(folder / "unet" / "config.json")
    for key in ("addition_embed_type", "class_embed_type", "time_cond_proj_dim"):
        if config.get(key) is not None and (key, config[key]) != ("addition_embed_type", "text"):
            raise ModelError(f"The unet of {folder} has {key}={config[key]!r}, which this version does not support.")
    heads, width = config.get("addition_embed_type_num_heads"), config.get("cross_attention_dim")
    if config.get("addition_embed_type") == "text":
        counted = isinstance(heads, int) and isinstance(width, int) and heads > 0
        if not counted or width % heads:  # type: ignore[operator]
            raise ModelError(
                f"The unet of {folder} has addition_embed_type='text' with addition_embed_type_num_heads={heads!r}; it"
                f" must be a whole number that divides cross_attention_dim, {width!r}."
            )
    _check_channels(folder, config, read_json(folder / "vae" / "config.json").get("latent_channels", LATENT_CHANNELS))


def _check_channels(folder: Path, unet: Mapping[str, Any], latent: object) -> None:
    """Raise `ModelError` unless the UNet takes a latent, or a latent and its source, and returns a latent."""
    taken, returned = unet.get("in_channels"), unet.get("out_channels")
    if returned != latent:
        raise ModelError(f"The unet of {folder} returns {returned!r} channels; its vae has latents of {latent!r}.")
    if not isinstance(returned, int) or taken not in (returned, 2 * returned):
        raise ModelError(
            f"The unet of {folder} takes {taken!r} channels and returns {returned!r}. This version supports as many as"
            f" it returns, or twice as many, for a network that sees its source (InstructPix2Pix)."
            " Inpainting and depth models take others."
        )


def weights_file(folder: Path, stem: str) -> Path:
    """Return the weights file of a component. Raises `ModelError` if it or its configuration is missing or damaged."""
    read_json(folder / "config.json")
    for path in (folder / f"{stem}.safetensors", folder / f"{stem}.fp16.safetensors"):
        if path.is_file():
            try:
                with safe_open(path, framework="pt") as file:
                    file.keys()
            except (SafetensorError, OSError) as error:
                raise ModelError(f"{path} is damaged ({error}). Download the model again.") from error
            return path
    raise ModelError(f"{folder / stem}.safetensors is missing; pickled weights (.bin) are never read.")


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file. Raises `ModelError` if it is missing or holds no JSON object."""
    if not path.is_file():
        raise ModelError(f"{path} is missing. A model folder in diffusers format has one; download the model again.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # both bad UTF-8 and bad JSON
        raise ModelError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} must hold a JSON object; it holds a {type(value).__name__}.")
    return value
