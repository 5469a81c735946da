"""Pixels to pixels: equal to diffusers' own scheduler, in order, and with an effect of every live parameter."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.accelerators import eager
from pipeline.accelerators.engines import Preparation, Shapes
from pipeline.accelerators.openvino import precisions
from pipeline.conditioning import Conditioning, ConditioningShape, EncodedText
from pipeline.guidance import GUIDANCE_KINDS, Guidance, GuidanceKind
from pipeline.image_stream import ImageStream, StreamedFrame
from pipeline.models import Model, load_model
from pipeline.noise import ENTRY, unit_noise
from pipeline.stream import StreamPipeline
from presets.build import Build
from presets.errors import AcceleratorUnavailable, ModelError, StreamError
from presets.frame_parameters import NoiseWeight, without_morph
from presets.parameters import Parameters, WeightedPrompt

LATENT, TOKENS = (4, 8, 8), (12, 16)


@pytest.fixture(scope="module")
def model(tiny_folder: Path) -> Model:
    return load_model(tiny_folder)


def build_of(folder: Path, accelerator: str = "eager", cache: Path | None = None, slots: int = 4) -> Build:
    return Build(model=str(folder), width=64, height=64, accelerator=accelerator, slots=slots, threads=1, cache=cache)


@pytest.fixture(scope="module")
def stream(tiny_folder: Path) -> ImageStream:
    return ImageStream.build(build_of(tiny_folder), lambda text, fraction: None)


@pytest.fixture(scope="module")
def _shipped() -> ImageStream:
    return ImageStream.build(
        Build(width=64, height=64, accelerator="eager", slots=4, threads=1), lambda text, fraction: None
    )


@pytest.fixture
def shipped(_shipped: ImageStream) -> ImageStream:
    """The shipped model. A random encoder hardly distinguishes two sources; this one does."""
    _shipped.clear()
    return _shipped


@pytest.fixture(autouse=True)
def _empty(stream: ImageStream) -> None:
    stream.clear()


def photograph(index: int = 0) -> NDArray[np.uint8]:
    y, x = np.mgrid[:64, :64]
    channels = [128 + 120 * np.sin(x / (5 + index) + y / 9 * phase) for phase in (0.3, 1.0, 2.1)]
    return np.stack(channels, -1).astype(np.uint8)


def look(text: str = "neon tunnel", **values: object) -> Parameters:
    return Parameters(**({"prompt": (WeightedPrompt(text=text),)} | values))


def draw(stream: ImageStream, pixels: NDArray[np.uint8] | None, parameters: Parameters) -> NDArray[np.uint8]:
    moment = without_morph(parameters)
    stream.admit(pixels, moment, stream.encode(moment.wording), "it")
    finished: list[StreamedFrame] = []
    while stream.in_flight:
        finished += stream.step()
    assert [picture.ticket for picture in finished] == ["it"]
    return finished[0].pixels


def words(seed: int) -> Conditioning:
    generator = torch.Generator().manual_seed(seed)
    return Conditioning(
        EncodedText(torch.randn(TOKENS, generator=generator)), EncodedText(torch.randn(TOKENS, generator=generator))
    )


def diffusers_alone(model: Model, text: Conditioning, steps: int, guidance: float, seed: int) -> torch.Tensor:
    """Return the final latent of diffusers' scheduler and the model's network, without the code under test."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(model.folder / "scheduler")
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps))
    z = unit_noise(seed, ENTRY, LATENT)[None]
    with torch.no_grad():
        for t in scheduler.timesteps:
            out = model.denoiser(z, t, text.positive.embeds[None]).sample
            if guidance != 1:
                away = model.denoiser(z, t, text.negative.embeds[None]).sample
                out = away + guidance * (out - away)
            z = scheduler.step(out, t, z).prev_sample
    return z[0]


