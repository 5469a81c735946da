"""Weights and activations in 8 bits for TensorRT's engines: fp8 and int8, by NVIDIA's Model Optimizer.

It takes the float16 ONNX file of the network and adds what rounds to 8 bits around convolutions and matrix products,
by the largest numbers that occur in `calibration.calibration_rows`. All else stays in float16, and timesteps in
float32. The bench measures the distance from float32 (``--only eight_bits``). No card has run such an engine.
"""

import importlib
import importlib.util
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.accelerators.calibration import Rows
from pipeline.accelerators.engines import Engines, Preparation
from presets.build import EIGHT_BITS
from presets.errors import AcceleratorUnavailable, MemoryShort, ModelError

log = logging.getLogger("accelerators")

WIDER = "float16"
"""Precision of everything that is not in 8 bits, and of what plays in place of an engine that can't be built."""

OLDEST = {"fp8": "8.9", "int8": "7.5"}
"""Compute capability from which cards have tensor cores for a precision."""

REMEDY = "Install it with: pip install 'streamflow-live[fp8]'"

FAILURES: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Errors of the optimiser, which has no class of its own, beside those of ONNX Runtime."""


def wider(precision: str) -> str:
    """Return the precision of networks that are not in 8 bits: `WIDER` beside one that is, otherwise `precision`."""
    return WIDER if precision in EIGHT_BITS else precision


def card_problem(precision: str, capability: str) -> str:
    """Return why a card of this compute capability, as ``8.9``, has no such numbers, or an empty text."""
    oldest = OLDEST.get(precision)
    if oldest is None or tuple(map(int, capability.split("."))) >= tuple(map(int, oldest.split("."))):
        return ""
    return f"{precision} needs a card of compute capability {oldest} or newer; this one has {capability}"


def check_installed(precision: str) -> None:
    """Raise `AcceleratorUnavailable` if the optimiser is not installed."""
    if importlib.util.find_spec("modelopt") is None:
        raise AcceleratorUnavailable(f"{precision} needs NVIDIA's Model Optimizer, which is not installed. {REMEDY}")


def quantise(source: Path, target: Path, precision: str, rows: Rows, external: bool) -> None:
    """Write a network in 8 bits.

    Args:
        source: ONNX file of the network in `WIDER`, which is overwritten.
        target: Path of the new ONNX file.
        precision: fp8 or int8.
        rows: Inputs by which the ranges are measured.
        external: True if the weights are too large for the file itself.

    Raises:
        AcceleratorUnavailable: the optimiser fails.
    """
    # Imported here: engines that are built already play without these libraries.
    from pipeline.accelerators import quantised_scales
    from pipeline.accelerators.onnx_network import CUDA, ERRORS, providers

    failures = (*FAILURES, *ERRORS)
    try:
        optimizer: Any = importlib.import_module("modelopt.onnx.quantization")
        optimizer.quantize(
            str(source),
            quantize_mode=precision,
            calibration_data=rows,
            calibration_method="max",
            calibration_eps=["cuda:0", "cpu"] if CUDA in providers() else ["cpu"],
            output_path=str(target),
            high_precision_dtype="fp32",  # nothing else is converted: timesteps stay in float32
            use_external_data_format=external,
            log_level="ERROR",
        )
    except failures as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise AcceleratorUnavailable(
            f"NVIDIA's Model Optimizer can't make a network in {precision}: {reason}"
        ) from error
    if not target.is_file():
        raise AcceleratorUnavailable(f"NVIDIA's Model Optimizer made no network in {precision}.")
    quantised_scales.match_types(target)


def or_wider(build: Callable[[Preparation], Engines], preparation: Preparation) -> Engines:
    """Return the engines of `build`. Where those in 8 bits can't be built, return those in `WIDER`, and log why.

    Raises what `build` raises in any other precision, and `MemoryShort`.
    """
    try:
        return build(preparation)
    except MemoryShort:
        raise
    except (AcceleratorUnavailable, ModelError) as error:
        if preparation.precision not in EIGHT_BITS:
            raise
        remark = f"{WIDER} in place of {preparation.precision}: {error}"
        log.warning("%s", remark)
        engines = build(replace(preparation, precision=WIDER))
        return replace(engines, remarks=(*engines.remarks, remark))
