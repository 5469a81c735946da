"""Real engines: a measurement beside a stream, its outcome on disk, and an exchange with frames in flight."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from daemon.shared.threads import run_in_threads
from pipeline.accelerators import registry
from pipeline.accelerators.processor import Cores
from pipeline.accelerators.tuning_record import FOLDER
from pipeline.engine_tuner import engine_tuner
from pipeline.image_stream import ImageStream
from pipeline.models import load_model
from pipeline.prepared_engines import preparation_of
from presets.build import Build
from presets.frame_parameters import without_morph
from presets.parameters import Parameters, WeightedPrompt

FRAMES = 12


def quiet(text: str, fraction: float) -> None:
    """Ignore progress."""


def build_of(folder: Path, cache: Path, accelerator: str = "auto", slots: int = 3) -> Build:
    return Build(model=str(folder), width=64, height=64, accelerator=accelerator, slots=slots, cache=cache)


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that one and two requests are candidates on every machine."""
    monkeypatch.setattr(registry, "usable_cores", lambda: Cores(2, 2))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def frames(stream: ImageStream, between: Callable[[int], object] = lambda call: None) -> Iterator[NDArray[np.uint8]]:
    """Draw `FRAMES` frames as a show does, one admitted a call, each with another source, prompt and length."""
    call = admitted = 0
    while admitted < FRAMES or stream.in_flight:
        if admitted < FRAMES and stream.free:
            parameters = Parameters(
                prompt=(WeightedPrompt(text=f"prompt {call}"),),
                seed=call,
                steps=2 + call % 3,
                strength=0.9,
                guidance=1.5,
            )
            source = np.random.default_rng(admitted).integers(0, 255, (64, 64, 3), dtype=np.uint8)
            moment = without_morph(parameters)
            stream.admit(source, moment, stream.encode(moment.wording), admitted)
            admitted += 1
        for frame in stream.step():
            yield frame.pixels
        between(call)
        call += 1


@pytest.mark.parametrize("accelerator", ["eager", "openvino"])
def test_frames_in_flight_survive_exchange(tiny_folder: Path, cache: Path, accelerator: str) -> None:
    build = build_of(tiny_folder, cache, "eager")
    expected = list(frames(ImageStream.build(build, quiet)))
    stream = ImageStream.build(build, quiet)
    model = load_model(tiny_folder)
    other = build.with_accelerator(accelerator)
    choice = registry.build(accelerator, model, stream.shapes, preparation_of(other, quiet, run_in_threads))
    prepared = stream.prepare(choice, model)
    prepared.warm_up()
    flight: list[int] = []

    def exchange(call: int) -> None:
        prepared.rehearse(2)
        if call >= FRAMES // 2 and stream.in_flight >= 2 and not flight:
            flight.append(stream.in_flight)
            stream.exchange(prepared)

    drawn = list(frames(stream, exchange))
    assert flight
    assert stream.prepared is prepared
    assert stream.description["accelerator"] == accelerator
    assert len(drawn) == len(expected) == FRAMES
    for one, other_one in zip(drawn, expected, strict=True):
        assert np.abs(one.astype(int) - other_one).max() <= (0 if accelerator == "eager" else 2)
    assert np.abs(expected[0].astype(int) - expected[1]).max() > 5


def test_rehearsal_leaves_frames_in_flight_alone(tiny_folder: Path, cache: Path) -> None:
    build = build_of(tiny_folder, cache, "eager")
    expected = list(frames(ImageStream.build(build, quiet)))
    stream = ImageStream.build(build, quiet)
    drawn = list(frames(stream, lambda call: stream.prepared.rehearse(1 + call % 6)))
    for one, other in zip(drawn, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def unmeasured(tiny_folder: Path, cache: Path) -> Iterator[ImageStream]:
    """A stream on the likeliest engines. One slot, because every batch size takes time to compile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "usable_cores", lambda: Cores(2, 2))
        yield ImageStream.build(build_of(tiny_folder, cache, slots=1), quiet)


def test_share_of_a_device_is_not_measured(unmeasured: ImageStream, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_tuner(unmeasured, time.perf_counter, run_in_threads) is not None
    monkeypatch.setattr(unmeasured, "settings", unmeasured.settings.model_copy(update={"gpu_share": 0.5}))
    assert engine_tuner(unmeasured, time.perf_counter, run_in_threads) is None


def test_cache_that_can_not_be_written_is_not_measured(
    unmeasured: ImageStream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the kept conversion each challenger would be converted anew."""
    monkeypatch.setattr(unmeasured, "settings", unmeasured.settings.model_copy(update={"cache": tmp_path}))
    assert engine_tuner(unmeasured, time.perf_counter, run_in_threads) is None


def test_stream_never_waits_for_a_build(unmeasured: ImageStream) -> None:
    held: list[Callable[[], Any]] = []

    def never(work: Sequence[Callable[[], Any]]) -> Iterator[Any]:
        held.extend(work)
        return iter(())

    tuner = engine_tuner(unmeasured, time.perf_counter, never)
    assert tuner is not None
    for _ in range(3):
        assert len(list(frames(unmeasured, lambda call: tuner.advance()))) == FRAMES
    assert len(held) == 1
    assert not tuner.done


@pytest.mark.timeout(300)
def test_second_start_takes_what_the_first_measured(unmeasured: ImageStream) -> None:
    build, model = unmeasured.settings, load_model(unmeasured.settings.model)
    description = unmeasured.description
    assert description["why"] == "likely the fastest on a processor; not measured yet"
    assert (description["requests"], description["threads"]) == ("2", "2")
    assert description["precision"] in ("float32", "bfloat16")
    tuner = engine_tuner(unmeasured, time.perf_counter, run_in_threads)
    assert tuner is not None
    while not tuner.done:
        list(frames(unmeasured, lambda call: tuner.advance()))
    tuner.finish()
    why = unmeasured.description["why"]
    assert " × " in why
    assert why.endswith(" here")
    assert build.cache is not None
    (entry,) = (build.cache / FOLDER).iterdir()
    second = ImageStream.build(build, quiet)
    assert second.description == unmeasured.description
    assert engine_tuner(second, time.perf_counter, run_in_threads) is None
    entry.write_bytes(b"{}")
    selection = registry.select("auto", model, second.shapes, preparation_of(build, quiet, run_in_threads))
    assert selection.key is not None, "a damaged entry is measured anew"
