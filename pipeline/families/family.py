"""Description of a family of models: the parts of its folder, its texts, and its network as a denoiser."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import nn

from pipeline.autoencoders import AUTOENCODERS
from pipeline.conditioning import ConditioningShape, TextEncoder
from pipeline.text_encoders.text_parts import TextParts
from presets.errors import ModelError

Config = Mapping[str, Any]
"""``config.json`` of a component."""

ANY_TOKENIZER = ("PreTrainedTokenizerFast", "TokenizersBackend")
"""Classes of transformers, of version 4 and 5, for a ``tokenizer.json`` of any kind."""
CLIP_TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast", *ANY_TOKENIZER)
T5_TOKENIZERS = ("T5Tokenizer", "T5TokenizerFast", *ANY_TOKENIZER)
GEMMA_TOKENIZERS = ("GemmaTokenizer", "GemmaTokenizerFast", *ANY_TOKENIZER)
QWEN_TOKENIZERS = ("Qwen2Tokenizer", "Qwen2TokenizerFast", *ANY_TOKENIZER)
QWEN_NETWORKS = ("Qwen3Model", "Qwen3ForCausalLM")

FLOW_MATCHING_SCHEDULERS = ("FlowMatchEulerDiscreteScheduler", "FlowMatchEulerScheduler")


class PictureShape(NamedTuple):
    """Shape of what a network draws."""

    height: int
    """px"""
    width: int
    """px"""
    latent: tuple[int, int, int]
    """``(C, h, w)``"""


@dataclass(frozen=True)
class Family:
    """A row of `pipeline.families.family_table.FAMILIES`."""

    title: str
    """Name for people."""
    network: str
    """Component that denoises: ``unet`` or ``transformer``."""
    components: Mapping[str, tuple[str, ...]]
    """Classes of each component with weights or files of its own, besides scheduler and vae."""
    check: Callable[[str, Config, int], None]
    """``check(folder, config, channels)`` raises `ModelError` for a network that the stream can't play. `channels` are
    those of a latent."""
    text: Callable[[TextParts], TextEncoder]
    """Makes the text encoder of a model."""
    text_shape: Callable[[TextParts], ConditioningShape]
    """Returns the shape of a text from configurations alone."""
    adapter: Callable[[Any, PictureShape], nn.Module]
    """Makes a `pipeline.denoiser.Denoiser` of the network."""
    schedulers: tuple[str, ...] = FLOW_MATCHING_SCHEDULERS
    """Classes of `pipeline.solvers.SCHEDULERS` whose timesteps and predictions the networks of the family have. Another
    one would play without an error and draw noise."""
    zeroes_empty_negative: Callable[[Config], bool] = lambda index: False
    """Returns True if a ``model_index.json`` is of a network that was trained with zeros in place of an empty negative
    prompt."""
    embeds_guidance: Callable[[Config], bool] = lambda config: False
    """Returns True if the network takes the guidance scale as an input."""
    matches: Callable[[Config], bool] = lambda config: True
    """Returns True if the family plays a network with this configuration. Families of one class differ by it."""
    sees_source: Callable[[Config], bool] = lambda config: False
    """Returns True if the network takes the source's latent beside the noised one."""
    splits_timesteps: Callable[[Config], bool] = lambda config: False
    """Returns True if `pipeline.graphs.StepGraph` plays the network: timesteps are projected outside of it, in
    float32."""
    second_time: Callable[[Config], bool] = lambda config: False
    """Returns True if the network takes the time at which a step ends beside the one at which it starts, as MeanFlow
    does: its timesteps are ``[B, 2]``."""
    takes_controlnet: bool = False
    """True if a ControlNet can be put beside the network (`pipeline.controlnet`)."""
    takes_ip_adapter: bool = False
    """True if an IP-Adapter can be put into the network (`pipeline.ip_adapter`)."""
    takes_loras: bool = False
    """True if LoRAs for the network and its text encoders can be put in (`pipeline.loras`)."""
    upcasts_autoencoder: bool = False
    """True if full autoencoders of the family are not for float16, as their authors say, unless their configuration
    has ``force_upcast: false``. Other families have the setting too, and their pipelines in diffusers ignore it."""
    latent_multiple: int = 1
    """Sides of a latent are multiples of it."""
    optional: frozenset[str] = frozenset()
    """Components that a folder may lack."""
    flow_matching: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Settings of flow matching that the family's pipeline has, and no configuration: see
    `pipeline.solvers.solver_from_config`."""

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """Supported classes of every component."""
        return {**self.components, "vae": AUTOENCODERS, "scheduler": self.schedulers}

    @property
    def network_class(self) -> str:
        """Class of the network in diffusers."""
        return self.components[self.network][0]

    @property
    def tokenizers(self) -> tuple[str, ...]:
        """Components that are tokenizers."""
        return tuple(name for name in self.components if name.startswith("tokenizer"))


def check_channels(folder: str, config: Config, expected: int, wanted: str) -> None:
    """Raise `ModelError` unless a transformer takes and returns `expected` channels. `wanted` says why, in words."""
    taken, returned = config.get("in_channels"), config.get("out_channels") or config.get("in_channels")
    if (taken, returned) != (expected, expected):
        raise ModelError(f"The transformer of {folder} takes {taken!r} channels and returns {returned!r}; {wanted}")


def component_library(component: str) -> str:
    """Return the library of a component's class: ``transformers`` for texts, images and depth, else ``diffusers``."""
    theirs = ("text_encoder", "tokenizer", "image_encoder", "depth_model")
    return "transformers" if component.startswith(theirs) else "diffusers"
