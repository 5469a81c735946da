"""Every family from its folder: the stream equals the family's own pipeline of diffusers, from the same noise."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from family_pipelines import FreshNoise, draw_latent, fresh_noise, loaded_pipeline
from stream_comparison import MIN_EFFECT, TOLERANCE, max_difference
from tiny_folders import FAMILIES, SIDE, write_family_folder

from pipeline.guidance import Guidance
from pipeline.image_stream import ImageStream
from pipeline.models import Model, load_model
from presets.build import Build
from presets.frame_parameters import NoiseWeight, PromptMixture, TextWeight

NEGATIVE = "grey paper"
FRAMES: list[dict[str, Any]] = [
    {"text": "a red ring on the sea", "negative": NEGATIVE, "steps": 4, "guidance": 2.5},
    {"text": "neon fire", "negative": "", "steps": 2, "guidance": 1.5},
    {"text": "blue winter stars", "negative": NEGATIVE, "steps": 6, "guidance": 1.0},
    {"text": "", "negative": "", "steps": 1, "guidance": 3.0},
    {"text": "neon fire", "negative": NEGATIVE, "steps": 3, "guidance": 2.0},
]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family_folder(family, tmp_path_factory.mktemp(family) / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load_model(folder)


@pytest.fixture(scope="module")
def pipe(model: Model) -> Any:
    return loaded_pipeline(model)


@pytest.fixture
def noise() -> Iterator[FreshNoise]:
    with fresh_noise() as noise:
        yield noise


def draw_in_stream(images: ImageStream, frames: list[dict[str, Any]]) -> tuple[dict[object, torch.Tensor], int]:
    """Return the latents by seed, and the most frames in flight."""
    stream, out, most = images.prepared.stream, dict[object, torch.Tensor](), 0
    waiting = list(enumerate(frames))
    while waiting or stream.in_flight:
        if waiting and stream.free:
            seed, frame = waiting.pop(0)
            words = PromptMixture((TextWeight(frame["text"]),), (TextWeight(frame["negative"]),), "linear")
            stream.admit(
                None,
                images.model.schedule(frame["steps"], 1.0, (SIDE, SIDE)),
                images.encode(words),
                guidance=Guidance(frame["guidance"]),
                noise=(NoiseWeight(seed),),
                ticket=seed,
            )
        most = max(most, stream.in_flight)
        out |= {ticket: latent[None].clone() for latent, ticket in stream.step()}
    return out, most


def test_stream_equals_the_pipeline(
    model: Model, pipe: Any, noise: FreshNoise, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = FRAMES
    if model.embeds_guidance or model.family.title == "FLUX.2":  # the pipeline of klein has the empty text for it
        frames = [frame | {"negative": ""} for frame in FRAMES]
    elif model.family.title == "FLUX.1":  # schnell takes no guidance at all
        frames = [frame | {"negative": "", "guidance": 1.0} for frame in FRAMES]
    elif model.classes["scheduler"] == "PeRFlowScheduler":  # its class takes one step a window or more
        frames = [frame | {"steps": max(4, frame["steps"])} for frame in FRAMES]
    if model.family.title == "HunyuanImage":  # a second text network reads what is in quotes
        frames[0]["text"] = 'a sign "open"'
    expected = [draw_latent(pipe, model, noise, seed, frame) for seed, frame in enumerate(frames)]
    changes: list[dict[str, Any]] = [{"text": 'a sign "shut"' if '"' in frames[0]["text"] else "smoke"}]
    if frames[0]["guidance"] != 1.0:
        changes.append({"guidance": 4.0})
    if frames[0]["negative"]:
        changes.append({"negative": "blue sea"})
    for changed in changes:
        assert max_difference(draw_latent(pipe, model, noise, 0, frames[0] | changed), expected[0]) > MIN_EFFECT

    monkeypatch.setattr("pipeline.image_stream.model_of", lambda build: model)
    build = Build(model=str(model.folder), width=SIDE, height=SIDE, accelerator="eager", slots=3, threads=1)
    drawn, most = draw_in_stream(ImageStream.build(build, lambda text, fraction: None), frames)
    assert most == 3
    for seed, reference in enumerate(expected):
        assert max_difference(drawn[seed], reference) < TOLERANCE