@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_latents_match_diffusers(model: Model, guidance: float) -> None:
    engines = eager.build(model, Shapes(64, 64, LATENT, TOKENS, 8), Preparation(lambda text, fraction: None))
    stream = StreamPipeline(
        engines.denoiser, slots=4, latent_shape=LATENT, conditioning=ConditioningShape(TOKENS), sizes=engines.sizes
    )
    moved = diffusers_alone(model, words(0), 4, guidance, 0) - diffusers_alone(model, words(1), 4, guidance, 0)
    assert moved.abs().max() > 100 * 1e-4
    out: dict[object, torch.Tensor] = {}
    index = 0
    while len(out) < 6:
        if index < 6:  # one a step, so that the batch is mixed: each picture at another timestep
            noise = (NoiseWeight(index),)
            stream.admit(
                None, model.schedule(4, 1.0), words(index), guidance=Guidance(guidance), noise=noise, ticket=index
            )
            index += 1
        out |= {ticket: latent.clone() for latent, ticket in stream.step()}
    for ticket, latent in out.items():
        expected = diffusers_alone(model, words(ticket), 4, guidance, ticket)
        torch.testing.assert_close(latent, expected, rtol=0, atol=1e-4)


def test_four_together_are_four_alone(stream: ImageStream) -> None:
    looks = [look(text, seed=seed) for seed, text in enumerate(("neon", "blue rings", "fire", "green cells"))]
    alone = [draw(stream, photograph(index), each) for index, each in enumerate(looks)]
    for index, each in enumerate(looks):
        stream.admit(photograph(index), without_morph(each), stream.encode(without_morph(each).wording), index)
    together: list[StreamedFrame] = []
    while stream.in_flight:
        together += stream.step()
    assert [picture.ticket for picture in together] == [0, 1, 2, 3]
    for picture, expected in zip(together, alone, strict=True):
        assert np.abs(picture.pixels.astype(int) - expected).max() <= 1
    assert np.abs(alone[0].astype(int) - alone[1]).max() > 5


@pytest.mark.parametrize(
    "changed",
    [
        {"text": "blue rings"},
        {"strength": 0.6},
        {"steps": 2},
        {"seed": 7},
        {"guidance": 6.0},
        {"guidance": 3.0, "negative_prompt": "grey fog"},
        {"guidance": 3.0, "guidance_kind": "self_negative"},
        {"guidance": 3.0, "guidance_kind": "onetime_negative"},
        {"guidance": 3.0, "guidance_kind": "free"},
        {"mode": "text"},
    ],
)
def test_every_frame_control_shows(stream: ImageStream, changed: dict[str, object]) -> None:
    before = {"guidance": 3.0} if "negative_prompt" in changed or "guidance_kind" in changed else {}
    plain = draw(stream, photograph(), look(**before))
    assert (draw(stream, photograph(), look(**changed)) != plain).any()


def test_source_counts_in_image_mode_only(stream: ImageStream) -> None:
    def same(parameters: Parameters) -> bool:
        return bool((draw(stream, photograph(0), parameters) == draw(stream, photograph(3), parameters)).all())

    assert not same(look(strength=0.6))
    assert same(look(strength=1.0))
    assert same(look(mode="text", strength=0.6))
    assert (draw(stream, None, look()) == draw(stream, photograph(), look(mode="text"))).all()


