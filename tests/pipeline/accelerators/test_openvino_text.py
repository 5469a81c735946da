"""The text encoder on OpenVINO equals that of transformers, and a start from the cache imports neither library."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import torch

from pipeline.accelerators import openvino, registry
from pipeline.accelerators.engines import Preparation
from pipeline.accelerators.openvino_text import CompiledTextEncoder
from pipeline.conditioning import TextConditioner
from pipeline.image_stream import ImageStream
from pipeline.models import SHIPPED, Model, load_model
from presets.build import Build
from tests.pipeline.conftest import write_least_model

CPU = torch.device("cpu")
TEXTS = ("neon tunnel", "white ice, fire", "", "a long text of fire and ice " * 20)


def quiet(text: str, fraction: float) -> None:
    pass


def conditioner(model: Model, text_encoder: object) -> TextConditioner:
    return TextConditioner(model.text(text_encoder))


def test_encoder_equals_transformers(tmp_path: Path) -> None:
    model = load_model(SHIPPED)
    row = registry.ACCELERATORS["openvino"]
    compiled = row.text_encoder(model, Preparation(quiet, cache=tmp_path))
    assert "text_encoder" not in vars(model), "that of torch is not needed any more"
    assert isinstance(compiled, CompiledTextEncoder)
    assert registry.ACCELERATORS["eager"].text_encoder(model, Preparation(quiet)) is model.text_encoder
    found, expected = conditioner(model, compiled), conditioner(model, model.text_encoder)
    assert found.shape == expected.shape == model.conditioning
    encoded = [expected.encode_text(text).embeds for text in TEXTS]
    for one, text in zip(encoded, TEXTS, strict=True):
        torch.testing.assert_close(found.encode_text(text).embeds, one, rtol=0, atol=1e-4)
    assert all((one - other).abs().max() > 100 * 1e-4 for one, other in pairwise(encoded))


def test_masked_encoder_stays_in_torch(tmp_path: Path, tiny: Model) -> None:
    config = tiny.configurations["text_encoder"]
    masked = replace(tiny)
    vars(masked)["configurations"] = MappingProxyType({"text_encoder": {**config, "use_attention_mask": True}})
    encoder = openvino.text_encoder(masked, Preparation(quiet, cache=tmp_path))
    assert encoder is masked.text_encoder
    assert not list(tmp_path.iterdir())


PLAY = """
import sys
from pathlib import Path
from pipeline.image_stream import ImageStream
from presets.build import Build
from presets.frame_parameters import without_morph
from presets.parameters import Parameters
stream = ImageStream.build(Build.decode(sys.argv[1]), lambda text, fraction: None)
moment = without_morph(Parameters(prompt="neon"))
stream.admit(None, moment, stream.encode(moment.wording))
while stream.in_flight:
    stream.step()
print(sorted({"diffusers", "scipy", "sympy", "torch._dynamo", "transformers"} & sys.modules.keys()))
"""


def test_start_from_cache_imports_no_library(tmp_path: Path) -> None:
    write_least_model(tmp_path / "model")
    tokenizer = load_model(tmp_path / "model").tokenizer
    tokenizer("neon", padding="max_length", truncation=True, max_length=12)
    tokenizer.save_pretrained(tmp_path / "model" / "tokenizer")  # which pads and truncates now, as the shipped one
    build = Build(
        model=str(tmp_path / "model"), width=64, height=64, slots=1, threads=1,
        accelerator="openvino", cache=tmp_path / "cache",
    )  # fmt: skip
    ImageStream.build(build, quiet)
    assert {"diffusers", "transformers"} <= sys.modules.keys(), "the first start converts"
    done = subprocess.run([sys.executable, "-c", PLAY, build.encode()], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
