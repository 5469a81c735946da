"""Check that the memory is enough for a model before it is loaded."""

from pathlib import Path
from typing import NamedTuple

import torch

from pipeline.accelerators import eager, registry
from pipeline.accelerators.candidates import Candidate
from pipeline.accelerators.engines import Preparation, Shapes, one_after_another
from pipeline.memory_need import engines_need, memory_need
from pipeline.models import Model, model_of
from pipeline.prepared_engines import preparation_of, shapes_of
from presets.build import Build
from presets.errors import MemoryShort, ModelTooLarge
from presets.free_memory import free_main_memory

INSIST = "--skip-memory-check"
"""Option of the commands that play a model in spite of the check."""


class MemoryRoom(NamedTuple):
    """Bytes of one memory that a model may take."""

    free: int
    alone: int
    """Bytes that would be free without the other renderers of the show."""


def select_in_memory(
    build: Build, model: Model, shapes: Shapes, preparation: Preparation, others: int = 0
) -> registry.Selection:
    """Return the way to play a model, as `registry.select`, if the memory is enough for it.

    What is likely is checked before the weights are read for their checksum, and what is chosen after it.

    Args:
        build: The build that is to be played. With `Build.skip_memory_check` nothing is checked.
        model: Its model.
        shapes: Shapes that it is prepared for.
        preparation: Settings that it is prepared with.
        others: Bytes of main memory that the other renderers of the show would give back.

    Raises:
        ModelTooLarge: it would not fit alone either. What is on air stays.
        MemoryShort: it would fit alone.
        AcceleratorUnavailable: as `registry.choose`.
    """

    def check(candidate: Candidate, converts: bool) -> None:
        if not build.skip_memory_check:
            what = f"{model.name} at {build.width}x{build.height} with {candidate.accelerator}"
            need = memory_need(model, shapes, candidate, preparation, converts)
            compare_memory(what, "memory", need.main, main_room(others))
            if need.device:
                compare_memory(what, "GPU memory", need.device, gpu_room(others > 0, build.gpu_share))

    check(_likely(build), False)
    selection = registry.select(build.accelerator, model, shapes, preparation)
    chosen = selection.candidate
    check(chosen, not registry.ACCELERATORS[chosen.accelerator].is_kept(model, shapes, preparation))
    return selection


def check_challenger(
    build: Build, model: Model, shapes: Shapes, candidate: Candidate, preparation: Preparation
) -> None:
    """Raise `MemoryShort` if another way to play does not fit beside the one that plays in this process.

    The arguments are as in `select_in_memory`. `candidate` is that other way.
    """
    main, device = engines_need(model, shapes, candidate, preparation)
    free = main_room().free
    compare_memory(candidate.words(), "memory", main, MemoryRoom(free, max(free, main)))
    if device:
        free = gpu_room(shared=False, share=build.gpu_share).free
        compare_memory(candidate.words(), "GPU memory", device, MemoryRoom(free, max(free, device)))


def _likely(build: Build) -> Candidate:
    """Return the way to play that is likely on this machine, without reading any weights."""
    return Candidate(registry.choose(build.accelerator)[0])


def compare_memory(what: str, memory: str, need: int, room: MemoryRoom) -> None:
    """Raise as `select_in_memory` if `need` bytes of a memory are more than there are. `what` is who needs them."""
    if need <= room.free:
        return
    needs = f"{what} needs about {need / 1e9:.1f} GB of {memory}"
    if need <= room.alone:
        raise MemoryShort(f"{needs}, and {room.free / 1e9:.1f} GB are free.")
    without = " without what is on air" if room.alone > room.free else ""
    raise ModelTooLarge(
        f"{needs}, and {room.alone / 1e9:.1f} GB are free{without}. A smaller model or size may fit; {INSIST} plays it"
        " anyway."
    )


def main_room(others: int = 0) -> MemoryRoom:
    """Return the room in main memory, of which other renderers would give back `others` bytes."""
    free = free_main_memory()
    return MemoryRoom(free, free + others)


def gpu_room(shared: bool, share: float | None = None) -> MemoryRoom:
    """Return the room on the GPU. Not run on hardware yet.

    Args:
        shared: True if another renderer of the show may hold a part of it. The driver does not tell how much.
        share: Share of the GPU's memory that may be taken; None is all of it.
    """
    free, total = torch.cuda.mem_get_info(eager.available_device())
    limit = round(total * (share or 1.0))
    return MemoryRoom(min(free, limit), limit if shared else min(free, limit))


class MemoryReport(NamedTuple):
    """Memory that a model needs on this machine, for a person."""

    text: str
    is_enough: bool


def memory_report(folder: Path, side: int = 512) -> MemoryReport:
    """Return what the model of a folder needs where `auto` plays it at `side` pixels, and what is free.

    Raises `ModelError` for a folder that can't be played.
    """
    build = Build(model=str(folder), width=side, height=side)
    model = model_of(build)
    preparation = preparation_of(build, lambda text, fraction: None, one_after_another)
    candidate = _likely(build)
    need = memory_need(model, shapes_of(build, model), candidate, preparation, converts=True)
    parts = [("memory", need.main, main_room().free)]
    parts += [("GPU memory", need.device, gpu_room(shared=False).free)] if need.device else []
    words = [f"about {take / 1e9:.1f} GB of {memory} ({free / 1e9:.1f} GB are free)" for memory, take, free in parts]
    text = f"with {candidate.accelerator} it needs {' and '.join(words)}"
    return MemoryReport(text, all(take <= free for _, take, free in parts))
