"""Engines run by torch: overlapped transfers change no frame."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.accelerators import eager
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.precision import torch_network
from pipeline.accelerators.registry import AcceleratorChoice
from pipeline.accelerators.torch_engines import autoencoder_graphs, prepared_sizes, torch_engines
from pipeline.accelerators.transfer import OverlappedDecoder
from pipeline.conditioning import TextConditioner
from pipeline.denoiser import ConditioningRows
from pipeline.image_stream import ImageStream, StreamedFrame
from pipeline.models import Model, load_model
from presets.build import Build
from presets.frame_parameters import without_morph
from presets.parameters import Parameters

CPU = torch.device("cpu")
SHAPES = Shapes(64, 64, (4, 8, 8), (12, 16), 8)
PREPARATION = Preparation(lambda text, fraction: None, threads=1)


@pytest.fixture(scope="module")
def model(tiny_folder: Path) -> Model:
    return load_model(tiny_folder)


@pytest.fixture(scope="module")
def reference(model: Model) -> Engines:
    return eager.build(model, SHAPES, PREPARATION)


@pytest.fixture(scope="module")
def overlapped(tiny_folder: Path) -> Engines:
    model = load_model(tiny_folder)
    network = torch_network(model, SHAPES, torch.float32, CPU)
    return torch_engines(network, *autoencoder_graphs(model, torch.float32, CPU), SHAPES, "float32", CPU)


def stream_of(engines: Engines, model: Model) -> ImageStream:
    conditioner = TextConditioner(model.text())
    build = Build(model=str(model.folder), width=64, height=64, accelerator="eager", slots=4, threads=1)
    return ImageStream(build, model, AcceleratorChoice("eager", engines, "asked for"), conditioner)


def play(stream: ImageStream, count: int) -> tuple[list[StreamedFrame], list[int]]:
    """Return `count` frames that differ in steps and seed, and the number of frames that each call returned."""
    out: list[StreamedFrame] = []
    counts = []
    for number in range(count):
        source = np.full((64, 64, 3), 20 * number, np.uint8)
        moment = without_morph(Parameters(steps=1 + number % 4, strength=0.9, seed=number))
        stream.admit(source, moment, stream.encode(moment.wording), number)
        finished = stream.step()
        out += finished
        counts.append(len(finished))
    while stream.in_flight:
        out += stream.step()
    return out, counts


def test_overlapped_decoding_is_one_call_late(model: Model, reference: Engines, overlapped: Engines) -> None:
    expected, expected_counts = play(stream_of(reference, model), 9)
    got, counts = play(stream_of(overlapped, model), 9)
    assert [frame.ticket for frame in got] == list(range(9)) == [frame.ticket for frame in expected]
    for one, other in zip(got, expected, strict=True):
        # The folded autoencoder differs by rounding.
        assert np.abs(one.pixels.astype(int) - other.pixels).max() <= 1
    assert np.abs(got[0].pixels.astype(int) - got[5].pixels).max() > 5
    assert counts != expected_counts


def test_single_frame_is_not_late(model: Model, overlapped: Engines) -> None:
    stream = stream_of(overlapped, model)
    moment = without_morph(Parameters(steps=2, strength=1.0))
    stream.admit(None, moment, stream.encode(moment.wording), "frame")
    assert [len(stream.step()), len(stream.step()), stream.in_flight] == [0, 1, 0]


def test_clear_drops_frames_in_decoding(model: Model, overlapped: Engines) -> None:
    stream = stream_of(overlapped, model)
    moment = without_morph(Parameters(steps=1, strength=1.0))
    for _ in range(2):
        stream.admit(None, moment, stream.encode(moment.wording), "dropped")
    moment = without_morph(Parameters(steps=3, strength=1.0))
    stream.admit(None, moment, stream.encode(moment.wording), "dropped")
    stream.step()
    assert stream.in_flight == 3
    stream.clear()
    assert (stream.in_flight, stream.step()) == (0, [])


def test_latent_may_be_overwritten() -> None:
    decoder = OverlappedDecoder(lambda latent: latent.to(torch.uint8).permute(0, 2, 3, 1), (3, 2, 2), (2, 2, 3), CPU, 3)
    latent = torch.empty(1, 3, 2, 2)
    pending = [decoder.begin(latent.fill_(number)) for number in range(3)]
    assert [int(wait()[0, 0, 0, 0]) for wait in pending] == [0, 1, 2]


def test_half_precision_has_float32_outputs(tiny_folder: Path, reference: Engines) -> None:
    model = load_model(tiny_folder)
    network = torch_network(model, SHAPES, torch.bfloat16, CPU)
    engines = torch_engines(network, *autoencoder_graphs(model, torch.bfloat16, CPU), SHAPES, "bfloat16", CPU)
    rows = (torch.randn(3, 4, 8, 8), torch.tensor([999.0, 750.0, 2.0]), ConditioningRows(torch.randn(3, 12, 16)))
    out, expected = engines.denoiser(*rows), reference.denoiser(*rows)
    assert out.dtype == torch.float32
    assert 0 < (out - expected).norm() / expected.norm() < 0.1
    assert engines.encode(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).dtype == torch.float32


def test_gpu_share_overlaps_no_decoding(model: Model, overlapped: Engines) -> None:
    conditioner = TextConditioner(model.text())
    build = Build(model=str(model.folder), width=64, height=64, accelerator="eager", slots=4, threads=1, gpu_share=0.5)
    stream = ImageStream(build, model, AcceleratorChoice("eager", overlapped, "asked for"), conditioner)
    _, counts = play(stream, 9)
    _, overlapped_counts = play(stream_of(overlapped, model), 9)
    assert counts != overlapped_counts
    assert sum(counts) > sum(overlapped_counts), "no frame is left for the next call"


def test_prepared_sizes() -> None:
    assert prepared_sizes(16) == (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16)
    assert prepared_sizes(7) == (1, 2, 3, 4, 5, 6, 7)
    assert prepared_sizes(2) == (1, 2)
