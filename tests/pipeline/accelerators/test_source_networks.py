"""UNets that see their source, pool the text and have scales by time: every accelerator equals diffusers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import openvino
import pytest
import torch
from foreign_networks import engines_without_denoiser, write_onnx
from torch import nn

from pipeline.accelerators import compiled, eager, onnx_files, onnxruntime, openvino_convert
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.foreign_engine import replace_denoiser
from pipeline.accelerators.openvino import compile_engines
from pipeline.accelerators.tensorrt_engines import EngineBuilder, engine_sources
from pipeline.accelerators.tensorrt_library import TENSORRT_RTX
from pipeline.denoiser import ConditioningRows
from pipeline.models import Model, load_model
from presets.errors import ModelError

SHAPES = Shapes(64, 64, (4, 8, 8), (12, 16), 2, sees_source=True)
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def model(source_folder: Path) -> Model:
    return load_model(source_folder)


def quiet(text: str, fraction: float) -> None:
    pass


def engines_of(accelerator: str, folder: Path, cache: Path) -> Engines:
    model, preparation = load_model(folder), Preparation(quiet, 1, cache=cache)
    if accelerator == "openvino":
        return compile_engines(openvino.Core(), model, SHAPES, "float32", preparation)
    modules = {"eager": eager, "compile": compiled, "onnxruntime": onnxruntime}
    return modules[accelerator].build(model, SHAPES, preparation)


def inputs(rows: int) -> tuple[torch.Tensor, torch.Tensor, ConditioningRows]:
    generator = torch.Generator().manual_seed(rows)
    text = ConditioningRows(torch.randn(rows, 12, 16, generator=generator))
    return torch.randn(rows, 8, 8, 8, generator=generator), torch.linspace(990.0, 41.5, rows), text


def diffusers_output(model: Model, latents: torch.Tensor, timesteps: torch.Tensor, text: ConditioningRows) -> Any:
    with torch.inference_mode():
        return model.denoiser(latents, timesteps, text.embeds).sample


def test_every_input_is_heard(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    latents, timesteps, text = inputs(3)
    expected = diffusers_output(model, latents, timesteps, text)
    other_source = torch.cat([latents[:, :4], latents[:, 4:].roll(1, 0)], 1)
    moved = [
        diffusers_output(model, other_source, timesteps, text),
        diffusers_output(model, latents, timesteps.flip(0), text),
        diffusers_output(model, latents, timesteps, ConditioningRows(text.embeds.roll(1, 0))),
    ]
    with torch.inference_mode():
        pooled_of_other = model.denoiser.add_embedding(text.embeds.roll(1, 0))
    monkeypatch.setattr(model.denoiser, "get_aug_embed", lambda **_: pooled_of_other)
    moved.append(diffusers_output(model, latents, timesteps, text))
    for other in moved:
        assert (other - expected)[0].abs().max() > 100 * TOLERANCE


@pytest.mark.timeout(300)
@pytest.mark.parametrize("accelerator", ["eager", "openvino", "onnxruntime"])
def test_accelerator_equals_diffusers(model: Model, source_folder: Path, accelerator: str, tmp_path: Path) -> None:
    """`test_compiled` has torch.compile."""
    compare_with_diffusers(engines_of(accelerator, source_folder, tmp_path), model)


def compare_with_diffusers(engines: Engines, model: Model) -> None:
    assert engines.sizes == (1, 2, 3), "one slot: plain, guided, and with image guidance"
    for rows in engines.sizes:
        expected = diffusers_output(model, *inputs(rows))
        torch.testing.assert_close(engines.denoiser(*inputs(rows)), expected, rtol=0, atol=TOLERANCE)
    pixels = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    latent = engines.encode(pixels)
    assert latent.shape == (1, 4, 8, 8)
    assert engines.decode(latent).shape == pixels.shape


def test_largest_size_for_image_guidance() -> None:
    shapes = replace(SHAPES, rows=16)
    assert (shapes.inputs, shapes.most_rows) == ((8, 8, 8), 24)
    assert shapes.with_most_rows((1, 2, 16)) == (1, 2, 16, 24)
    plain = replace(shapes, sees_source=False)
    assert (plain.inputs, plain.most_rows, plain.with_most_rows((1, 2, 16))) == ((4, 8, 8), 16, (1, 2, 16))


def test_keys_tell_source_apart(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = replace(SHAPES, sees_source=False)
    assert plain.key() == "Shapes(width=64, height=64, latent=(4, 8, 8), embeds=(12, 16), rows=2)", "as in caches"
    assert openvino_convert._key(model, SHAPES) != openvino_convert._key(model, plain)
    keys = [onnx_files._key(model, shapes, "float32", "denoiser") for shapes in (SHAPES, plain)]
    assert [key.shapes for key in keys] == [f"latent {n}x8x8, embeds 12x16, any batch" for n in (8, 4)]
    decoders = [onnx_files._key(model, shapes, "float32", "decoder") for shapes in (SHAPES, plain)]
    assert decoders[0] == decoders[1]

    builder = EngineBuilder(TENSORRT_RTX, "8.9", "float16", model.fingerprint, model.name, tmp_path)
    built = [engine_sources(builder, model, shapes, ["denoiser"])[0] for shapes in (SHAPES, plain)]
    assert [source.rows for source in built] == [((1, 1, 3),), ((1, 1, 2),)]
    assert built[0].shapes == "latent 8x8x8, embeds 12x16, rows 1 to 3, best 1"


class SourceNetwork(nn.Module):
    """A network in InstructPix2Pix's layout, quick to export."""

    def forward(self, latents: torch.Tensor, timestep: torch.Tensor, embeds: torch.Tensor) -> torch.Tensor:
        noised, source = latents.chunk(2, 1)
        time = torch.sin(timestep.reshape(-1, 1, 1, 1) / 300.0)
        return torch.tanh(noised * (1.0 + time)) + torch.sin(source) * time + embeds.mean((1, 2)).reshape(-1, 1, 1, 1)


