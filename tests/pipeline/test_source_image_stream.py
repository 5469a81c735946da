"""Pictures and models that see their source: at any strength, in both modes, with feedback, encoded once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.feedback import Feedback
from pipeline.image_stream import ImageStream, StreamedFrame
from pipeline.picture_entry import PictureEntries, PictureEntry
from presets.build import Build
from presets.errors import StreamError
from presets.frame_parameters import without_morph
from presets.parameters import Parameters, WeightedPrompt
from tests.pipeline.conftest import write_tiny_model

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def stream(source_folder: Path) -> ImageStream:
    return stream_of(source_folder)


def stream_of(folder: Path, accelerator: str = "eager", **changed: Any) -> ImageStream:
    build = {"width": 64, "height": 64, "slots": 3, "threads": 1} | changed
    return ImageStream.build(Build(model=str(folder), accelerator=accelerator, **build), lambda text, fraction: None)


@pytest.fixture(autouse=True)
def _empty(stream: ImageStream) -> None:
    stream.clear()


def photograph(index: int = 0) -> Picture:
    """Return a colour with stripes."""
    colour = np.array([255.0 * (index >> bit & 1) for bit in range(3)])
    stripes = 20.0 * (np.arange(64) % (index + 2) == 0)
    return np.clip(colour + stripes[:, None, None] + np.zeros((64, 64, 3)), 0, 255).astype(np.uint8)


def look(**values: object) -> Parameters:
    return Parameters(**({"prompt": (WeightedPrompt(text="neon"),), "strength": 1.0} | values))


def admit(stream: ImageStream, pixels: Picture | None, parameters: Parameters, ticket: object = "it") -> None:
    moment = without_morph(parameters)
    stream.admit(pixels, moment, stream.encode(moment.wording), ticket)


def finish(stream: ImageStream) -> list[Picture]:
    finished: list[StreamedFrame] = []
    while stream.in_flight:
        finished += stream.step()
    return [frame.pixels for frame in finished]


def draw(stream: ImageStream, pixels: Picture | None, **values: object) -> Picture:
    admit(stream, pixels, look(**values))
    (picture,) = finish(stream)
    return picture


def distance(one: Picture, other: Picture) -> float:
    return float(np.abs(one.astype(int) - other).max())


@pytest.mark.parametrize("changed", [{"structure": 0.3}, {"structure": 0.0}, {"image_guidance": 4.0}])
@pytest.mark.parametrize("strength", [0.7, 1.0])
def test_every_source_control_shows(stream: ImageStream, changed: dict[str, object], strength: float) -> None:
    plain = draw(stream, photograph(), strength=strength)
    assert distance(draw(stream, photograph(), strength=strength, **changed), plain) > 2
    assert distance(draw(stream, photograph(1), strength=strength), plain) > 2


def test_structure_zero_is_no_source(stream: ImageStream) -> None:
    bare = draw(stream, photograph(0), structure=0.0)
    for other in (photograph(1), None):
        assert distance(draw(stream, other, structure=0.0), bare) == 0
    assert distance(draw(stream, photograph(0), structure=0.0, image_guidance=4.0), bare) == 0
    weaker = [distance(draw(stream, photograph(0), structure=held), bare) for held in (1e-6, 1.0)]
    assert weaker[0] <= 1 < weaker[1], "it goes to no source smoothly"


def test_text_mode_sees_no_source(stream: ImageStream) -> None:
    drawn = [draw(stream, photograph(index), mode="text", image_guidance=3.0) for index in (0, 1)]
    assert distance(*drawn) == 0
    assert distance(draw(stream, None), drawn[0]) == 0, "nor does image mode without a picture"
    assert drawn[0].std() > 1


def test_feedback_mix_is_entry_and_source(stream: ImageStream) -> None:
    for strength in (0.6, 1.0):
        stream.clear()
        last = draw(stream, photograph(1), strength=strength)
        fed = draw(stream, photograph(0), strength=strength, feedback=0.5)
        mixed = (photograph(0) * 0.5 + last * 0.5).round().astype(np.uint8)
        assert distance(draw(stream, mixed, strength=strength), fed) <= 3
        assert distance(draw(stream, photograph(0), strength=strength), fed) > 3


def test_feedback_in_text_mode_is_entry_only(stream: ImageStream) -> None:
    last = draw(stream, photograph(1))
    fed = draw(stream, photograph(0), mode="text", strength=0.6, feedback=0.5)
    assert distance(draw(stream, last, strength=0.6, structure=0.0), fed) <= 1
    assert distance(draw(stream, last, strength=0.6), fed) > 2


def test_picture_is_encoded_once() -> None:
    calls = 0

    class Engines:
        def encode(self, pixels: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += 1
            return pixels.float().mean((1, 2)).view(1, 3, 1, 1)

    class Encoding:
        engines: Any = Engines()
        sees_source = True
        control = None

        def source_of(self, latent: torch.Tensor, structure: float) -> torch.Tensor:
            return latent * structure

    entries, encoding = PictureEntries(Build(width=64, height=64), Feedback(64, 64)), Encoding()
    for values, encoded, latent, source in (
        ({"strength": 0.5}, 1, True, True),
        ({"strength": 1.0}, 1, False, True),
        ({"strength": 0.5, "structure": 0.0}, 1, True, False),
        ({"strength": 1.0, "structure": 0.0}, 0, False, False),
        ({"strength": 0.5, "mode": "text"}, 0, False, False),
    ):
        calls = 0
        entry = entries.read(photograph(), look(**values), encoding)
        assert (calls, entry.latent is not None, entry.source is not None) == (encoded, latent, source), values
    encoding.sees_source = False
    assert entries.read(photograph(), look(), encoding) == PictureEntry(None, None, 1.0, {})


def test_mixed_pictures_equal_themselves_alone(stream: ImageStream) -> None:
    looks = [
        (photograph(0), look(image_guidance=2.0, guidance=3.0)),
        (None, look(steps=3, guidance=2.0)),
        (photograph(1), look(strength=0.5, structure=0.5)),
        (photograph(2), look(mode="text", image_guidance=3.0)),
        (photograph(3), look(strength=0.8, guidance=2.0, guidance_kind="self_negative", seed=4)),
    ]
    alone = []
    for pixels, parameters in looks:
        admit(stream, pixels, parameters)
        alone += finish(stream)
    together: list[Picture] = []
    for ticket, (pixels, parameters) in enumerate(looks):
        while not stream.free:
            together += [frame.pixels for frame in stream.step()]
        admit(stream, pixels, parameters, ticket)
    together += finish(stream)
    assert all(distance(one, other) <= 1 for one, other in zip(together, alone, strict=True))


def test_openvino_plays_the_same(stream: ImageStream, source_folder: Path, tmp_path: Path) -> None:
    fast = stream_of(source_folder, "openvino", cache=tmp_path, slots=1, precision="float32")
    for values in ({"image_guidance": 2.0, "guidance": 3.0}, {"strength": 0.6}, {"mode": "text"}):
        assert distance(draw(fast, photograph(), **values), draw(stream, photograph(), **values)) <= 2
    other = stream_of(source_folder, slots=1)
    admit(fast, photograph(), look(image_guidance=2.0))
    fast.step()
    fast.exchange(other.prepared)  # the tuner's exchange carries the source
    (picture,) = finish(fast)
    assert distance(picture, draw(stream, photograph(), image_guidance=2.0)) <= 2


def test_other_models_ignore_source_controls(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model")
    plain = stream_of(tmp_path / "model")
    assert plain.prepared.engines.sizes == (1, 2, 3, 4, 5, 6)
    for strength in (0.6, 1.0):
        before = draw(plain, photograph(), strength=strength)
        ignored = draw(plain, photograph(), strength=strength, structure=0.2, image_guidance=3.0)
        assert distance(ignored, before) == 0


def test_pixels_of_another_size_are_refused(stream: ImageStream) -> None:
    with pytest.raises(StreamError, match=r"uint8 \(32, 64, 3\); this stream takes uint8 \(64, 64, 3\)"):
        draw(stream, photograph()[:32])
    assert stream.in_flight == 0
