"""A stream that reuses features draws what diffusers' blocks draw by hand, and what a plain stream draws where nothing
has changed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from deepcache import by_hand
from numpy.typing import NDArray

from pipeline.accelerators import eager
from pipeline.accelerators.engines import Preparation
from pipeline.conditioning import TextConditioner
from pipeline.image_stream import ImageStream
from pipeline.models import Model, load_model
from pipeline.noise import ENTRY, unit_noise
from pipeline.prepared_engines import model_shapes
from pipeline.slots import PictureReuse
from pipeline.stream import StreamPipeline
from presets.build import Build
from presets.frame_parameters import NoiseWeight, without_morph
from presets.parameters import Parameters, WeightedPrompt

SIDE, STEPS, CALLS = 64, 2, 9
LOOK: dict[str, Any] = {"steps": 2, "reuse_longest": 30, "reuse_change": 100.0, "strength": 0.8}


@pytest.fixture(scope="module")
def model(source_folder: Path) -> Model:
    return load_model(source_folder)


def image_stream(reuse: bool) -> ImageStream:
    """The shipped model, because a random one hardly tells two pictures apart."""
    build = Build(width=SIDE, height=SIDE, accelerator="eager", slots=4, threads=1, reuse=reuse)
    return ImageStream.build(build, lambda text, fraction: None)


@pytest.fixture(scope="module")
def plain() -> ImageStream:
    return image_stream(False)


@pytest.fixture(scope="module")
def reusing() -> ImageStream:
    return image_stream(True)


def picture(phase: float) -> NDArray[np.uint8]:
    y, x = np.mgrid[:SIDE, :SIDE]
    channels = [128 + 120 * np.sin((x + phase) / 9 + y / 7 * slope) for slope in (0.3, 1.0, 2.1)]
    return np.stack(channels, -1).astype(np.uint8)


def play(stream: ImageStream, pictures: Sequence[NDArray[np.uint8]], looks: Sequence[dict[str, Any]]) -> list[Any]:
    """Admit a picture before each call, as a show does, and return all that come out."""
    stream.clear()
    out = []
    for pixels, values in zip(pictures, looks, strict=True):
        moment = without_morph(Parameters(**LOOK | values))
        stream.admit(pixels, moment, stream.encode(moment.wording))
        out += stream.step()
    while stream.in_flight:
        out += stream.step()
    return [each.pixels for each in out]


def reused(stream: ImageStream) -> int:
    return stream.prepared.stream.reuse.reused


def differences(some: Sequence[NDArray[np.uint8]], others: Sequence[NDArray[np.uint8]]) -> list[int]:
    return [int(abs(one.astype(int) - other).max()) for one, other in zip(some, others, strict=True)]


@pytest.mark.parametrize("longest", [0, 1, 3])
def test_latents_equal_deepcache_by_hand(model: Model, preparation: Preparation, longest: int) -> None:
    """Two rows a picture and a source that moves. Features are those of the last whole call, of the same row."""
    shapes = model_shapes(model, SIDE, SIDE, 4, keeps=True)
    engines = eager.build(model, shapes, preparation)
    stream = StreamPipeline(
        engines.denoiser, slots=2, latent_shape=shapes.latent, conditioning=shapes.text, sizes=engines.sizes,
        sees_source=True, outer=engines.outer,
    )  # fmt: skip
    schedule, conditioning = (
        model.schedule(STEPS, 1.0),
        TextConditioner(model.text()).encode(without_morph(Parameters()).wording),
    )
    sources = torch.randn(CALLS, *shapes.latent, generator=torch.Generator().manual_seed(2))
    drawn = []
    for index, source in enumerate(sources):
        limits = PictureReuse(longest, 100.0, float(index))
        stream.admit(None, schedule, conditioning, source=source, noise=(NoiseWeight(5),), reuse=limits)
        drawn += [each.latent.clone() for each in stream.step()]
    start = unit_noise(5, ENTRY, shapes.latent) * schedule.init_noise_sigma
    latents, kept, expected, since = [start] * CALLS, {}, [], longest
    with torch.inference_mode():
        for call in range(CALLS):
            whole = call < STEPS or since == longest  # the batch grows until every row has a picture
            since = 0 if whole else since + 1
            for row in range(min(call + 1, STEPS)):
                index = call - row
                given = {
                    "sample": torch.cat([latents[index], sources[index]])[None],
                    "timestep": torch.tensor(schedule.timestep[row : row + 1].copy()),
                    "encoder_hidden_states": conditioning.positive.embeds[None],
                }
                out, features = by_hand(model.denoiser, given, None if whole else kept[row])
                kept[row] = features if whole else kept[row]
                latents[index] = float(schedule.a[row]) * latents[index] + float(schedule.b[row]) * out[0]
                expected += [latents[index]] if row == STEPS - 1 else []
    assert stream.reuse.reused == {0: 0, 1: 4, 3: 6}[longest]
    torch.testing.assert_close(torch.stack(drawn), torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_off_and_no_run_are_equal(plain: ImageStream, reusing: ImageStream) -> None:
    pictures = [picture(index) for index in range(8)]
    before = reused(reusing)
    expected = play(plain, pictures, [{}] * 8)
    for limits in ({"reuse_longest": 0}, {"reuse_change": 0.0}):
        assert differences(play(reusing, pictures, [limits] * 8), expected) == [0] * 8
    assert reused(reusing) == before


def test_still_picture_is_the_same(plain: ImageStream, reusing: ImageStream) -> None:
    pictures, before = [picture(0)] * 10, reused(reusing)
    assert max(differences(play(reusing, pictures, [{}] * 10), play(plain, pictures, [{}] * 10))) <= 1
    assert reused(reusing) - before == 8, "all calls of a full batch but the first"


def test_moving_picture_is_near(plain: ImageStream, reusing: ImageStream) -> None:
    pictures, before = [picture(40 * index) for index in range(12)], reused(reusing)
    expected, drawn = play(plain, pictures, [{}] * 12), play(reusing, pictures, [{"reuse_longest": 1}] * 12)
    assert reused(reusing) - before == 5
    assert max(differences(drawn, expected)) > 1, "features of another picture make a difference"
    error = [np.square(one.astype(float) - other).mean() for one, other in zip(drawn, expected, strict=True)]
    moved = [np.square(one.astype(float) - other).mean() for one, other in zip(expected[1:], expected, strict=False)]
    assert max(error) < np.median(moved), "a picture is nearer to itself than to the next one"


@pytest.mark.parametrize(
    "changed",
    [
        {"prompt": (WeightedPrompt(text="white ice"),)},
        {"prompt": (WeightedPrompt(text="white ice"),), "prompt_change": "all"},
        {"seed": 9},
        {"strength": 0.3},
        {"structure": 0.2},
        {"steps": 1},
        {"guidance": 4.0},
        {"image_guidance": 3.0},
        {"mode": "text"},
        {"feedback": 0.5},
    ],
    ids=lambda changed: next(iter(changed)) + ("" if len(changed) == 1 else " in flight"),
)
def test_changed_control_computes_anew(plain: ImageStream, reusing: ImageStream, changed: dict[str, Any]) -> None:
    """From a change on, pictures are those of a plain stream: nothing of the former look is in them."""
    looks = [{"reuse_change": 0.0} | values for values in ({},) * 6 + (changed,) * 6]
    pictures, before = [picture(0)] * 12, reused(reusing)
    expected, drawn = play(plain, pictures, looks), play(reusing, pictures, looks)
    assert differences(expected[:1], expected[-1:])[0] > 20, "the control has an effect"
    assert max(differences(drawn, expected)) <= 1
    assert reused(reusing) > before


def test_cut_computes_anew(plain: ImageStream, reusing: ImageStream) -> None:
    looks = [{"reuse_change": 5.0}] * 12
    pictures, before = [picture(0)] * 6 + [picture(40)] * 6, reused(reusing)
    assert max(differences(play(reusing, pictures, looks), play(plain, pictures, looks))) <= 1
    assert reused(reusing) - before >= 5


def test_measurement_beside_the_show(plain: ImageStream, reusing: ImageStream) -> None:
    """`auto` times the engines that play between two pictures, which overwrites what they have kept."""
    moment = without_morph(Parameters(**LOOK))
    for _ in range(6):
        reusing.admit(picture(0), moment, reusing.encode(moment.wording))
        reusing.step()
    before = reused(reusing)
    reusing.prepared.rehearse(2)
    reusing.admit(picture(0), moment, reusing.encode(moment.wording))
    last = reusing.step()[-1].pixels
    assert reused(reusing) == before
    assert differences([last], play(plain, [picture(0)], [{}]))[0] <= 1
    reusing.clear()
