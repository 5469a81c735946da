"""The check before a model is loaded: what fits, what fits alone, and what never does."""

from pathlib import Path

import pytest

from pipeline import memory_check
from pipeline.accelerators.candidates import Candidate
from pipeline.accelerators.engines import one_after_another
from pipeline.image_stream import ImageStream
from pipeline.memory_check import MemoryRoom, check_challenger, compare_memory, main_room, memory_report
from pipeline.models import model_of
from pipeline.prepared_engines import preparation_of, shapes_of
from presets.build import Build
from presets.errors import MemoryShort, ModelTooLarge
from presets.free_memory import free_main_memory
from tests.tiny_folders import add_hole, write_family_folder

GB = 10**9


def quiet(text: str, fraction: float) -> None:
    pass


def build_of(folder: Path, **values: object) -> Build:
    return Build.model_validate(
        {"model": str(folder), "width": 64, "height": 64, "accelerator": "eager", "slots": 1} | values
    )


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose network has a terabyte of weights, in a hole of its file."""
    folder = write_family_folder("stable-diffusion", tmp_path_factory.mktemp("large"))
    add_hole(folder / "unet" / "diffusion_pytorch_model.safetensors")
    return folder


def test_enough_memory_says_nothing() -> None:
    compare_memory("it", "memory", 6 * GB, MemoryRoom(6 * GB, 6 * GB))


def test_model_that_fits_alone_is_short_of_memory() -> None:
    """The stage ends what is on air for it, which it must not do for a model that can't play anyway."""
    with pytest.raises(MemoryShort, match=r"it needs about 9\.1 GB of GPU memory, and 6\.0 GB are free\."):
        compare_memory("it", "GPU memory", 9_100_000_000, MemoryRoom(6 * GB, 10 * GB))


def test_model_that_never_fits_is_refused() -> None:
    with pytest.raises(ModelTooLarge, match=r"9\.1 GB of memory, and 6\.0 GB are free\. A smaller model or size"):
        compare_memory("it", "memory", 9_100_000_000, MemoryRoom(6 * GB, 6 * GB))
    with pytest.raises(ModelTooLarge, match=r"8\.0 GB are free without what is on air\. .* --skip-memory-check"):
        compare_memory("it", "memory", 9_100_000_000, MemoryRoom(6 * GB, 8 * GB))


def test_large_model_is_refused_before_it_is_loaded(large: Path) -> None:
    said: list[str] = []
    with pytest.raises(ModelTooLarge, match=r"at 64x64 with eager needs about \d{4}\.\d GB of memory"):
        ImageStream.build(build_of(large), lambda text, fraction: said.append(text))
    assert said == ["reading the model"]


def test_others_make_room(least_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_check, "free_main_memory", lambda: GB // 10)
    with pytest.raises(MemoryShort):
        ImageStream.build(build_of(least_folder), quiet, others=lambda: GB)
    with pytest.raises(ModelTooLarge):
        ImageStream.build(build_of(least_folder), quiet)


def test_check_can_be_skipped(least_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_check, "free_main_memory", lambda: 0)
    stream = ImageStream.build(build_of(least_folder, skip_memory_check=True), quiet)
    assert stream.description["accelerator"] == "eager"


def test_challenger_must_fit_beside_what_plays(least_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = build_of(least_folder, threads=2)
    model = model_of(build)
    arguments = build, model, shapes_of(build, model), Candidate("openvino", "float32", 2, 2)
    preparation = preparation_of(build, quiet, one_after_another)
    check_challenger(*arguments, preparation)
    monkeypatch.setattr(memory_check, "free_main_memory", lambda: 1000)
    with pytest.raises(MemoryShort, match="openvino float32, 2 requests, 2 threads needs about"):
        check_challenger(*arguments, preparation)


def test_room_is_what_is_free() -> None:
    room = main_room(5 * GB)
    assert room.alone == room.free + 5 * GB
    assert room.free == pytest.approx(free_main_memory(), rel=0.5)


def test_report_tells_need_and_room(large: Path, least_folder: Path) -> None:
    short, enough = memory_report(large), memory_report(least_folder)
    assert not short.is_enough
    assert enough.is_enough
    assert "it needs about 0.3 GB of memory (" in enough.text
