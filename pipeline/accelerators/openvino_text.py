"""The text encoder on OpenVINO, kept on disk.

A start from the cache imports neither diffusers nor the models of transformers, which takes seconds.
"""

from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import nn

from pipeline.accelerators.engine_key import EngineKey, package_versions
from pipeline.accelerators.engines import Preparation
from pipeline.accelerators.openvino_convert import graph_of, kept_graphs, openvino_core
from pipeline.accelerators.openvino_requests import Request
from pipeline.graphs import REVISION
from pipeline.models import Model

NAME = "text"
OPTIONS = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
"""One thread, because texts are encoded beside the show."""


class TextGraph(nn.Module):
    """Token ids int64 ``[1, L]`` to hidden states float32 ``[1, L, D]``."""

    def __init__(self, text_encoder: Any) -> None:
        super().__init__()
        self.text_encoder = text_encoder

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.text_encoder(ids).last_hidden_state
        return hidden


class EncoderOutput(NamedTuple):
    """The part of transformers' output that is used."""

    last_hidden_state: torch.Tensor
    """``[1, L, D]``, valid until the next call."""


class CompiledTextEncoder:
    """Compiled text encoder, called as the one of transformers."""

    def __init__(self, compiled: Any, config: dict[str, Any], embeds: tuple[int, int]) -> None:
        self.config = SimpleNamespace(**config)
        """Configuration of the text encoder."""
        self._request = Request(compiled, torch.empty(1, *embeds))

    def __call__(self, input_ids: torch.Tensor, attention_mask: None = None) -> EncoderOutput:
        """Return the hidden states of token ids int64 ``[1, L]``."""
        return EncoderOutput(self._request(input_ids))


def text_encoder(model: Model, preparation: Preparation) -> Any:
    """Return the compiled text encoder, converted first where the cache does not hold it.

    One that takes a mask of padding tokens, one of several and one with a LoRA are returned as they are, in torch.
    """
    config = dict(model.configurations["text_encoder"])
    several = len(model.family.tokenizers) > 1 or model.adapters.loras.has_texts
    if config.get("use_attention_mask") or not model.splits_timesteps or several:
        return model.text_encoder
    embeds = model.conditioning.embeds

    def convert() -> dict[str, Any]:
        ids = torch.zeros(1, embeds[0], dtype=torch.int64)
        with torch.no_grad():
            graphs = {NAME: graph_of(TextGraph(model.text_encoder), (ids,), [[*ids.shape]])}
        model.free_text_encoder()  # the compiled one takes its place
        return graphs

    key = EngineKey(
        accelerator="openvino",
        version=package_versions("openvino", "torch", "transformers"),
        part=NAME,
        weights=model.fingerprint,
        revision=REVISION,
        shapes=f"{embeds[0]} tokens",
        precision="float32",
    )
    core = openvino_core()
    graphs = kept_graphs(core, key, (NAME,), convert, model.name, preparation.progress, preparation.cache)
    return CompiledTextEncoder(core.compile_model(graphs[NAME], "CPU", OPTIONS), config, embeds)
