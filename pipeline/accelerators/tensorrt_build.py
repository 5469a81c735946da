"""Build of a TensorRT engine from an ONNX file, in either flavour, strongly typed: each tensor keeps its type in the
file.

The engine is for the card of this machine, or with TensorRT-RTX for any that is named. Progress is reported as TensorRT
reports it; an error that the callback raises ends the build.
"""

import gc
from pathlib import Path
from typing import Any

from pipeline.accelerators import tensorrt_library
from pipeline.accelerators.engines import Progress
from pipeline.accelerators.tensorrt_library import Flavour
from presets.errors import AcceleratorUnavailable, MemoryShort, StreamflowError

SMALLEST_STEP = 0.01
"""Least fraction of a build between two reports."""

Rows = tuple[int, int, int]
"""Least, optimal and greatest number of rows of a batch."""


def target(flavour: Flavour, asked: str = "") -> str:
    """Return the compute capability to build for, as ``8.9``: the one asked for, else that of this machine's card.

    Raises:
        AcceleratorUnavailable: this flavour can't build for it here, or is not installed.
    """
    trt = tensorrt_library.library(flavour)
    here = tensorrt_library.capability()
    known = tensorrt_library.capabilities(trt) if flavour.ahead else ()
    if asked and not flavour.ahead and asked != here:
        raise AcceleratorUnavailable(
            f"{flavour.title} builds for the card it runs on; only tensorrt_rtx builds for {asked} from elsewhere."
        )
    if not asked and not here:
        which = f", or say for which card with --for: {', '.join(known)}" if known else ""
        raise AcceleratorUnavailable(
            f"{flavour.title} finds no NVIDIA GPU here to build for; build on the machine that plays{which}."
        )
    if known and (asked or here) not in known:
        raise AcceleratorUnavailable(
            f"{flavour.title} can't build for compute capability {asked or here}; it can for {', '.join(known)}."
        )
    return asked or here


def build_plan(
    flavour: Flavour,
    name: str,
    onnx: Path,
    rows: Rows | None,
    capability: str,
    progress: Progress,
    timings: bytes = b"",
) -> tuple[Any, bytes]:
    """Compile `onnx`. Return the serialized engine, a buffer of bytes, and the timings measured on the way.

    Args:
        flavour: The compiler.
        name: Name of the network, for an error.
        onnx: The file; weights beside it are found.
        rows: Rows of inputs whose first dimension is dynamic; None if there are none.
        capability: The result of `target`.
        progress: Receives the phase and the fraction done; may raise to cancel.
        timings: Timings of an earlier build with classic TensorRT on the same card.

    Raises:
        AcceleratorUnavailable: network, card, driver or memory do not allow it, with TensorRT's reason.
    """
    trt = tensorrt_library.library(flavour)
    log = logger(trt)
    builder = trt.Builder(log)
    network = builder.create_network(_strongly_typed(trt))
    parser = trt.OnnxParser(network, log)
    if not parser.parse_from_file(str(onnx)):
        raise AcceleratorUnavailable(f"{flavour.title} can't read the {name}: {_parser_error(parser)}")
    config = builder.create_builder_config()
    if rows is not None:
        config.add_optimization_profile(_profile(builder, network, rows))
    if flavour.ahead:
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability.__members__[f"SM{capability.replace('.', '')}"], 0)
    else:
        # TensorRT itself refuses a cache of another card or version, and starts without one.
        config.set_timing_cache(config.create_timing_cache(timings), ignore_mismatch=False)
    monitor = _monitor(trt, progress)
    config.progress_monitor = monitor
    try:
        plan = builder.build_serialized_network(network, config)
        if monitor.cancelled is not None:
            raise monitor.cancelled
        if plan is None:
            raised = MemoryShort if is_memory(log.errors) else AcceleratorUnavailable
            raise raised(f"{flavour.title} can't build the {name}: {reason(log.errors)}")
        return plan, b"" if flavour.ahead else bytes(config.get_timing_cache().serialize())
    finally:
        # TensorRT's objects must be freed in this order, before the log that they write into.
        del config, parser, network, builder
        gc.collect()


def is_memory(errors: list[str]) -> bool:
    """Return True if TensorRT's errors say that memory was too short."""
    words, _ = _REMEDIES[0]
    return any(word in error for error in errors for word in words)


def reason(errors: list[str]) -> str:
    """Return TensorRT's errors as a sentence: the first that a person can mend, else the last."""
    for words, said in _REMEDIES:
        if found := next((error for error in errors if any(word in error for word in words)), ""):
            return f"{said} ({found})"
    return f"{errors[-1]}" if errors else "it gives no reason."


_REMEDIES = (
    (
        ("OutOfMemory", "out of memory", "OOM", "bad_alloc", "insufficient memory"),
        "the memory of the card or the machine ran out: a smaller size, fewer slots, or nothing else on the card",
    ),
    (("driver version is insufficient", "cudaError 35"), "the NVIDIA driver is missing or too old for this CUDA"),
    (("compute capability", "SM version", "not supported on this device"), "this card is not one it is made for"),
)


def logger(trt: Any) -> Any:
    """Return a log for TensorRT's objects. Its ``errors`` are the lines that are errors, in order."""

    class Log(trt.ILogger):  # type: ignore[misc]
        """A log that keeps errors only. Nobody can mend what TensorRT warns of."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors.append(" ".join(message.split()))

    return Log()


def _monitor(trt: Any, progress: Progress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """TensorRT's nested phases as one fraction that never falls."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.cancelled: BaseException | None = None
            self._phases: list[tuple[str, int, int]] = []
            """Name, steps and finished steps, the outermost phase first."""
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
            if phase == self._reported[0] and inner < self._reported[1] + SMALLEST_STEP:
                return  # there are thousands of steps
            self._reported = phase, max(self._reported[1], inner)
            try:
                progress(*self._reported)
            except (StreamflowError, OSError, KeyboardInterrupt) as error:
                # No exception may pass through TensorRT's own code; `build_plan` raises it afterwards.
                self.cancelled = error

    return Monitor()


def _profile(builder: Any, network: Any, rows: Rows) -> Any:
    profile = builder.create_optimization_profile()
    for place in range(network.num_inputs):
        tensor = network.get_input(place)
        fewest, best, most = ([count if size < 0 else size for size in tensor.shape] for count in rows)
        profile.set_shape(tensor.name, fewest, best, most)
    return profile


def _strongly_typed(trt: Any) -> int:
    # TensorRT 11 has no other networks, and may lack the flag.
    flag = trt.NetworkDefinitionCreationFlag.__members__.get("STRONGLY_TYPED")
    return 0 if flag is None else 1 << int(flag)


def _parser_error(parser: Any) -> str:
    if not parser.num_errors:
        return "it gives no reason."
    error = parser.get_error(0)
    node = f"{error.node_operator() or 'node'} '{error.node_name()}': " if error.node_name() else ""
    return f"{node}{' '.join(error.desc().split())}"
