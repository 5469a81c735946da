"""Latents of no source: coordinates that tell every place, the same at every size, and the key that asks for them."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from pipeline.empty_source import coordinates, empty_source
from pipeline.models import load_model
from pipeline.prepared_engines import PreparedEngines
from presets.errors import ModelError
from tests.pipeline.test_source_image_stream import stream_of


def test_every_place_differs() -> None:
    places = coordinates(24, 32, 48).flatten(1).T
    apart = torch.cdist(places, places) + 10 * torch.eye(len(places))
    assert float(apart.min()) > 0.1


def test_other_sizes_have_the_same_places() -> None:
    large = functional.avg_pool2d(coordinates(16, 64, 64), 2)
    assert float((large - coordinates(16, 32, 32)).abs().max()) < 0.03, "up to four half turns"


def test_other_shape_is_a_part() -> None:
    assert torch.equal(coordinates(24, 18, 32), coordinates(24, 32, 32)[:, 7:25])


@pytest.fixture
def folder(source_folder: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "model"
    shutil.copytree(source_folder, copy)
    return copy


def ask_for(folder: Path, kind: object) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"empty_source": kind}))


def test_structure_lets_go_to_coordinates(folder: Path) -> None:
    assert empty_source(folder, (4, 8, 8)) is None
    ask_for(folder, "coordinates")
    prepared: PreparedEngines = stream_of(folder).prepared
    latent = torch.randn(prepared.engines.encode(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).shape[1:])
    alone, none = prepared.source_of(latent, 1.0).clone(), coordinates(*latent.shape)
    torch.testing.assert_close(prepared.source_of(latent, 0.25), 0.25 * alone + 0.75 * none)


@pytest.mark.parametrize("kind", ["zeroes", 3, ["coordinates"], "x" * 1000])
def test_unknown_kind_is_refused(folder: Path, kind: object) -> None:
    ask_for(folder, kind)
    with pytest.raises(
        ModelError, match=r"model_index\.json: empty_source must be 'coordinates' or left out"
    ) as refusal:
        load_model(folder)
    assert len(str(refusal.value)) < 400
