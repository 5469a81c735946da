"""Model folders in diffusers format: checked first, their networks loaded on first use."""

import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from pipeline.conditioning import ConditioningShape
from pipeline.fixed_tokenizer import fixed_tokenizer
from pipeline.model_files import (
    SHIPPED,
    SUPPORTED_CLASSES,
    WEIGHT_FILES,
    check_unet,
    component_classes,
    model_folder,
    read_json,
    weights_file,
)
from pipeline.schedule import FlowSchedule
from pipeline.solvers import Solver, solver_from_config
from pipeline.torch_settings import disable_tf32
from presets.errors import ModelError
from presets.vocabulary import Vocabulary, read_vocabulary


@dataclass(frozen=True)
class Model:
    """A checked model folder. Its networks are loaded on first use, in float32 and eval mode.

    Loading a network disables TF32 for the process (`pipeline.torch_settings.disable_tf32`).
    """

    name: str
    folder: Path
    classes: Mapping[str, str]
    weights: Mapping[str, Path]
    solver: Solver
    vocabulary: Vocabulary | None = None
    """Words that the model knows, None if its text encoder takes any text."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all weights and configurations, the key of everything compiled from them."""
        digest = hashlib.sha256()
        for path in sorted([*self.weights.values(), *(self.folder / name / "config.json" for name in self.weights)]):
            digest.update(path.relative_to(self.folder).as_posix().encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    @cached_property
    def unet(self) -> torch.nn.Module:
        """Denoising network."""
        return self._network("unet")

    @cached_property
    def autoencoder(self) -> torch.nn.Module:
        """Autoencoder, from pixels to latents and back."""
        return self._network("vae")

    @cached_property
    def text_encoder(self) -> torch.nn.Module:
        """Text encoder, from token ids to hidden states."""
        return self._network("text_encoder")

    @cached_property
    def tokenizer(self) -> Any:
        """Tokenizer, from text to token ids."""
        loader = getattr(_library("transformers"), self.classes["tokenizer"])
        try:
            return loader.from_pretrained(self.folder / "tokenizer", local_files_only=True)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelError(f"The tokenizer in {self.folder / 'tokenizer'} can't be read: {error}") from error

    @cached_property
    def text_tokenizer(self) -> Any:
        """Tokenizer of single texts: read without transformers where its file tells all, else `tokenizer`."""
        return fixed_tokenizer(self.folder / "tokenizer", self.conditioning.embeds[0]) or self.tokenizer

    @cached_property
    def configurations(self) -> Mapping[str, Mapping[str, Any]]:
        """``config.json`` of each component with weights, for shapes that are needed before anything is loaded."""
        return {name: read_json(self.folder / name / "config.json") for name in self.weights}

    @property
    def latent_channels(self) -> int:
        """Number of channels of a latent."""
        return int(self.configurations["unet"]["out_channels"])

    @property
    def sees_source(self) -> bool:
        """True if the network takes the source's latent beside the noised one (`pipeline.denoiser`)."""
        return int(self.configurations["unet"]["in_channels"]) == 2 * self.latent_channels

    @property
    def factor(self) -> int:
        """Pixels along a side of one latent pixel, diffusers' ``vae_scale_factor``."""
        return int(2 ** (len(self.configurations["vae"]["decoder_block_out_channels"]) - 1))

    @property
    def conditioning(self) -> ConditioningShape:
        """Shape of one text, known before the text encoder is loaded."""
        config = self.configurations["text_encoder"]
        tokenizer = read_json(self.folder / "tokenizer" / "tokenizer_config.json")
        tokens = min(int(tokenizer.get("model_max_length", 1e30)), int(config["max_position_embeddings"]))
        return ConditioningShape((tokens, int(config["hidden_size"])))

    def schedule(self, steps: int, strength: float) -> FlowSchedule:
        """Return the schedule of the model's scheduler. Raises `ScheduleError` if a setting is out of range."""
        return self.solver(steps, strength)

    def _network(self, name: str) -> torch.nn.Module:
        disable_tf32()
        folder = self.folder / name
        variant = "fp16" if self.weights[name].name.endswith(".fp16.safetensors") else None
        library = _library(SUPPORTED_CLASSES[name][self.classes[name]])
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
        # Both libraries only warn about missing weights and leave them random.
        wrong = sorted([*info["missing_keys"], *info["mismatched_keys"]], key=str)
        if wrong:
            raise ModelError(
                f"{self.weights[name]} does not fit its config.json: {len(wrong)} weights are missing or have another"
                f" shape, for example {wrong[0]}. Download the model again."
            )
        return network.eval().requires_grad_(False)  # type: ignore[no-any-return]


def _library(name: str) -> Any:
    """Import diffusers or transformers, which takes seconds, and disable its warnings and progress bars."""
    library = importlib.import_module(name)
    logging = importlib.import_module(f"{name}.utils.logging")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return library


def load_model(name: str | Path = SHIPPED) -> Model:
    """Return a model folder after checking every file that will be read. No network is loaded yet.

    Args:
        name: `SHIPPED`, or the path of a folder in diffusers format (with a ``model_index.json``).

    Raises:
        ModelError: the folder or a file in it is missing, damaged or unsupported.
    """
    folder = model_folder(name)
    classes = component_classes(folder)
    weights = {component: weights_file(folder / component, stem) for component, stem in WEIGHT_FILES.items()}
    scheduler_config = folder / "scheduler" / "scheduler_config.json"
    solver = solver_from_config(classes["scheduler"], read_json(scheduler_config), scheduler_config)
    check_unet(folder)
    if not (folder / "tokenizer").is_dir():
        raise ModelError(f"{folder / 'tokenizer'} is missing. Download the model again.")
    return Model(str(name), folder, classes, weights, solver, read_vocabulary(folder))
