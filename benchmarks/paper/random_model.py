"""Model folder in diffusers format with random weights, which loads like any other model."""

import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.paper.architectures import FULL_AUTOENCODER, Architecture

SEED = 11
"""Seed of the weights. They are equal every time, so that compiled networks are found again."""
_INDEX = {
    "_class_name": "DiffusionPipeline",
    "scheduler": ["diffusers", "PeRFlowScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderTiny"],
}


def write_random_model(architecture: Architecture, folder: Path) -> None:
    """Write the folder in float16. The index comes last, so that a folder with an index is complete."""
    import transformers
    from diffusers import AutoencoderTiny, UNet2DConditionModel

    text_model: Any = transformers.CLIPTextModel
    text = dict(architecture.text_encoder)
    end = write_tokenizer(folder / "tokenizer", text["max_position_embeddings"])
    words = transformers.CLIPTextConfig(**text, bos_token_id=end - 1, eos_token_id=end, pad_token_id=end)
    makers: dict[str, Callable[[], Any]] = {
        "unet": lambda: UNet2DConditionModel(**architecture.unet),
        "vae": lambda: AutoencoderTiny(**architecture.autoencoder),
        "text_encoder": lambda: text_model(words),
    }
    for name, make in makers.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            make().half().save_pretrained(folder / name)
    scheduler = folder / "scheduler"
    scheduler.mkdir(parents=True)
    (scheduler / "scheduler_config.json").write_text(json.dumps(dict(architecture.scheduler)))
    (folder / FULL_AUTOENCODER).write_text(json.dumps(dict(architecture.full_autoencoder)))
    (folder / "model_index.json").write_text(json.dumps(_INDEX))


def write_tokenizer(folder: Path, length: int) -> int:
    """Write a tokenizer of letters and digits, and return its last id. The vocabulary does not affect speed."""
    from transformers import CLIPTokenizer

    letters = [*string.ascii_lowercase, *string.digits]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: place for place, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer.from_pretrained(folder, model_max_length=length).save_pretrained(folder)
    return len(tokens) - 1
