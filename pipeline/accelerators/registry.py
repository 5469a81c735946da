"""Selection of an accelerator: `auto` takes the measured or the likelier one, a named one works or is refused."""

from dataclasses import replace
from typing import NamedTuple

import torch

from pipeline.accelerators import eager, foreign_engine
from pipeline.accelerators.accelerator_table import ACCELERATORS as ACCELERATORS
from pipeline.accelerators.accelerator_table import NAMES as NAMES
from pipeline.accelerators.candidates import Candidate, Choices
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.processor import usable_cores
from pipeline.accelerators.tuning_record import TuningKey, read_record, tuning_key
from pipeline.models import Model
from presets.build import EIGHT_BITS
from presets.errors import AcceleratorUnavailable, ModelError

TENSOR_CORES = (7, 5)
"""Compute capability from which half precision is likely the fastest."""
BFLOAT16 = (8, 0)
"""Compute capability from which a card computes in bfloat16."""
HALVED_FROM = 4
"""Physical cores from which half of them is a candidate: a small network does not occupy many."""
STAND_IN = "eager"
"""Accelerator that plays as soon as the model is read."""


class Selection(NamedTuple):
    """A candidate for a name, and the reason."""

    candidate: Candidate
    why: str
    choices: Choices
    key: TuningKey | None
    """Key to keep a measurement by; None where it is measured already, or nothing is left to choose."""


class AcceleratorChoice(NamedTuple):
    """Built engines, the accelerator's name, and the reason for it."""

    name: str
    engines: Engines
    why: str
    selection: Selection | None = None


def choose(name: str) -> tuple[str, str]:
    """Return the accelerator that `name` means here and the reason, without looking at a model.

    Raises:
        AcceleratorUnavailable: an unknown name, or one that can't work here. Never another in its place.
    """
    if name == "auto":
        return _automatic()
    row = ACCELERATORS.get(name)
    if row is None:
        raise AcceleratorUnavailable(f"There is no accelerator '{name}'; it is one of {', '.join(NAMES)}.")
    if missing := row.missing():
        raise AcceleratorUnavailable(f"{row.title} can't be used: {missing}. {row.remedy}".rstrip())
    return name, "asked for"


def select(name: str, model: Model, shapes: Shapes, preparation: Preparation) -> Selection:
    """Return the measured candidate for a model, or the likelier one where nothing is measured yet.

    Raises:
        AcceleratorUnavailable: as `choose`.
    """
    chosen, why = choose(name)
    choices = _choices(chosen, name == "auto", model, shapes, preparation)
    if choices.likeliest.accelerator != chosen:
        why = "likely the fastest on this GPU, and its engines are built"
    elif name == "auto" and preparation.precision in EIGHT_BITS:
        why += f"; no TensorRT engine of this model in {preparation.precision} is built here"
    if not choices.open:
        return Selection(choices.likeliest, why, choices, None)
    key = tuning_key(model, shapes, choices, preparation.attention, eager.available_device())
    record = read_record(preparation.cache, key, choices)
    if record is None:
        return Selection(choices.likeliest, f"{why}; not measured yet", choices, key)
    return Selection(record.best, record.why, choices, None)


def build(name: str, model: Model, shapes: Shapes, preparation: Preparation) -> AcceleratorChoice:
    """Prepare the model on the accelerator that `name` means here. A foreign engine, if any, is its denoiser.

    Raises:
        AcceleratorUnavailable: as in `choose`.
        ModelError: a network of the model can't be loaded, or the engine can't be its denoiser.
    """
    return build_selection(select(name, model, shapes, preparation), model, shapes, preparation)


