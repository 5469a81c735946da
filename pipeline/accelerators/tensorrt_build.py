"""Compilation of an ONNX file to a serialized TensorRT engine, with either TensorRT library.

Engines are strongly typed: each tensor keeps the dtype that it has in the ONNX file. An exception that the progress
callback raises cancels the build.
"""

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.accelerators import tensorrt_library
from pipeline.accelerators.engines import Progress
from pipeline.accelerators.tensorrt_library import Flavour
from presets.errors import AcceleratorUnavailable, MemoryShort, StreamflowError

PROGRESS_STEP = 0.01
"""Smallest increase of the fraction within a phase that is reported. TensorRT reports thousands of steps."""

Rows = tuple[int, int, int]
"""Smallest, optimal and largest number of rows of a batch, as in an optimization profile."""


def target_capability(flavour: Flavour, requested: str = "") -> str:
    """Return the compute capability to build for, for example ``8.9``: `requested`, or that of the GPU here.

    Raises:
        AcceleratorUnavailable: the library is not installed, or can't build for this capability on this machine.
    """
    trt = tensorrt_library.load_library(flavour)
    present = tensorrt_library.compute_capability()
    supported = tensorrt_library.supported_capabilities(trt) if flavour.builds_ahead else ()
    if requested and not flavour.builds_ahead and requested != present:
        raise AcceleratorUnavailable(
            f"{flavour.title} builds for the GPU that it runs on. Only tensorrt_rtx can build for {requested} here."
        )
    if not requested and not present:
        option = f", or name a card with --for: {', '.join(supported)}" if supported else ""
        raise AcceleratorUnavailable(
            f"{flavour.title} finds no NVIDIA GPU to build for. Build on the machine that plays{option}."
        )
    if supported and (requested or present) not in supported:
        raise AcceleratorUnavailable(
            f"{flavour.title} can't build for compute capability {requested or present}."
            f" It supports {', '.join(supported)}."
        )
    return requested or present


def build_plan(
    flavour: Flavour,
    name: str,
    onnx: Path,
    rows: Sequence[Rows],
    capability: str,
    progress: Progress,
    timings: bytes = b"",
) -> tuple[Any, bytes]:
    """Compile an ONNX file. Return the serialized engine, a buffer of bytes, and the timing cache.

    Args:
        flavour: The TensorRT library.
        name: Name of the network, for error messages.
        onnx: The ONNX file. External weights must be beside it.
        rows: Batch sizes of inputs with a dynamic first dimension, for each optimization profile. Empty if all shapes
            are fixed.
        capability: Result of `target_capability`.
        progress: Receives the phase and the fraction that is done. An exception that it raises cancels the build.
        timings: Timing cache of an earlier build on the same card, for classic TensorRT.

    Raises:
        AcceleratorUnavailable: the network, the card or the driver is not supported; with TensorRT's message.
        MemoryShort: the memory of the card or of the machine ran out.
    """
    trt = tensorrt_library.load_library(flavour)
    log = error_log(trt)
    builder = trt.Builder(log)
    network = builder.create_network(_strongly_typed(trt))
    parser = trt.OnnxParser(network, log)
    if not parser.parse_from_file(str(onnx)):
        raise AcceleratorUnavailable(f"{flavour.title} can't read the {name}: {_parser_error(parser)}")
    config = builder_config(trt, builder)
    for each in rows:
        config.add_optimization_profile(_profile(builder, network, each))
    if flavour.builds_ahead:
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability.__members__[f"SM{capability.replace('.', '')}"], 0)
    else:
        # TensorRT ignores the timing cache of another card or version.
        config.set_timing_cache(config.create_timing_cache(timings), ignore_mismatch=False)
    monitor = _progress_monitor(trt, progress)
    config.progress_monitor = monitor
    try:
        plan = builder.build_serialized_network(network, config)
        if monitor.cancelled is not None:
            raise monitor.cancelled
        if plan is None:
            error = MemoryShort if is_out_of_memory(log.errors) else AcceleratorUnavailable
            raise error(f"{flavour.title} can't build the {name}: {explain(log.errors)}")
        return plan, b"" if flavour.builds_ahead else bytes(config.get_timing_cache().serialize())
    finally:
        # TensorRT's objects must be destroyed in this order, and before the log that they write to.
        del config, parser, network, builder
        gc.collect()


