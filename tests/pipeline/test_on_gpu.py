"""The stream on an NVIDIA card: captured steps, overlapped decoding, no waiting host, and every accelerator.

Run with ``pytest -m gpu``. None of it has run on a card yet.
"""

import gc
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_folders import SIDE, write_family_folder

from pipeline.accelerators import registry
from pipeline.accelerators.tensorrt_engines import HOT_ROWS
from pipeline.captured_call import CapturedCall
from pipeline.graph_capture import cuda_recorder
from pipeline.image_stream import ImageStream, StreamedFrame
from pipeline.torch_settings import prefer_network
from presets.build import Build
from presets.errors import AcceleratorUnavailable
from presets.frame_parameters import without_morph
from presets.parameters import Parameters, WeightedPrompt

pytestmark = pytest.mark.gpu

LEVELS = 2
"""Largest difference of a pixel between two ways to compute in float32, in 8-bit levels."""
HALF_LEVELS = 12
"""Largest mean difference in a half type: the tiny networks are random and amplify rounding."""
LOOKS = [
    Parameters(prompt=(WeightedPrompt(text="a red ring"),), steps=4, strength=0.9, guidance=2.5, seed=1),
    Parameters(prompt=(WeightedPrompt(text="neon fire"),), steps=6, strength=0.7, guidance=1.0, seed=2),
    Parameters(prompt=(WeightedPrompt(text="blue stars"),), steps=4, strength=1.0, guidance=3.0, seed=3, mode="text"),
    Parameters(prompt=(WeightedPrompt(text="smoke"),), steps=5, strength=0.8, guidance=2.0, seed=4,
               guidance_kind="self_negative"),
    Parameters(prompt=(WeightedPrompt(text="ink"),), steps=4, strength=0.95, guidance=2.0, seed=5,
               guidance_kind="onetime_negative"),
]  # fmt: skip
"""Looks that differ in rows, terms of the step and batch size."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family_folder("stable-diffusion", tmp_path_factory.mktemp("gpu") / "model")


def stream_on(accelerator: str, folder: Path, precision: str = "float32") -> ImageStream:
    build = Build(model=str(folder), width=SIDE, height=SIDE, slots=3, precision=precision)
    return ImageStream.build(build.with_accelerator(accelerator), lambda text, fraction: None)


def still(index: int) -> NDArray[np.uint8]:
    return np.random.default_rng(index).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def play(stream: ImageStream, count: int = 15) -> dict[object, NDArray[np.uint8]]:
    """Draw `count` frames with the looks in turn, and check that each comes out once and in order."""
    out: list[StreamedFrame] = []
    for index in range(count):
        look = without_morph(LOOKS[index % len(LOOKS)])
        while not stream.free:
            out += stream.step()
        stream.admit(still(index), look, stream.encode(look.wording), index)
        out += stream.step()
    while stream.in_flight:
        out += stream.step()
    assert [frame.ticket for frame in out] == list(range(count))
    return {frame.ticket: frame.pixels for frame in out}


def largest(one: dict[object, NDArray[np.uint8]], other: dict[object, NDArray[np.uint8]]) -> int:
    return max(int(np.abs(one[ticket].astype(np.int16) - other[ticket]).max()) for ticket in one)


@pytest.fixture(scope="module")
def reference(folder: Path) -> dict[object, NDArray[np.uint8]]:
    return play(stream_on("eager", folder))


@pytest.fixture(scope="module")
def captured(folder: Path) -> ImageStream:
    return stream_on("cuda_graphs", folder)


def test_captured_steps_equal_plain(captured: ImageStream, reference: dict[object, NDArray[np.uint8]]) -> None:
    drawn = play(captured)
    assert largest(drawn, reference) <= LEVELS
    assert np.abs(drawn[0].astype(np.int16) - drawn[1]).mean() > 5


def test_every_size_and_terms_are_captured(captured: ImageStream) -> None:
    play(captured)
    sizes = [size for size, calls in captured.prepared.stream.calls.items() if calls]
    assert len(sizes) >= 3


class SlowDecoding:
    """Keeps the card busy behind each decoding, so that the next call of the network begins first."""

    def __init__(self, stream: ImageStream) -> None:
        self._begin = stream.prepared.engines.begin_decode

    def __call__(self, latent: torch.Tensor) -> object:
        assert self._begin is not None
        wait = self._begin(latent)
        torch.cuda._sleep(20_000_000)
        return wait


def test_slow_decoder_overlaps(
    captured: ImageStream, reference: dict[object, NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captured, "_begin_decode", SlowDecoding(captured))
    assert largest(play(captured), reference) <= LEVELS


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """Let every call raise that makes the host wait for the card. The event that delivers pixels does not count."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("feedback", [0.0, 0.5])
def test_turn_never_waits_for_the_stream(captured: ImageStream, no_waiting: None, feedback: float) -> None:
    look = without_morph(LOOKS[0].model_copy(update={"feedback": feedback, "feedback_zoom": 1.1}))
    conditioning = captured.encode(look.wording)
    for index in range(12):
        if captured.free:
            captured.admit(still(index), look, conditioning, index)
        captured.step()
    captured.clear()


