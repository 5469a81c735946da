"""From an ONNX file to a TensorRT engine, in either flavour, strongly typed: each tensor in the type the file gives it.

The card is the one that is here, or for TensorRT-RTX one that is named. Progress is told as TensorRT tells it; an
error raised while it is told ends the build.
"""

import gc
from pathlib import Path
from typing import Any

from pipeline.accelerators import tensorrt_library
from pipeline.accelerators.engines import Progress
from pipeline.accelerators.tensorrt_library import Flavour
from presets.errors import AcceleratorUnavailable, MemoryShort, StreamflowError

SMALLEST_STEP = 0.01
"""Of a build, that is told."""

Rows = tuple[int, int, int]
"""The fewest rows of a batch, those it is made best for, and the most."""


def target(flavour: Flavour, asked: str = "") -> str:
    """The compute capability to build for, as ``8.9``: the one asked for, else that of the card that is here.

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
    """Compiles `onnx`, and answers the serialized engine, a buffer of bytes, with what was measured on the way.

    Args:
        flavour: Which TensorRT.
        name: What is built, for an error.
        onnx: The file; weights that lie beside it are found.
        rows: Of inputs whose first dimension is open; None where none is.
        capability: What to build for: what `target` answered.
        progress: Told the phase and the fraction behind; may raise to cancel.
        timings: Classic TensorRT's measurements of an earlier build on the same card, which this one begins with.

    Raises:
        AcceleratorUnavailable: network, card, driver or memory do not allow it; with TensorRT's words.
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
        # A cache of another card or version is refused by TensorRT itself, and then it begins with none.
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
        # TensorRT's objects must go in this order, before the log that they write into.
        del config, parser, network, builder
        gc.collect()


def is_memory(errors: list[str]) -> bool:
    """Whether what TensorRT says is that memory was too short."""
    words, _ = _MENDED[0]
    return any(word in error for error in errors for word in words)


def reason(errors: list[str]) -> str:
    """TensorRT's own errors as a sentence: what a person can mend first, else the last of its words."""
    for words, said in _MENDED:
        if found := next((error for error in errors if any(word in error for word in words)), ""):
            return f"{said} ({found})"
    return f"{errors[-1]}" if errors else "it does not say why."


_MENDED = (
    (
        ("OutOfMemory", "out of memory", "OOM", "bad_alloc", "insufficient memory"),
        "the memory of the card or the machine ran out: a smaller size, fewer slots, or nothing else on the card",
    ),
    (("driver version is insufficient", "cudaError 35"), "the NVIDIA driver is missing or too old for this CUDA"),
    (("compute capability", "SM version", "not supported on this device"), "this card is not one it is made for"),
)


def logger(trt: Any) -> Any:
    """A log for TensorRT's objects, whose ``errors`` are the lines of it that are errors, the first one first."""

    class Log(trt.ILogger):  # type: ignore[misc]
        """Keeps the errors; what it warns of, of types and layouts, is nobody's to mend."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors.append(" ".join(message.split()))

    return Log()


def _monitor(trt: Any, progress: Progress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """TensorRT's nested phases as one fraction that only grows."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.cancelled: BaseException | None = None
            self._phases: list[tuple[str, int, int]] = []
            """Name, steps and steps done, the outermost first."""
            self._told = ("", 0.0)

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self._phases.append((phase, max(1, steps), 0))
            self._tell()

        def phase_finish(self, phase: str) -> None:
            while self._phases and self._phases.pop()[0] != phase:
                pass

        def step_complete(self, phase: str, step: int) -> bool:
            self._phases = [(name, steps, step + 1 if name == phase else done) for name, steps, done in self._phases]
            self._tell()
            return self.cancelled is None

        def _tell(self) -> None:
            inner = 0.0
            for _, steps, done in reversed(self._phases):
                inner = min(1.0, (done + inner) / steps)
            phase = self._phases[-1][0] if self._phases else ""
            if phase == self._told[0] and inner < self._told[1] + SMALLEST_STEP:
                return  # thousands of steps are told
            self._told = phase, max(self._told[1], inner)
            try:
                progress(*self._told)
            except (StreamflowError, OSError, KeyboardInterrupt) as error:
                # No exception may pass through TensorRT's own code; it is raised again behind it.
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
    # TensorRT 11 has no other networks, and may no longer name the flag.
    flag = trt.NetworkDefinitionCreationFlag.__members__.get("STRONGLY_TYPED")
    return 0 if flag is None else 1 << int(flag)


def _parser_error(parser: Any) -> str:
    if not parser.num_errors:
        return "it does not say why."
    error = parser.get_error(0)
    node = f"{error.node_operator() or 'node'} '{error.node_name()}': " if error.node_name() else ""
    return f"{node}{' '.join(error.desc().split())}"
