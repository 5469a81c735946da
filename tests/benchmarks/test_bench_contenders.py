"""Who takes part in the paper's evaluation: what each contender draws, and what its network gets."""

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
from benchmarks.paper.stream_contender import StreamContender
from benchmarks.paper.streamdiffusion_rival import StreamDiffusionRival
from io_bridges.card import draw_card
from pipeline.accelerators import compiled, registry
from pipeline.accelerators.transfer import Decoding
from pipeline.image_stream import ImageStream
from pipeline.models import load_model
from presets.errors import AcceleratorUnavailable
from presets.parameters import Parameters

SIDE = 64
CASES = [*product(("text", "image"), (1.0, 2.0))]
pytestmark = pytest.mark.usefixtures("one_thread")


def pictures(drawer: Contender, look: Parameters, seeds: range) -> list[Pixels]:
    """One of each seed, whenever they come out."""
    drawer.begin(look)
    drawn: list[Pixels] = []
    for seed in seeds:
        drawn += drawer.draw(draw_card(11 * seed, SIDE, SIDE).copy(), seed)
    return drawn


@pytest.mark.parametrize("model", ["shipped", "perflow"])
def test_the_vanilla_loop_diffusers_and_the_stream_draw_the_same(model: str, perflow_folder: Path) -> None:
    subject = ContenderConfig("shipped" if model == "shipped" else str(perflow_folder), SIDE, SIDE, "float32", 2)
    vanilla, diffusers = VanillaLoop(subject), DiffusersPipeline(subject)
    streams = [StreamContender(subject, "eager", **settings) for settings in ({}, {"alone": True}, {"one_call": False})]
    for mode, guidance in CASES:
        look = Parameters(mode=mode, strength=0.95, steps=2, guidance=guidance, prompt="fire")
        expected = pictures(vanilla, look, range(2))
        other = pictures(vanilla, look.model_copy(update={"guidance": 3.0}), range(2))
        assert np.abs(expected[0].astype(int) - expected[1]).max() > 10, "sources and seeds are seen"
        if model == "shipped":  # random weights hardly hear their words
            assert np.abs(expected[0].astype(int) - other[0]).max() > 10, "guidance is heard"
        found = [pictures(diffusers, look, range(2)), *(pictures(stream, look, range(3))[:2] for stream in streams)]
        for drawn in found:
            for one, picture in zip(expected, drawn, strict=True):
                assert np.abs(one.astype(int) - picture).max() <= 1, "but for the rounding to 8 bits"


@pytest.mark.parametrize(("one_call", "sizes"), [(True, [2]), (False, [1, 1])])
def test_one_call_or_one_for_each_timestep_is_what_the_network_gets(one_call: bool, sizes: list[int]) -> None:
    stream = StreamContender(ContenderConfig("shipped", SIDE, SIDE, "float32", 2), "eager", one_call=one_call)
    stream.begin(Parameters(mode="text", steps=2))
    card = draw_card(0, SIDE, SIDE).copy()
    stream.draw(card, 0)
    called: list[int] = []
    whole = torch.nn.Module.__call__

    def watched(module: torch.nn.Module, *given: Any, **settings: Any) -> Any:
        if type(module).__name__ == "UNet2DConditionModel":
            called.append(len(given[0]))
        return whole(module, *given, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Module, "__call__", watched)
        stream.draw(card, 1)  # one picture at its second step, one at its first
    assert called == sizes