@pytest.mark.parametrize("name", [name for name in registry.ACCELERATORS if name not in ("openvino", "mps", "eager")])
def test_accelerator_equals_eager(name: str, folder: Path, reference: dict[object, NDArray[np.uint8]]) -> None:
    try:
        stream = stream_on(name, folder)
    except AcceleratorUnavailable as error:
        pytest.skip(str(error))
    assert stream.description["device"].startswith("cuda")
    assert largest(play(stream), reference) <= 2 * LEVELS


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_draws_the_same(
    precision: str, folder: Path, reference: dict[object, NDArray[np.uint8]]
) -> None:
    drawn = play(stream_on("cuda_graphs", folder, precision))
    means = [np.abs(drawn[ticket].astype(np.int16) - reference[ticket]).mean() for ticket in drawn]
    assert max(means) < HALF_LEVELS


@pytest.mark.parametrize("family", ["sdxl", "sd3", "flux", "flux2", "sana", "z-image", "hunyuan-image"])
def test_family_on_the_card(family: str, tmp_path: Path) -> None:
    folder = write_family_folder(family, tmp_path / "model")
    looks = [Parameters(prompt=(WeightedPrompt(text=text),), steps=2, strength=1.0) for text in ("ink", "neon fire")]
    pictures = []
    for accelerator in ("eager", "cuda_graphs"):
        stream, drawn = stream_on(accelerator, folder), []
        for look in map(without_morph, looks):
            stream.admit(still(0), look, stream.encode(look.wording))
        while stream.in_flight:
            drawn += [frame.pixels.astype(np.int16) for frame in stream.step()]
        pictures.append(drawn)
    assert max(np.abs(one - other).max() for one, other in zip(*pictures, strict=True)) <= LEVELS
    assert np.abs(pictures[0][0] - pictures[0][1]).mean() > 1


def stream_or_skip(accelerator: str, folder: Path, precision: str = "float32") -> ImageStream:
    """Return a stream, or skip the test where this machine lacks the accelerator."""
    try:
        return stream_on(accelerator, folder, precision)
    except AcceleratorUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("accelerator", ["cuda_graphs", "compile", "tensorrt", "tensorrt_rtx", "onnxruntime"])
def test_nothing_was_left_uncaptured(
    accelerator: str, folder: Path, caplog: pytest.LogCaptureFixture, reference: dict[object, NDArray[np.uint8]]
) -> None:
    """A capture that fails leaves one sentence, and a slower show: it has to be seen here."""
    stream = stream_or_skip(accelerator, folder)
    assert largest(play(stream), reference) <= 2 * LEVELS
    assert not [record.message for record in caplog.records if "kernel by kernel" in record.message]
    assert stream.prepared.engines.remarks == ()


