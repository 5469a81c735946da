"""Export of the model folder in diffusers format with fp16 weights. Files are replaced atomically."""

import json
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch

from pipeline.diffusers_schedulers import FlowMatchEulerScheduler
from pipeline.empty_source import COORDINATES, KEY
from pipeline.shipped.configuration import SHAPE
from pipeline.shipped.networks import Networks
from pipeline.shipped.synonyms import write_words

MODEL_INDEX = {
    "_class_name": "DiffusionPipeline",
    KEY: COORDINATES,
    "scheduler": ["pipeline.diffusers_schedulers.flow_matching", "FlowMatchEulerScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderDC"],
}
# Configuration keys with paths of the training machine.
_PRIVATE_KEYS = ("_name_or_path", "name_or_path")


def export_model(networks: Networks, folder: Path) -> int:
    """Write the model folder and return its size in bytes. The networks themselves stay in float32.

    Files are written to a temporary folder on the same file system and then moved, the index last, so a folder with an
    index is complete.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=folder.parent) as temporary:
        root = Path(temporary)
        parts = {"vae": networks.autoencoder, "unet": networks.unet, "text_encoder": networks.text_encoder}
        for name, network in parts.items():
            # A new network from the configuration, because a cast in place would end the training in float32.
            half = (
                type(network)(network.config) if name == "text_encoder" else type(network).from_config(network.config)
            )
            half.load_state_dict(network.state_dict())
            half.to(torch.float16).save_pretrained(root / name, safe_serialization=True)
        networks.tokenizer.save_pretrained(root / "tokenizer")
        _write_plain_tokenizer(networks, root / "tokenizer")
        write_words(root)
        FlowMatchEulerScheduler(**SHAPE.scheduler()).save_pretrained(root / "scheduler")
        index = {**MODEL_INDEX, "_diffusers_version": version("diffusers")}
        (root / "model_index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
        for path in root.rglob("*config.json"):
            _strip_private(path)
        for path in sorted(root.rglob("*"), key=lambda path: (path.name == "model_index.json", path.suffix)):
            if path.is_file():
                target = folder / path.relative_to(root)
                target.parent.mkdir(exist_ok=True)
                shutil.move(path, target)
                target.chmod(0o644)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _write_plain_tokenizer(networks: Networks, folder: Path) -> None:
    # transformers before version 5 reads vocab.json and merges.txt, not tokenizer.json.
    model = json.loads(networks.tokenizer.backend_tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _strip_private(path: Path) -> None:
    settings = json.loads(path.read_text())
    kept = {key: value for key, value in settings.items() if key not in _PRIVATE_KEYS}
    path.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