class PlainNetwork(nn.Module):
    """A network that sees no source."""

    def forward(self, latents: torch.Tensor, timestep: torch.Tensor, embeds: torch.Tensor) -> torch.Tensor:
        return latents * timestep.reshape(-1, 1, 1, 1) + embeds.mean()


@pytest.mark.parametrize("one_timestep", [False, True])
def test_foreign_engine_with_source(tmp_path: Path, one_timestep: bool) -> None:
    """Engines of other programs have diffusers' layout, with a timestep a row or one for all."""
    latents, timesteps, text = inputs(2)
    path = write_onnx(
        SourceNetwork(),
        tmp_path / "network.onnx",
        ("sample", "timestep", "encoder_hidden_states"),
        (latents, timesteps[:1] if one_timestep else timesteps, text.embeds),
        (True, not one_timestep, True),
    )
    engines = replace_denoiser(path, engines_without_denoiser(), SHAPES, 1)
    assert engines.sizes == (1, 2, 3)
    for rows in engines.sizes:
        out = engines.denoiser(*inputs(rows))
        expected = SourceNetwork()(inputs(rows)[0], inputs(rows)[1], inputs(rows)[2].embeds)
        torch.testing.assert_close(out, expected, rtol=0, atol=1e-5)
    with pytest.raises(ModelError, match=r"sample is float32 \[any × 8 × 8 × 8\], but the latents of this model at"):
        replace_denoiser(path, engines_without_denoiser(), replace(SHAPES, sees_source=False), 1)
    plain = write_onnx(
        PlainNetwork(), tmp_path / "plain.onnx", ("sample", "timestep", "encoder_hidden_states"),
        (latents[:, :4], timesteps, text.embeds), (True, True, True),
    )  # fmt: skip
    with pytest.raises(ModelError, match=r"with the source beside them, are float32 \[any × 8 × 8 × 8\]"):
        replace_denoiser(plain, engines_without_denoiser(), SHAPES, 1)
