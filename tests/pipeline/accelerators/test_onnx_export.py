"""ONNX export: the same pixels as torch at any batch, strong types, and large weights in a second file."""

import gc
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from pipeline.accelerators import onnx_export
from pipeline.accelerators.onnx_export import OUTPUT, export
from pipeline.graphs import DecoderGraph, EncoderGraph, precise
from pipeline.models import Model, load_model
from presets.errors import ModelError


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Model:
    return load_model(tiny_folder)


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_autoencoder_at_any_batch(tiny: Model, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    encoder, decoder = EncoderGraph(tiny.autoencoder, fold=True), DecoderGraph(tiny.autoencoder, fold=True)
    export(encoder, (torch.zeros(2, 64, 64, 3, dtype=torch.uint8),), ("pixels",), tmp_path / "encoder.onnx", True)
    export(decoder, (torch.zeros(2, 4, 8, 8),), ("latents",), tmp_path / "decoder.onnx", True)
    assert capfd.readouterr() == ("", "")
    generator = torch.Generator().manual_seed(0)
    for rows in (1, 3):
        pixels = torch.randint(0, 256, (rows, 64, 64, 3), dtype=torch.uint8, generator=generator)
        expected = EncoderGraph(tiny.autoencoder)(pixels)
        (latents,) = session(tmp_path / "encoder.onnx").run(None, {"pixels": pixels.numpy()})
        np.testing.assert_allclose(latents, expected, rtol=0, atol=1e-4)
        decoded = DecoderGraph(tiny.autoencoder)(expected)
        (pixels_again,) = session(tmp_path / "decoder.onnx").run([OUTPUT], {"latents": expected.numpy()})
        assert pixels_again.dtype == np.uint8
        assert np.abs(pixels_again.astype(int) - decoded.numpy()).max() <= 1
        assert decoded.float().std() > 1


def test_half_precision_external_weights(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_export, "INLINE_BYTES", 0)
    decoder, path = DecoderGraph(tiny.autoencoder), tmp_path / "decoder.onnx"
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    export(precise(decoder, "float16"), (latents,), ("latents",), path, False)
    assert path.with_name("decoder.onnx.data").stat().st_size > path.stat().st_size / 10
    large = [tensor.data_type for tensor in onnx.load(path).graph.initializer if np.prod(tensor.dims) > 8]
    assert set(large) == {onnx.TensorProto.FLOAT16}
    assert next(decoder.parameters()).dtype == torch.float32  # the model itself is not converted
    (pixels,) = session(path).run(None, {"latents": latents.numpy()})
    assert np.abs(pixels.astype(int) - decoder(latents).numpy()).max() <= 2
    assert session(path).get_inputs()[0].shape == [1, 4, 8, 8]


def test_unexportable_network_is_refused(tmp_path: Path) -> None:
    class DataDependent(torch.nn.Module):
        def forward(self, latents: torch.Tensor) -> torch.Tensor:
            assert not gc.isenabled()
            return latents if latents.sum().item() > 0 else -latents

    with pytest.raises(ModelError, match="can't be exported to ONNX: "):
        export(DataDependent(), (torch.ones(2, 2),), ("latents",), tmp_path / "no.onnx", True)
    assert not list(tmp_path.iterdir())
    assert gc.isenabled()