@pytest.mark.parametrize("full_autoencoder", [False, True])
@pytest.mark.parametrize("overlap", [True, False])
def test_without_the_overlap_a_decoding_is_waited_for_before_the_next_step_begins(
    overlap: bool, full_autoencoder: bool, perflow_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The engines of torch.compile, uncompiled: they decode beside the next step wherever the device can.
    monkeypatch.setattr(compiled, "_compile", lambda network, kinds: None)
    row = registry.ACCELERATORS["compile"]._replace(missing=lambda: "")
    monkeypatch.setitem(registry.ACCELERATORS, "compile", row)
    happened: list[str] = []
    begin, networks, call = Decoding.begin, [], torch.nn.Module.__call__

    def begun(decoding: Decoding, latent: torch.Tensor) -> Any:
        happened.append("begun")
        wait = begin(decoding, latent)

        def waited() -> torch.Tensor:
            happened.append("waited for")
            return wait()

        return waited

    def called(module: torch.nn.Module, *given: Any, **settings: Any) -> Any:
        name = type(module).__name__
        if name == "UNet2DConditionModel":
            happened.append("step")
        if name in ("AutoencoderKL", "Decoder", "DecoderTiny"):
            networks.append(name)
        return call(module, *given, **settings)

    monkeypatch.setattr(Decoding, "begin", begun)
    subject = ContenderConfig(str(perflow_folder), SIDE, SIDE, "float32", 2, full_autoencoder=full_autoencoder)
    stream = StreamContender(subject, "compile", overlap=overlap)
    stream.begin(Parameters(mode="text", steps=2))
    monkeypatch.setattr(torch.nn.Module, "__call__", called)
    happened.clear()
    card = draw_card(0, SIDE, SIDE).copy()
    drawn = [len(stream.draw(card, seed)) for seed in range(4)]
    if overlap:
        assert happened == ["step", "step", "begun", *["step", "waited for", "begun"] * 2]
    else:
        assert happened == ["step", *["step", "begun", "waited for"] * 3]
    assert drawn == ([0, 0, 1, 1] if overlap else [0, 1, 1, 1])
    assert set(networks) == {"Decoder" if full_autoencoder else "DecoderTiny"}


def test_an_accelerator_that_decodes_before_the_next_step_has_no_overlap_to_be_without() -> None:
    with pytest.raises(AcceleratorUnavailable, match="eager decodes before the next step"):
        StreamContender(ContenderConfig("shipped", SIDE, SIDE, "float32", 1), "eager", overlap=False)


def test_pictures_that_begin_together_come_out_together() -> None:
    stream = StreamContender(ContenderConfig("shipped", SIDE, SIDE, "float32", 2), "eager", buffer=2)
    stream.begin(Parameters(mode="text", steps=2))
    card = draw_card(0, SIDE, SIDE).copy()
    assert [len(stream.draw(card, seed)) for seed in range(8)] == [0, 0, 0, 2, 0, 2, 0, 2]


def test_a_turn_of_the_same_look_goes_on_with_what_is_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contender_process, "CARDS", 8)
    one = contender_process.ContenderHost()
    one.build("stream", ContenderConfig("shipped", SIDE, SIDE, "float32", 4)._asdict(), accelerator="eager")
    steps: list[int] = []
    step = ImageStream.step

    def counted(stream: ImageStream) -> Any:
        steps.append(stream.in_flight)
        return step(stream)

    monkeypatch.setattr(ImageStream, "step", counted)
    look = {"mode": "text", "steps": 4}
    for turn in range(3):
        assert one.turn(look, 0.0)["pictures"] == 2
        assert steps == ([1, 2, 3] if turn == 0 else []) + [4] * 3, (
            "filled once; then one to warm up and two that count"
        )
        steps.clear()
    one.turn(look | {"steps": 2}, 0.0)
    assert steps == [1, 2, 2, 2], "another look begins anew"


def test_streamdiffusion_is_fed_the_same_network_steps_and_batch() -> None:
    pytest.importorskip("streamdiffusion", reason=streamdiffusion_rival.INSTALL)
    drawer = StreamDiffusionRival(ContenderConfig("shipped", SIDE, SIDE, "float32", 2))
    for mode, guidance in CASES:
        called: list[int] = []
        network = drawer._torch.unet
        hook = network.register_forward_pre_hook(lambda module, given, called=called: called.append(len(given[0])))
        drawn = pictures(drawer, Parameters(mode=mode, steps=2, guidance=guidance), range(4))
        hook.remove()
        assert len(drawn) == 3
        assert called == [2 if guidance == 1.0 else 4] * 4
        assert all(picture.shape == (SIDE, SIDE, 3) for picture in drawn)


def test_the_true_architecture_is_as_large_as_the_published_one(perflow_folder: Path) -> None:
    import diffusers
    import transformers

    told = ARCHITECTURES["sd15-perflow"]
    with torch.device("meta"):
        networks: dict[int, Any] = {
            859_520_964: diffusers.UNet2DConditionModel(**told.unet),
            83_653_863: diffusers.AutoencoderKL(**told.full_autoencoder),
            2_445_063: diffusers.AutoencoderTiny(**told.autoencoder),
            123_060_480: transformers.CLIPTextModel(transformers.CLIPTextConfig(**told.text_encoder)),
        }
    for weights, network in networks.items():
        assert sum(each.numel() for each in network.parameters()) == weights
    # A small one takes the ordinary way of every model, PeRFlow's solver included, and is the same every time.
    model = load_model(perflow_folder)
    assert model.classes["scheduler"] == "PeRFlowScheduler"
    assert model.schedule(4, 1.0).timestep.tolist() == [1000, 750, 500, 250]
    assert model.conditioning.embeds == (12, 16)
