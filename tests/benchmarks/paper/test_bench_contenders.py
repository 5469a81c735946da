"""Contenders of the paper's evaluation: the frames they draw, and the calls of their networks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.paper import contender_process, streamdiffusion_rival
from benchmarks.paper.architectures import ARCHITECTURES
from benchmarks.paper.baselines import DiffusersPipeline, VanillaLoop
from benchmarks.paper.contender import Contender, ContenderConfig, Pixels
from benchmarks.paper.random_model import write_random_model
from benchmarks.paper.stream_contender import StreamContender
from benchmarks.paper.streamdiffusion_rival import StreamDiffusionRival
from io_bridges.card import draw_card
from pipeline.accelerators import compiled, registry
from pipeline.accelerators.transfer import OverlappedDecoder
from pipeline.image_stream import ImageStream
from presets.errors import AcceleratorUnavailable
from presets.parameters import Parameters

SIDE = 64
CASES = [*product(("text", "image"), (1.0, 2.0))]
CARD = draw_card(0, SIDE, SIDE).copy()
pytestmark = pytest.mark.usefixtures("one_thread")


def draw(contender: Contender, look: Parameters, seeds: range) -> list[Pixels]:
    """Return the frames of all seeds, in the order they are finished."""
    contender.begin(look)
    drawn: list[Pixels] = []
    for seed in seeds:
        drawn += contender.draw(draw_card(11 * seed, SIDE, SIDE).copy(), seed)
    return drawn


@contextmanager
def watched_calls(on_call: Callable[[str, tuple[Any, ...]], None]) -> Iterator[None]:
    """Report the class name and arguments of every module call."""
    call = torch.nn.Module.__call__

    def watched(module: torch.nn.Module, *given: Any, **settings: Any) -> Any:
        on_call(type(module).__name__, given)
        return call(module, *given, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Module, "__call__", watched)
        yield


@pytest.mark.parametrize("model", ["shipped", "perflow", "sees its source"])
def test_all_contenders_draw_the_same(model: str, perflow_folder: Path, tmp_path: Path) -> None:
    folder = {"shipped": "shipped", "perflow": str(perflow_folder)}.get(model, str(tmp_path / "model"))
    if model == "sees its source":
        tiny = ARCHITECTURES["tiny-perflow"]
        write_random_model(tiny._replace(unet=dict(tiny.unet) | {"in_channels": 8}), tmp_path / "model")
    config = ContenderConfig(folder, SIDE, SIDE, "float32", 2)
    vanilla, diffusers = VanillaLoop(config), DiffusersPipeline(config)
    streams = [StreamContender(config, "eager", **settings) for settings in ({}, {"alone": True}, {"one_call": False})]
    for mode, guidance in CASES:
        look = Parameters(mode=mode, strength=0.95, steps=2, guidance=guidance, prompt="fire")
        expected = draw(vanilla, look, range(2))
        other = draw(vanilla, look.model_copy(update={"guidance": 3.0}), range(1))
        assert np.abs(expected[0].astype(int) - expected[1]).max() > 10, "source and seed matter"
        if model == "shipped":  # random weights hardly react to the prompt
            assert np.abs(expected[0].astype(int) - other[0]).max() > 10, "guidance matters"
        found = [draw(diffusers, look, range(2)), *(draw(stream, look, range(3))[:2] for stream in streams)]
        for drawn in found:
            for one, frame in zip(expected, drawn, strict=True):
                assert np.abs(one.astype(int) - frame).max() <= 1, "equal except for rounding to 8 bits"


@pytest.mark.parametrize(("one_call", "sizes"), [(True, [2]), (False, [1, 1])])
def test_calls_per_step(one_call: bool, sizes: list[int]) -> None:
    stream = StreamContender(ContenderConfig("shipped", SIDE, SIDE, "float32", 2), "eager", one_call=one_call)
    stream.begin(Parameters(mode="text", steps=2))
    stream.draw(CARD, 0)
    rows: list[int] = []

    def on_call(name: str, given: tuple[Any, ...]) -> None:
        if name == "UNet2DConditionModel":
            rows.append(len(given[0]))

    with watched_calls(on_call):
        stream.draw(CARD, 1)  # one frame at its second step, one at its first
    assert rows == sizes


@pytest.mark.parametrize("full_autoencoder", [False, True])
@pytest.mark.parametrize("overlap", [True, False])
def test_overlap_of_decoding(
    overlap: bool, full_autoencoder: bool, perflow_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The engines of torch.compile, not compiled. They decode beside the next step on any device.
    monkeypatch.setattr(compiled, "_compile", lambda network, kinds: None)
    row = registry.ACCELERATORS["compile"]._replace(missing=lambda: "")
    monkeypatch.setitem(registry.ACCELERATORS, "compile", row)
    events: list[str] = []
    decoders: set[str] = set()
    begin = OverlappedDecoder.begin

    def watched_begin(decoding: OverlappedDecoder, latent: torch.Tensor) -> Any:
        events.append("begin")
        wait = begin(decoding, latent)

        def watched_wait() -> torch.Tensor:
            events.append("wait")
            return wait()

        return watched_wait

    def on_call(name: str, given: tuple[Any, ...]) -> None:
        if name == "UNet2DConditionModel":
            events.append("step")
        if name in ("AutoencoderKL", "Decoder", "DecoderTiny"):
            decoders.add(name)

    monkeypatch.setattr(OverlappedDecoder, "begin", watched_begin)
    config = ContenderConfig(str(perflow_folder), SIDE, SIDE, "float32", 2, full_autoencoder=full_autoencoder)
    stream = StreamContender(config, "compile", overlap=overlap)
    stream.begin(Parameters(mode="text", steps=2))
    events.clear()
    with watched_calls(on_call):
        drawn = [len(stream.draw(CARD, seed)) for seed in range(4)]
    if overlap:
        assert events == ["step", "step", "begin", *["step", "wait", "begin"] * 2]
    else:
        assert events == ["step", *["step", "begin", "wait"] * 3]
    assert drawn == ([0, 0, 1, 1] if overlap else [0, 1, 1, 1])
    assert decoders == {"Decoder" if full_autoencoder else "DecoderTiny"}


def test_no_overlap_to_remove() -> None:
    with pytest.raises(AcceleratorUnavailable, match="eager decodes before the next step"):
        StreamContender(ContenderConfig("shipped", SIDE, SIDE, "float32", 1), "eager", overlap=False)


def test_buffer_of_two_frames() -> None:
    stream = StreamContender(ContenderConfig("shipped", SIDE, SIDE, "float32", 2), "eager", buffer=2)
    stream.begin(Parameters(mode="text", steps=2))
    assert [len(stream.draw(CARD, seed)) for seed in range(8)] == [0, 0, 0, 2, 0, 2, 0, 2]


def test_turn_continues_full_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contender_process, "CARDS", 8)
    host = contender_process.ContenderHost()
    host.build("stream", ContenderConfig("shipped", SIDE, SIDE, "float32", 4)._asdict(), accelerator="eager")
    in_flight: list[int] = []
    step = ImageStream.step

    def watched_step(stream: ImageStream) -> Any:
        in_flight.append(stream.in_flight)
        return step(stream)

    monkeypatch.setattr(ImageStream, "step", watched_step)
    look = {"mode": "text", "steps": 4}
    for turn in range(3):
        assert host.turn(look, 0.0)["pictures"] == 2
        # Filled once. Then one frame to warm up, and two that count.
        assert in_flight == ([1, 2, 3] if turn == 0 else []) + [4] * 3
        in_flight.clear()
    host.turn(look | {"steps": 2}, 0.0)
    assert in_flight == [1, 2, 2, 2], "another look empties the stream"


def test_streamdiffusion_batch_and_steps(perflow_folder: Path) -> None:
    pytest.importorskip("streamdiffusion", reason=streamdiffusion_rival.INSTALL)
    with pytest.raises(AcceleratorUnavailable, match="latents of 4 channels; those of shipped have 24"):
        StreamDiffusionRival(ContenderConfig("shipped", SIDE, SIDE, "float32", 2))
    contender = StreamDiffusionRival(ContenderConfig(str(perflow_folder), SIDE, SIDE, "float32", 2))
    for mode, guidance in CASES:
        rows: list[int] = []
        network = contender._torch.unet
        hook = network.register_forward_pre_hook(lambda module, given, rows=rows: rows.append(len(given[0])))
        drawn = draw(contender, Parameters(mode=mode, steps=2, guidance=guidance), range(4))
        hook.remove()
        assert len(drawn) == 3
        assert rows == [2 if guidance == 1.0 else 4] * 4
        assert all(frame.shape == (SIDE, SIDE, 3) for frame in drawn)