def build_selection(selection: Selection, model: Model, shapes: Shapes, preparation: Preparation) -> AcceleratorChoice:
    """Prepare the model as `selection` says. Raises as `build`."""
    candidate, engine = selection.candidate, preparation.engine
    preparation = replace(
        preparation,
        precision=candidate.precision or preparation.precision,
        requests=candidate.requests or preparation.requests,
        threads=candidate.threads or preparation.threads,
    )
    if engine is not None and shapes.kept is not None:
        raise ModelError(f"{engine} keeps no deep features, which reuse needs. Set reuse to false or use no engine.")
    if engine is not None:
        foreign_engine.find_reader(engine)  # what can be refused at once is not built for first
    engines = ACCELERATORS[candidate.accelerator].build(model, shapes, preparation)
    if engine is not None:
        engines = foreign_engine.replace_denoiser(engine, engines, shapes, preparation.threads, preparation.progress)
    return AcceleratorChoice(candidate.accelerator, engines, selection.why, selection)


def stand_in(name: str, model: Model, shapes: Shapes, preparation: Preparation) -> str | None:
    """Return the accelerator that can play while `name` is prepared; None where that is quick or kept already."""
    return None if ACCELERATORS[name].is_kept(model, shapes, preparation) else STAND_IN


def _automatic() -> tuple[str, str]:
    if eager.available_device().type == "cuda":
        return "cuda_graphs", "likely the fastest on this GPU"
    if missing := ACCELERATORS["openvino"].missing():
        return "eager", f"OpenVINO, which is faster here, can't be used: {missing}"
    return "openvino", "likely the fastest on a processor"


def _choices(chosen: str, automatic: bool, model: Model, shapes: Shapes, preparation: Preparation) -> Choices:
    """Return what is left to a measurement, the likelier first.

    Only what may win is measured during a show. On every processor measured, eager torch, torch.compile and ONNX
    Runtime were slower than OpenVINO (``streamflow-live bench --only auto`` measures them all).
    """
    asked = preparation.precision
    on_gpu = eager.available_device().type == "cuda"
    if automatic and asked in EIGHT_BITS and not on_gpu:
        asked = "float32"  # only TensorRT's engines have 8 bits
    if preparation.engine is not None:  # the denoiser is another's, and the rest takes a small part of the time
        return Choices(((chosen, asked),))
    if on_gpu:
        kinds = _gpu_kinds(automatic, chosen, model, shapes, preparation)
        return Choices(tuple(kinds))
    if chosen != "openvino":
        return Choices(((chosen, asked),))
    from pipeline.accelerators import openvino  # imported only when it is chosen

    cores = usable_cores()
    threads = [preparation.threads] if preparation.threads else [cores.physical]
    if not preparation.threads:
        threads += [cores.logical] if cores.logical > cores.physical else []
        threads += [cores.physical // 2] if cores.physical >= HALVED_FROM else []
    requests = (preparation.requests,) if preparation.requests else (2, 1) if min(threads) >= 2 else (1,)
    precisions = (asked,) if asked else openvino.precisions(model)
    return Choices(tuple((chosen, precision) for precision in precisions), requests, tuple(threads))


def _gpu_kinds(
    automatic: bool, chosen: str, model: Model, shapes: Shapes, preparation: Preparation
) -> list[tuple[str, str]]:
    """Return pairs of accelerator and precision on a GPU. Not run on hardware yet."""
    capability = torch.cuda.get_device_capability()
    half = ["float16", "bfloat16"] if capability >= BFLOAT16 else ["float16"]
    precisions = half if capability >= TENSOR_CORES else ["float32", *half]
    if preparation.precision and not (automatic and preparation.precision in EIGHT_BITS):
        precisions = [preparation.precision]
    if not automatic:
        return [(chosen, precision) for precision in precisions if chosen == "cuda_graphs"] or [
            (chosen, preparation.precision)
        ]
    ahead = [row.name for row in ACCELERATORS.values() if row.ahead and row.is_kept(model, shapes, preparation)]
    kinds = [(name, preparation.precision) for name in ahead]
    return [*kinds, *((chosen, precision) for precision in precisions), ("eager", precisions[0])]