def test_strength_zero_is_the_autoencoder(stream: ImageStream, model: Model) -> None:
    picture = torch.from_numpy(photograph()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        through = model.autoencoder.decode(model.autoencoder.encode(picture).latents).sample
    expected = ((through + 1) * 127.5).round().clamp(0, 255)[0].permute(1, 2, 0).numpy()
    for text in ("neon", "blue rings"):  # the prompt has no other way into the picture than the network
        out = draw(stream, photograph(), look(text, strength=0.0))
        assert np.abs(out.astype(float) - expected).max() <= 1


def test_still_input_gives_still_output(stream: ImageStream) -> None:
    one = draw(stream, photograph(), look())
    for seed in range(3):  # other slots, other neighbours
        stream.admit(
            photograph(1), without_morph(look(seed=seed)), stream.encode(without_morph(look()).wording), "other"
        )
        stream.step()
    stream.clear()
    assert (draw(stream, photograph(), look()) == one).all()


def test_pixels_stay_what_they_were(stream: ImageStream) -> None:
    one = draw(stream, photograph(), look())
    kept = one.copy()
    for seed in range(5):
        draw(stream, photograph(1), look(seed=seed))
    assert (one == kept).all()
    assert (one.dtype, one.shape, one.flags.c_contiguous) == (np.uint8, (64, 64, 3), True)


def warped(pixels: NDArray[Any], rotate: float) -> NDArray[Any]:
    """Return the result of OpenCV's own rotation matrix about the centre."""
    matrix = cv2.getRotationMatrix2D((31.5, 31.5), rotate, 1.0)
    out: NDArray[Any] = cv2.warpAffine(pixels, matrix, (64, 64), borderMode=cv2.BORDER_REFLECT)
    return out


def test_feedback_mixes_last_output(shipped: ImageStream) -> None:
    plain, fed = look(strength=0.7), look(strength=0.7, feedback=0.4, feedback_rotate=30.0)
    last = draw(shipped, photograph(1), fed)
    assert (last == draw(shipped, photograph(1), plain)).all(), "there was no output to feed back"
    shipped.clear()
    last = draw(shipped, photograph(1), fed)
    out = draw(shipped, photograph(0), fed)
    mixed = cv2.addWeighted(photograph(0), 0.6, warped(last, 30.0), 0.4, 0)
    assert np.abs(draw(shipped, mixed, plain).astype(int) - out).max() <= 2  # matrices differ in the last place
    assert np.abs(draw(shipped, photograph(0), plain).astype(int) - out).max() > 20
    shipped.clear()
    assert (draw(shipped, photograph(0), fed) == draw(shipped, photograph(0), plain)).all(), "clear forgets"


def test_feedback_without_source(shipped: ImageStream) -> None:
    text = look(mode="text", strength=0.7, feedback=0.1, feedback_rotate=30.0)
    first = draw(shipped, photograph(0), text)
    assert (first == draw(shipped, None, look())).all(), "it begins from noise alone"
    for pixels, parameters in ((photograph(0), text), (None, text), (None, text.model_copy(update={"mode": "image"}))):
        last = draw(shipped, photograph(1), look())
        out = draw(shipped, pixels, parameters)
        same = draw(shipped, warped(last, 30.0), look(strength=0.7, structure=0.0))  # it begins there, and is no source
        assert np.abs(same.astype(int) - out).max() <= 2
        assert np.abs(first.astype(int) - out).max() > 20
    at_full = text.model_copy(update={"strength": 1.0})
    assert (draw(shipped, None, at_full) == first).all(), "at strength 1 it is text-to-image, whatever came before"


def test_feedback_takes_newest_output(shipped: ImageStream) -> None:
    fed = look(strength=0.7, feedback=0.5, feedback_rotate=10.0)
    outputs: list[NDArray[np.uint8]] = []
    for index in range(8):
        shipped.admit(photograph(index), without_morph(fed), shipped.encode(without_morph(fed).wording), index)
        outputs += [picture.pixels for picture in shipped.step()]
    in_flight = shipped.in_flight + 1
    while shipped.in_flight:
        outputs += [picture.pixels for picture in shipped.step()]
    assert (in_flight, len(outputs)) == (3, 8)
    plain, mean = look(strength=0.7), np.zeros(0)
    for index, output in enumerate(outputs):
        came_in = photograph(index)
        if index >= in_flight:
            # Turned once for each picture since, from when the first output was there to be turned.
            since = min(index - in_flight + 1, in_flight)
            newest = warped(outputs[index - in_flight].astype(np.float32), since * 10.0)
            # A running mean, once the first output that something was fed back into is out.
            started = index >= 2 * in_flight
            mean = warped(mean, 10.0) * (1 - 1 / since) + newest / since if started else newest
            came_in = cv2.addWeighted(came_in, 0.5, mean.round().astype(np.uint8), 0.5, 0)
        assert np.abs(draw(shipped, came_in, plain).astype(int) - output).max() <= 3


@pytest.mark.parametrize("kind", GUIDANCE_KINDS)
def test_guidance_of_one_is_off(stream: ImageStream, kind: GuidanceKind) -> None:
    assert (draw(stream, photograph(), look(guidance_kind=kind)) == draw(stream, photograph(), look())).all()
    assert Guidance.equivalent_to_full(1.0, kind).scale == 1.0
    assert 1.0 < Guidance.equivalent_to_full(3.0, kind).scale <= Guidance.equivalent_to_full(3.0, "full").scale == 3.0


def test_openvino_plays_the_same_show(tiny_folder: Path, tmp_path: Path, stream: ImageStream) -> None:
    told: list[tuple[str, float]] = []
    fast = ImageStream.build(
        build_of(tiny_folder, "openvino", tmp_path, slots=2), lambda text, fraction: told.append((text, fraction))
    )
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions)
    assert told[-1] == ("ready", 1.0)
    assert fast.description["accelerator"] == "openvino"
    measured = "" if len(precisions()) == 1 else "; not measured yet"
    assert fast.description["why"] == f"asked for{measured}"
    assert fast.description["precision"] in ("bfloat16", "float32")
    for parameters in (look(), look(guidance=3.0), look(mode="text")):
        one, other = (draw(each, photograph(), parameters).astype(float) for each in (fast, stream))
        assert np.sqrt(np.mean((one - other) ** 2)) < 8  # of 255, in bfloat16


