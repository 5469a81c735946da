"""Model folders in diffusers format: checked first, their networks loaded on first use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.adapters import NO_ADAPTERS, Adapters, open_adapters
from pipeline.autoencoder_choice import choose_autoencoder
from pipeline.autoencoders import latent_geometry
from pipeline.component_loading import read_network, read_solver, read_tokenizer
from pipeline.conditioning import ConditioningShape, TextEncoder
from pipeline.empty_source import reads_coordinates
from pipeline.extra_inputs import ExtraInputs, extra_inputs_of
from pipeline.families.family import Family, PictureShape
from pipeline.families.family_table import find_family
from pipeline.file_digests import digest_of
from pipeline.fixed_tokenizer import fixed_tokenizer
from pipeline.graphs import FamilyGraph, StepGraph
from pipeline.model_files import SHIPPED, component_classes, component_weights, model_folder, read_json, token_limit
from pipeline.schedule import FlowSchedule
from pipeline.solvers import Solver
from pipeline.text_encoders.text_parts import TextParts
from pipeline.torch_settings import disable_tf32
from presets.build import Build
from presets.model_autoencoders import AutoencoderKind
from presets.vocabulary import Vocabulary, read_vocabulary


@dataclass(frozen=True)
class Model:
    """A checked model folder. Its networks are loaded on first use, in float32 and eval mode.

    Loading a network disables TF32 for the process (`pipeline.torch_settings.disable_tf32`).
    """

    name: str
    folder: Path
    family: Family
    classes: Mapping[str, str]
    """Class of each component that the folder has."""
    weights: Mapping[str, tuple[Path, ...]]
    """Weights files of each component that has weights: one, or several shards."""
    solver: Solver
    vocabulary: Vocabulary | None = None
    """Words that the model knows, None if its text encoder takes any text."""
    adapters: Adapters = NO_ADAPTERS
    """LoRAs and a ControlNet that are put on the model."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all weights and configurations of the folder, the key of everything compiled from them."""
        files = [path for paths in self.weights.values() for path in paths]
        return digest_of(self.folder, [*files, *(paths[0].parent / "config.json" for paths in self.weights.values())])

    @cached_property
    def denoiser(self) -> torch.nn.Module:
        """Denoising network, a UNet or a transformer."""
        return self.read_network(self.family.network)

    @cached_property
    def autoencoder(self) -> torch.nn.Module:
        """Autoencoder, from pixels to latents and back."""
        return self.read_network("vae")

    @cached_property
    def text_encoder(self) -> torch.nn.Module:
        """First text encoder, from token ids to hidden states."""
        return self.read_network("text_encoder")

    @cached_property
    def tokenizer(self) -> Any:
        """Tokenizer of the first text encoder, from text to token ids."""
        return self._tokenizer("tokenizer")

    @cached_property
    def text_tokenizer(self) -> Any:
        """Tokenizer of single texts: read without transformers where its file tells all, else `tokenizer`."""
        length = self.configurations["text_encoder"].get("max_position_embeddings", 0)
        return (
            fixed_tokenizer(self.folder / "tokenizer", min(token_limit(self.folder / "tokenizer"), length))
            or self.tokenizer
        )

    @cached_property
    def configurations(self) -> Mapping[str, Mapping[str, Any]]:
        """``config.json`` of each component with weights, for shapes that are needed before anything is loaded."""
        return {name: read_json(paths[0].parent / "config.json") for name, paths in self.weights.items()}

    @property
    def latent_channels(self) -> int:
        """Number of channels of a latent."""
        return latent_geometry(self.classes["vae"], self.configurations["vae"]).channels

    @property
    def factor(self) -> int:
        """Pixels along a side of one latent pixel."""
        return latent_geometry(self.classes["vae"], self.configurations["vae"]).factor

    @property
    def multiple(self) -> int:
        """Number of pixels that width and height of a picture are multiples of."""
        return self.factor * self.family.latent_multiple

    @property
    def sees_source(self) -> bool:
        """True if the network takes the source's latent beside the noised one (`pipeline.denoiser`)."""
        return self.family.sees_source(self._network_config)

    @property
    def embeds_guidance(self) -> bool:
        """True if the network takes the guidance scale as an input."""
        return self.family.embeds_guidance(self._network_config)

    @property
    def splits_timesteps(self) -> bool:
        """True if `pipeline.graphs.StepGraph` plays the network."""
        return self.family.splits_timesteps(self._network_config)

    @cached_property
    def conditioning(self) -> ConditioningShape:
        """Shape of one text, known before the text encoder is loaded."""
        return self.family.text_shape(self.text_parts())._replace(image=self.adapters.image)

    def schedule(self, steps: int, strength: float, size: tuple[int, int] | None = None) -> FlowSchedule:
        """Return the schedule of the model's scheduler.

        Args:
            steps: Steps from noise to a picture.
            strength: 0 to 1.
            size: Width and height of the picture in px. Only a scheduler that shifts by size needs it: transformers
                have a token for each square of `multiple` pixels.

        Raises:
            ScheduleError: a setting is out of range, or the size is needed and missing.
        """
        tokens = None if size is None else (size[0] // self.multiple) * (size[1] // self.multiple)
        return self.solver(steps, strength, tokens)

    def text(self, first: Any = None) -> TextEncoder:
        """Return the text encoder of the family.

        Args:
            first: Network in place of ``text_encoder``, as an accelerator compiles it. None loads it.
        """
        return self.family.text(self.text_parts(first))

    def free_text_encoder(self) -> None:
        """Drop `text_encoder`, which is read again on its next use."""
        self.__dict__.pop("text_encoder", None)

    def adapter(self, network: nn.Module, shape: PictureShape) -> nn.Module:
        """Return a network of this model as a `pipeline.denoiser.Denoiser`."""
        return self.family.adapter(network, shape)

    def step_graph(self, shape: PictureShape, fold: bool = False) -> StepGraph | FamilyGraph:
        """Return the denoiser as a graph of tensors, float32. `fold` folds a network that `pipeline.fold` knows."""
        if self.splits_timesteps:
            return StepGraph(self.denoiser, fold)
        return FamilyGraph(self.adapter(self.denoiser, shape), self.conditioning.embeds[0])

    def denoiser_in(self, dtype: torch.dtype, device: torch.device) -> nn.Module:
        """Return the denoising network in a type, for a device: `denoiser` itself, or one that is read anew.

        A network that is converted or moved in place would be lost for everything else that needs it in float32.
        """
        if dtype == torch.float32 and device.type == "cpu":
            return self.denoiser
        return self.read_network(self.family.network, dtype)

    def read_network(self, component: str, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
        """Read the network of a component, as `pipeline.component_loading.read_network`, with its adapters."""
        disable_tf32()
        files = self.weights[component]
        network = read_network(files[0].parent, component, self.classes[component], files, dtype)
        adapted: torch.nn.Module = self.adapters.put_on(network, component, dtype)
        return adapted

    @property
    def _network_config(self) -> Mapping[str, Any]:
        return self.configurations[self.family.network]

    def text_parts(self, first: Any = None, inputs: list[ExtraInputs] | None = None) -> TextParts:
        """Return the parts of a text encoder. The extra inputs of each network that is read are added to `inputs`."""

        def network(component: str) -> Any:
            if component != "text_encoder":
                network = self.read_network(component)
            else:
                network = self.text_encoder if first is None else first
            if inputs is not None and isinstance(network, nn.Module):
                inputs.append(extra_inputs_of(network))
            return network

        def tokenizer(component: str) -> Any:
            return self.text_tokenizer if component == "tokenizer" else self._tokenizer(component)

        lengths = {name: token_limit(self.folder / name) for name in self.family.tokenizers if name in self.classes}
        index = read_json(self.folder / "model_index.json")
        return TextParts(tokenizer, network, self.configurations, index, lengths)

    def _tokenizer(self, component: str) -> Any:
        return read_tokenizer(self.folder / component, self.classes[component])


def model_of(build: Build) -> Model:
    """Return the model of a build, with its adapters, as `load_model`."""
    images = build.ip_adapter, build.ip_adapter_encoder
    return load_model(build.model, build.loras, build.controlnet, images, build.depth_model, build.autoencoder)


def load_model(
    name: str | Path = SHIPPED,
    loras: Sequence[str] = (),
    controlnet: str = "",
    ip_adapter: tuple[str, str] = ("", ""),
    depth_model: str = "",
    autoencoder: AutoencoderKind = "auto",
) -> Model:
    """Return a model folder after checking every file that will be read. No network is loaded yet.

    Args:
        name: `SHIPPED`, or the path of a folder in diffusers format (with a ``model_index.json``).
        loras: LoRA files to put on the model. Empty names are none.
        controlnet: Folder of a ControlNet to put beside its UNet. An empty name is none.
        ip_adapter: File of an IP-Adapter, and folder of its image encoder, as `open_ip_adapter` takes them.
        depth_model: Name of the depth model that makes the pictures of the ControlNet. An empty name is none.
        autoencoder: Kind of the autoencoder, of which a folder may have two.

    Raises:
        ModelError: the folder or a file in it is missing, damaged or unsupported, or an adapter is not for this model.
    """
    folder = model_folder(name)
    index = read_json(folder / "model_index.json")
    family = find_family(folder, index)
    classes = component_classes(folder, index, family)
    vae = choose_autoencoder(folder, index, autoencoder)
    classes["vae"] = vae.class_name
    weights = component_weights(folder, classes, vae.component)
    config = read_json(folder / family.network / "config.json")
    family.check(str(folder), config, vae.geometry.channels)
    solver = read_solver(folder, classes["scheduler"], family)
    beside = (controlnet, depth_model), ip_adapter, str(name)
    adapters = open_adapters(loras, *beside, family, config, weights, vae.geometry.factor)
    reads_coordinates(folder)
    return Model(str(name), folder, family, classes, weights, solver, read_vocabulary(folder), adapters)