def test_failed_capture_leaves_the_stream() -> None:
    """Torch stays on the stream of a capture that fails, and its next work would be captured too."""
    before = torch.cuda.current_stream()

    def wait(tensor: torch.Tensor) -> torch.Tensor:
        if torch.cuda.is_current_stream_capturing():
            torch.cuda.synchronize()  # not permitted there
        return tensor * 2

    captured = CapturedCall("the decoder", wait, torch.zeros(4, device="cuda"), cuda_recorder())
    assert "can't be captured as a CUDA graph" in captured.problem
    assert torch.cuda.current_stream() == before
    assert captured(torch.full((4,), 3.0, device="cuda")).tolist() == [6.0] * 4


def test_recorded_autoencoder_equals_plain(captured: ImageStream, folder: Path) -> None:
    plain = stream_on("eager", folder).prepared.engines
    recorded = captured.prepared.engines
    for index in range(3):
        picture = torch.from_numpy(still(index)).unsqueeze(0)
        latent = plain.encode(picture)
        torch.testing.assert_close(recorded.encode(picture), latent, rtol=1e-3, atol=1e-3)
        pixels = [engines.decode(latent).clone().short() for engines in (plain, recorded)]
        assert (pixels[0] - pixels[1]).abs().max() <= LEVELS


def test_hot_sizes_have_their_own_profile(folder: Path) -> None:
    stream = stream_or_skip("tensorrt", folder)
    network = stream.prepared.engines.denoiser._network  # type: ignore[attr-defined]
    chosen = {shapes[0][0]: bound._context.active_optimization_profile for shapes, bound in network._contexts.items()}
    assert {rows: chosen[rows] for rows in HOT_ROWS} == {rows: place + 1 for place, rows in enumerate(HOT_ROWS)}
    assert {chosen[rows] for rows in chosen if rows not in HOT_ROWS} == {0}


@pytest.mark.parametrize("precision", ["fp8", "int8"])
@pytest.mark.parametrize("accelerator", ["tensorrt", "tensorrt_rtx"])
def test_eight_bits_draw_nearly_the_same(
    accelerator: str, precision: str, folder: Path, reference: dict[object, NDArray[np.uint8]]
) -> None:
    pytest.importorskip("modelopt", reason="the extra fp8 is not installed")
    stream = stream_or_skip(accelerator, folder, precision)
    if stream.description["precision"] != precision:
        pytest.skip(stream.description["why"])
    drawn = play(stream)
    means = [np.abs(drawn[ticket].astype(np.int16) - reference[ticket]).mean() for ticket in drawn]
    other = np.abs(reference[0].astype(np.int16) - reference[1]).mean()
    assert max(means) < min(2 * HALF_LEVELS, other)


def test_sums_in_half_draw_the_same(folder: Path, reference: dict[object, NDArray[np.uint8]]) -> None:
    drawn = play(stream_or_skip("cuda_graphs", folder, "float16_sums"))
    try:
        assert torch.backends.cuda.matmul.allow_fp16_accumulation
        means = [np.abs(drawn[ticket].astype(np.int16) - reference[ticket]).mean() for ticket in drawn]
        assert max(means) < HALF_LEVELS
    finally:
        torch.backends.cuda.matmul.allow_fp16_accumulation = False


def test_network_goes_before_the_decoder(folder: Path, reference: dict[object, NDArray[np.uint8]]) -> None:
    """On the stream of a live show, which is not the default one, each picture is the same."""
    before = torch.cuda.current_stream()
    try:
        prefer_network()
        assert torch.cuda.current_stream().priority < 0
        assert largest(play(stream_on("cuda_graphs", folder)), reference) <= LEVELS
    finally:
        torch.cuda.set_stream(before)


def test_memory_returns_with_the_stream(folder: Path) -> None:
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    stream = stream_on("cuda_graphs", folder, "float16")
    play(stream, 6)
    held = torch.cuda.memory_allocated() - before
    assert held > 0
    del stream
    deadline = time.monotonic() + 10
    while torch.cuda.memory_allocated() - before > held / 10 and time.monotonic() < deadline:
        gc.collect()
        torch.cuda.empty_cache()
    assert torch.cuda.memory_allocated() - before <= held / 10