@pytest.mark.parametrize(
    ("pixels", "says"),
    [
        (np.zeros((64, 32, 3), np.uint8), r"uint8 \(64, 32, 3\); this stream takes uint8 \(64, 64, 3\)"),
        (np.zeros((64, 64, 3), np.float32), "float32"),
        (np.zeros((64, 64, 4), np.uint8), r"\(64, 64, 4\)"),
    ],
)
def test_other_pixels_are_refused(stream: ImageStream, pixels: NDArray[np.uint8], says: str) -> None:
    with pytest.raises(StreamError, match=says):
        stream.admit(pixels, without_morph(look()), stream.encode(without_morph(look()).wording))
    assert stream.in_flight == 0


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"model": "/nowhere/at/all"}, ModelError, "There is no model folder /nowhere/at/all"),
        ({"accelerator": "warp"}, AcceleratorUnavailable, "no accelerator 'warp'"),
        ({"width": 60}, StreamError, "width is 60; this model draws multiples of 8 pixels"),
        ({"height": 0}, StreamError, "height is 0"),
        ({"slots": 0}, StreamError, "slots is 0"),
    ],
)
def test_impossible_build_is_refused(
    tiny_folder: Path, change: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        ImageStream.build(build_of(tiny_folder).model_copy(update=change), lambda text, fraction: None)


@pytest.mark.parametrize("who", ["next", "all"])
def test_prompt_change_next_or_all(stream: ImageStream, who: str) -> None:
    def drawn(*texts: str) -> list[NDArray[np.uint8]]:
        """Draw frames, each admitted a step after the one before."""
        out: list[StreamedFrame] = []
        for index, text in enumerate(texts):
            moment = without_morph(look(text, steps=4, strength=1.0, seed=index, prompt_change=who))
            stream.admit(photograph(), moment, stream.encode(moment.wording), index)
            out += stream.step()
        while stream.in_flight:
            out += stream.step()
        return [picture.pixels for picture in out]

    neon, fire = drawn("neon", "neon"), drawn("fire", "fire")
    assert (neon[0] != fire[0]).any()
    first, second = drawn("neon", "fire")
    assert (second == fire[1]).all()
    if who == "next":
        assert (first == neon[0]).all()
    else:
        assert (first != neon[0]).any(), "its last rows were drawn with the new words"
        assert (first != fire[0]).any(), "and its first one with the old"


def test_frame_grows_from_its_noise(stream: ImageStream) -> None:
    def drawn(**values: object) -> NDArray[np.uint8]:
        return draw(stream, None, look(**values))

    assert (drawn(seed=3, seed_to=4, seed_mix=1.0) == drawn(seed=4)).all()
    between = drawn(seed=3, seed_to=4, seed_mix=0.5)
    assert (between != drawn(seed=3)).any()
    assert (between != drawn(seed=4)).any()
    moment = without_morph(look(seed=3))
    away = moment._replace(noise=(NoiseWeight(3, 1),))
    stream.admit(None, away, stream.encode(away.wording))
    (wandered,) = [picture.pixels for _ in range(4) for picture in stream.step()]
    assert (wandered != drawn(seed=3)).any()


@pytest.mark.parametrize(("precision", "played"), [("auto", "float32"), ("bfloat16", "bfloat16")])
def test_presets_choose_the_precision(precision: str, played: str, tiny_folder: Path) -> None:
    parameters = look(model=str(tiny_folder), width=64, height=64, accelerator="eager", precision=precision)
    build = Build.of(parameters, threads=1).model_copy(update={"slots": 1})
    stream = ImageStream.build(build, lambda text, fraction: None)
    assert stream.description["precision"] == played


def test_eight_bits_are_for_engines(tiny_folder: Path) -> None:
    build = build_of(tiny_folder).model_copy(update={"precision": "fp8"})
    with pytest.raises(AcceleratorUnavailable, match=r"eager torch can't compute in fp8 here\. Choose float32 or"):
        ImageStream.build(build, lambda text, fraction: None)
