"""Networks that OpenVINO compiles for a large model: a few for any number of rows, since each has all the weights."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipeline.accelerators import openvino, registry
from pipeline.accelerators.engines import Preparation
from pipeline.denoiser import ConditioningRows
from pipeline.models import load_model
from pipeline.prepared_engines import model_shapes

SIDE = 64


def test_large_network_has_no_size_of_its_own(
    least_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its two networks for any number of rows draw what eager torch draws."""
    monkeypatch.setattr(openvino, "LARGE", 0)
    model = load_model(least_folder)
    shapes = model_shapes(model, SIDE, SIDE, 16)
    preparation = Preparation(lambda text, fraction: None, threads=2, cache=tmp_path, precision="float32")
    assert openvino.kinds_of(model, shapes, preparation, 2) == [(openvino.ANY, 1), (openvino.ANY, 2)]
    assert openvino.kinds_of(model, shapes, preparation, 1) == [(openvino.ANY, 1)]
    engines = registry.build("openvino", model, shapes, replace(preparation, requests=2)).engines
    assert not {"denoiser", "autoencoder"} & vars(model).keys(), "torch's networks are freed once they are converted"
    reference = registry.build("eager", model, shapes, preparation).engines
    for rows in (1, 3, 4, 16):
        latents, timesteps = torch.randn(rows, *shapes.inputs), torch.linspace(1000, 37.3, rows)
        text = ConditioningRows(torch.randn(rows, *shapes.embeds))
        expected = reference.denoiser(latents, timesteps, text)
        torch.testing.assert_close(engines.denoiser(latents, timesteps, text), expected, rtol=0, atol=1e-4)
