"""Models: a folder in diffusers format, checked and loaded; the shipped one and a downloaded one take one way."""

import hashlib
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from pipeline.conditioning import ConditioningShape
from pipeline.schedule import FlowSchedule
from pipeline.solvers import FAMILIES, Solver, solver
from presets.errors import ModelError

SHIPPED = "shipped"
"""The name of the model that comes with the program."""

KNOWN: Mapping[str, Mapping[str, str]] = {
    "unet": {"UNet2DConditionModel": "diffusers"},
    "vae": {"AutoencoderTiny": "diffusers"},
    "text_encoder": {"CLIPTextModel": "transformers"},
    "tokenizer": {
        "CLIPTokenizer": "transformers",
        "CLIPTokenizerFast": "transformers",
        "PreTrainedTokenizerFast": "transformers",
    },
    "scheduler": dict.fromkeys(FAMILIES, "diffusers"),
}
"""The components that a model must have, and the classes that this version plays."""

WEIGHTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
"""The stem of the weights file of every component that has weights."""


@dataclass(frozen=True)
class Model:
    """A checked model folder. Its networks are read when they are first asked for, in float32 and in eval mode.

    From then on torch's float32 is float32, on every device of this process (`keep_float32_whole`).
    """

    name: str
    folder: Path
    classes: Mapping[str, str]
    weights: Mapping[str, Path]
    solver: Solver

    @cached_property
    def fingerprint(self) -> str:
        """A digest of all the weights and configurations; the key of whatever is compiled from them."""
        digest = hashlib.sha256()
        for path in sorted([*self.weights.values(), *(self.folder / name / "config.json" for name in self.weights)]):
            digest.update(path.relative_to(self.folder).as_posix().encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    @cached_property
    def unet(self) -> torch.nn.Module:
        """The denoising network."""
        return self._network("unet")

    @cached_property
    def autoencoder(self) -> torch.nn.Module:
        """Pixels to latents and back."""
        return self._network("vae")

    @cached_property
    def text_encoder(self) -> torch.nn.Module:
        """Token ids to hidden states."""
        return self._network("text_encoder")

    @cached_property
    def tokenizer(self) -> Any:
        """Words to token ids."""
        loader = getattr(_library("transformers"), self.classes["tokenizer"])
        try:
            return loader.from_pretrained(self.folder / "tokenizer", local_files_only=True)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelError(f"The tokenizer in {self.folder / 'tokenizer'} can't be read: {error}") from error

    @cached_property
    def configurations(self) -> Mapping[str, Mapping[str, Any]]:
        """``config.json`` of every component with weights, so that shapes are known before anything is loaded."""
        return {name: _json(self.folder / name / "config.json") for name in self.weights}

    @property
    def latent_channels(self) -> int:
        """Channels of a latent."""
        return int(self.configurations["unet"]["in_channels"])

    @property
    def factor(self) -> int:
        """Pixels a side of one latent."""
        return int(2 ** (len(self.configurations["vae"]["decoder_block_out_channels"]) - 1))

    @property
    def conditioning(self) -> ConditioningShape:
        """The shape of a text, known before the text encoder is loaded."""
        config = self.configurations["text_encoder"]
        tokenizer = _json(self.folder / "tokenizer" / "tokenizer_config.json")
        tokens = min(int(tokenizer.get("model_max_length", 1e30)), int(config["max_position_embeddings"]))
        return ConditioningShape((tokens, int(config["hidden_size"])))

    def schedule(self, steps: int, strength: float) -> FlowSchedule:
        """The model's own solver, from its scheduler's configuration. Raises ScheduleError."""
        return self.solver(steps, strength)

    def _network(self, name: str) -> torch.nn.Module:
        keep_float32_whole()
        folder = self.folder / name
        variant = "fp16" if self.weights[name].name.endswith(".fp16.safetensors") else None
        library = _library(KNOWN[name][self.classes[name]])
        loader = getattr(library, self.classes[name])
        precision = (
            {"torch_dtype": torch.float32, "low_cpu_mem_usage": False}
            if library.__name__ == "diffusers"
            else {"dtype": torch.float32}
        )
        try:
            network, info = loader.from_pretrained(
                folder,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                variant=variant,
                **precision,
            )
        except (OSError, ValueError, TypeError, RuntimeError, KeyError) as error:
            raise ModelError(f"The {name} in {folder} can't be loaded: {error}") from error
        # Both libraries only warn of weights that the file lacks, and leave those random.
        wrong = sorted([*info["missing_keys"], *info["mismatched_keys"]], key=str)
        if wrong:
            raise ModelError(
                f"{self.weights[name]} does not fit its config.json: {len(wrong)} weights are missing or of another"
                f" shape, {wrong[0]} for one. Fetch the model again."
            )
        return network.eval().requires_grad_(False)  # type: ignore[no-any-return]


def _library(name: str) -> Any:
    """diffusers or transformers: each takes seconds to import, so only when it is needed; their own bars kept quiet."""
    library = importlib.import_module(name)
    logging = importlib.import_module(f"{name}.utils.logging")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return library


def keep_float32_whole() -> None:
    """Has torch compute float32 on a GPU with all its 23 bits of mantissa, where TensorFloat-32 would have 10.

    Torch's own is a mixture: convolutions in TF32 and products of matrices not. float32 is what every other precision
    and accelerator is held against, and in a comparison all rows mean the same by it; who wants speed takes a half
    type, which is faster than TF32 and no coarser than it in its mantissa (float16). Torch has one such setting a
    process. Nothing changes on a processor.
    """
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def load_model(name: str | Path) -> Model:
    """Checks a model folder, every file of it that will be read, without building a network yet.

    Args:
        name: `SHIPPED`, or the path of a folder in diffusers format (with a ``model_index.json``).

    Raises:
        ModelError: the folder or a file of it is missing, damaged, or of a kind that this version does not play.
    """
    folder = Path(__file__).parent / "shipped" / "model" if name == SHIPPED else Path(name).expanduser()
    if not folder.is_dir():
        raise ModelError(f"There is no model folder {folder}. Name a folder in diffusers format, or '{SHIPPED}'.")
    index = _json(folder / "model_index.json")
    classes: dict[str, str] = {}
    for component, known in KNOWN.items():
        entry = index.get(component)
        if not (isinstance(entry, list) and len(entry) == 2):
            raise ModelError(f"{folder / 'model_index.json'} names no {component}; this version plays models with one.")
        if entry[1] not in known:
            raise ModelError(
                f"The {component} of {folder} is a {entry[1]}; this version plays {' or '.join(known)} there."
            )
        classes[component] = entry[1]
    weights = {component: _weights(folder / component, stem) for component, stem in WEIGHTS.items()}
    configured = folder / "scheduler" / "scheduler_config.json"
    solves = solver(classes["scheduler"], _json(configured), configured)
    unet = _json(folder / "unet" / "config.json")
    for key in ("addition_embed_type", "class_embed_type", "time_cond_proj_dim"):
        if unet.get(key) is not None:
            raise ModelError(f"The unet of {folder} has {key}={unet[key]!r}, which this version does not play.")
    if not (folder / "tokenizer").is_dir():
        raise ModelError(f"{folder / 'tokenizer'} is missing. Fetch the model again.")
    return Model(str(name), folder, classes, weights, solves)


def _weights(folder: Path, stem: str) -> Path:
    _json(folder / "config.json")
    for path in (folder / f"{stem}.safetensors", folder / f"{stem}.fp16.safetensors"):
        if path.is_file():
            try:
                with safe_open(path, framework="pt") as file:
                    file.keys()
            except (SafetensorError, OSError) as error:
                raise ModelError(f"{path} is damaged ({error}). Fetch the model again.") from error
            return path
    raise ModelError(f"{folder / stem}.safetensors is missing; pickled weights (.bin) are never read.")


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ModelError(f"{path} is missing. A model folder in diffusers format has one; fetch the model again.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # undecodable bytes and broken JSON alike
        raise ModelError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} must hold a JSON object; it holds a {type(value).__name__}.")
    return value