def builder_config(trt: Any, builder: Any) -> Any:
    """Return a configuration in which float32 is float32: TensorRT's default is TF32."""
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    return config


def is_out_of_memory(errors: list[str]) -> bool:
    """Return True if one of TensorRT's errors says that memory ran out."""
    words, _ = _EXPLANATIONS[0]
    return any(word in error for error in errors for word in words)


def explain(errors: list[str]) -> str:
    """Return TensorRT's errors as one sentence: a cause that the user can remove, otherwise the last error."""
    for words, explanation in _EXPLANATIONS:
        if error := next((error for error in errors if any(word in error for word in words)), ""):
            return f"{explanation} ({error})"
    return errors[-1] if errors else "TensorRT gives no reason."


_EXPLANATIONS = (
    (
        ("OutOfMemory", "out of memory", "OOM", "bad_alloc", "insufficient memory"),
        "the memory of the card or the machine ran out; choose a smaller size or fewer slots, or close other programs",
    ),
    (("driver version is insufficient", "cudaError 35"), "the NVIDIA driver is missing or too old for this CUDA"),
    (
        ("compute capability", "SM version", "not supported on this device"),
        "the engine is not for this card",
    ),
)


def error_log(trt: Any) -> Any:
    """Return a logger for TensorRT's objects. Its attribute ``errors`` lists the error messages in order."""

    class Log(trt.ILogger):  # type: ignore[misc]
        """A logger that keeps errors and drops warnings, which are about dtypes and layouts."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors.append(" ".join(message.split()))

    return Log()


def _progress_monitor(trt: Any, progress: Progress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Reports TensorRT's nested phases as one fraction that never decreases."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.cancelled: BaseException | None = None
            self._phases: list[tuple[str, int, int]] = []
            """Name, number of steps and steps done of each open phase, the outermost first."""
            self._reported = ("", 0.0)

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self._phases.append((phase, max(1, steps), 0))
            self._report()

        def phase_finish(self, phase: str) -> None:
            while self._phases and self._phases.pop()[0] != phase:
                pass

        def step_complete(self, phase: str, step: int) -> bool:
            self._phases = [(name, steps, step + 1 if name == phase else done) for name, steps, done in self._phases]
            self._report()
            return self.cancelled is None

        def _report(self) -> None:
            inner = 0.0
            for _, steps, done in reversed(self._phases):
                inner = min(1.0, (done + inner) / steps)
            phase = self._phases[-1][0] if self._phases else ""
            if phase == self._reported[0] and inner < self._reported[1] + PROGRESS_STEP:
                return
            self._reported = phase, max(self._reported[1], inner)
            try:
                progress(*self._reported)
            except (StreamflowError, OSError, KeyboardInterrupt) as error:
                # Exceptions can't pass through TensorRT's C++ code. `build_plan` raises this one after the build.
                self.cancelled = error

    return Monitor()


def _profile(builder: Any, network: Any, rows: Rows) -> Any:
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        smallest, optimal, largest = ([count if size < 0 else size for size in tensor.shape] for count in rows)
        profile.set_shape(tensor.name, smallest, optimal, largest)
    return profile


def _strongly_typed(trt: Any) -> int:
    # TensorRT 11 supports strongly typed networks only and may lack the flag.
    flag = trt.NetworkDefinitionCreationFlag.__members__.get("STRONGLY_TYPED")
    return 0 if flag is None else 1 << int(flag)


def _parser_error(parser: Any) -> str:
    if not parser.num_errors:
        return "the parser gives no reason."
    error = parser.get_error(0)
    node = f"{error.node_operator() or 'node'} '{error.node_name()}': " if error.node_name() else ""
    return f"{node}{' '.join(error.desc().split())}"
