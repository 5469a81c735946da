"""A TensorRT engine as a network over torch tensors. It reads and writes their own memory, on torch's stream.

Not run on hardware yet. The refusals, which need no GPU, are tested.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import torch

from pipeline.accelerators import tensorrt_library
from pipeline.accelerators.engines import TensorPort
from pipeline.accelerators.tensorrt_build import is_memory, logger, reason
from pipeline.accelerators.tensorrt_kernels import Kernels
from pipeline.accelerators.tensorrt_library import TENSORRT, TENSORRT_RTX, Flavour
from presets.errors import AcceleratorUnavailable, MemoryShort, ModelError, StreamError, StreamflowError

RTX_MARK = b"vtrt"
"""First bytes of an engine of TensorRT-RTX. Those of TensorRT had several, which it checks itself."""

ALIGNMENT = 256
"""Bytes. TensorRT accepts only addresses that are multiples of it."""

TYPES = {
    "FLOAT": torch.float32,
    "HALF": torch.float16,
    "BF16": torch.bfloat16,
    "INT64": torch.int64,
    "INT32": torch.int32,
    "UINT8": torch.uint8,
    "INT8": torch.int8,
    "BOOL": torch.bool,
}
"""Types of torch by TensorRT's name."""


def open_engine(path: Path, device: torch.device, threads: int | None = None) -> "TensorRTNetwork":
    """Open an engine file that others built, ``.engine`` or ``.plan``, of either flavour. `threads` has no effect.

    Raises:
        ModelError: it can't be read.
        AcceleratorUnavailable: the card or driver does not suffice, or the file is no engine, or one for another card.
    """
    if device.type != "cuda":
        raise AcceleratorUnavailable(
            f"{path} is an engine for an NVIDIA GPU, and a {device.type} plays the rest here. Take accelerator eager or"
            " cuda_graphs on a machine with one."
        )
    name = f"engine {path.name}"
    try:
        length = path.stat().st_size
        with path.open("rb") as file:
            mark = file.read(len(RTX_MARK))
            if not mark:
                raise ModelError(f"{path} is empty.")
            flavour = TENSORRT_RTX if mark == RTX_MARK else TENSORRT
            _check(flavour, name)  # before gigabytes are read in vain
            if length > psutil.virtual_memory().total:
                raise _too_long(path, length)
            file.seek(0)
            plan = file.read()
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror or error}.") from error
    except MemoryError as error:
        raise _too_long(path, length) from error
    return TensorRTNetwork(flavour, plan, name, device)


def _check(flavour: Flavour, name: str) -> None:
    """Raise `AcceleratorUnavailable` if this flavour's engines can't run here."""
    if missing := tensorrt_library.missing(flavour):
        raise AcceleratorUnavailable(f"{flavour.title} can't load the {name}: {missing}. {flavour.remedy}")


def _too_long(path: Path, length: int) -> ModelError:
    return ModelError(f"{path} is {length / 1e9:.1f} GB long, more than this machine's memory takes in.")


class TensorRTNetwork:
    """A `pipeline.accelerators.engines.Network`. The first dimension of its inputs may be any that the profile has.

    Each batch size has an execution context, made at its first call, so that a shape is set once and a CUDA graph can
    be captured of it. They share one piece of scratch memory, which is torch's. Nothing waits for the device.
    """

    def __init__(
        self, flavour: Flavour, plan: Any, name: str, device: torch.device, kernels: Kernels | None = None
    ) -> None:
        """
        Args:
            flavour: The compiler that built it.
            plan: The serialized engine, a buffer of bytes.
            name: Name for errors.
            device: GPU of the tensors.
            kernels: Store of TensorRT-RTX's compiled kernels; None makes it compile at every start.

        Raises:
            AcceleratorUnavailable: it was built for another card or version, or the card or the driver does not
                suffice.
            ModelError: inputs or outputs of a type that torch lacks.
        """
        _check(flavour, name)
        trt = tensorrt_library.library(flavour)
        self._title, self._name, self._device = flavour.title, name, device
        self._log = logger(trt)
        with torch.cuda.device(device):
            runtime = trt.Runtime(self._log)
            engine = runtime.deserialize_cuda_engine(plan) if runtime is not None else None
        if engine is None:
            raise self._failed("load", AcceleratorUnavailable)
        self._runtime, self._engine = runtime, engine  # the runtime must outlive its engine
        ports = [self._port(trt, engine.get_tensor_name(place)) for place in range(engine.num_io_tensors)]
        is_input = [engine.get_tensor_mode(port.name) == trt.TensorIOMode.INPUT for port in ports]
        self.inputs = tuple(port for port, is_one in zip(ports, is_input, strict=True) if is_one)
        self.outputs = tuple(port for port, is_one in zip(ports, is_input, strict=True) if not is_one)
        self._configured: Any = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        if flavour.ahead:
            # TensorRT-RTX compiles on the card for each shape. In the background it would do so during the show, with
            # slower kernels meanwhile, so it compiles while a size is prepared.
            configured = engine.create_runtime_config()
            configured.set_execution_context_allocation_strategy(self._configured)
            strategies = trt.DynamicShapesKernelSpecializationStrategy
            configured.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
            self._configured = configured
        self._compiled = None if kernels is None else kernels.attach(self._configured)
        self._log.errors.clear()  # errors of refused kernels are no reason for a later failure
        self._scratch = torch.empty(max(1, engine.device_memory_size_v2), dtype=torch.uint8, device=device)
        self._contexts: dict[tuple[torch.Size, ...], _ExecutionContext] = {}
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __call__(self, inputs: Mapping[str, torch.Tensor], out: torch.Tensor) -> None:
        """Run the network. See `pipeline.accelerators.engines.Network`.

        Raises:
            StreamError: a size that the engine was not built for.
            ModelError: TensorRT can't run it, with its reason.
        """
        shapes = tuple(inputs[port.name].shape for port in self.inputs)
        context = self._contexts.get(shapes)
        if context is None:
            context = self._contexts[shapes] = self._prepared(shapes)
        for name, tensor in inputs.items():
            context.bind(name, tensor, is_input=True)
        context.bind(self.outputs[0].name, out, is_input=False)
        current = torch.cuda.current_stream(self._device)
        # On the default stream TensorRT would make the host wait, so it runs on another, ordered before and after.
        own = self._stream if current == torch.cuda.default_stream(self._device) else current
        if own is not current:
            own.wait_stream(current)
        if not context.execute(own.cuda_stream):
            raise self._failed("run", ModelError)
        if own is not current:
            current.wait_stream(own)
        context.deliver(self.outputs[0].name, out)

    def _prepared(self, shapes: tuple[torch.Size, ...]) -> "_ExecutionContext":
        made = self._engine.create_execution_context(self._configured)
        if made is None:
            raise self._failed("prepare", ModelError)
        made.set_device_memory(self._scratch.data_ptr(), self._scratch.numel())
        for port, shape in zip(self.inputs, shapes, strict=True):
            if not made.set_input_shape(port.name, tuple(shape)):
                fewest, _, most = self._engine.get_tensor_profile_shape(port.name, 0)
                raise StreamError(
                    f"The {self._name}'s engine takes {port.name} of {_sides(fewest)} to {_sides(most)},"
                    f" not {_sides(shape)}: build it for that size."
                )
        return _ExecutionContext(made, self._compiled)

    def call_once(self, rows: int, out: torch.Tensor) -> None:
        """Prepare a batch of so many rows with zeros, so that TensorRT-RTX compiles its kernels for it now.

        Raises as a call.
        """

        def zeros(port: TensorPort) -> torch.Tensor:
            shape = [rows if side is None else side for side in port.shape]
            return torch.zeros(shape, dtype=port.dtype, device=self._device)

        self({port.name: zeros(port) for port in self.inputs}, out)

    def _failed(self, what: str, kind: type[StreamflowError]) -> StreamflowError:
        """Return the error for something that TensorRT failed to do: `MemoryShort` if memory is the reason, else
        `kind`."""
        errors = self._log.errors
        raised = MemoryShort if is_memory(errors) else kind
        return raised(f"{self._title} can't {what} the {self._name}: {reason(errors)}")

    def _port(self, trt: Any, name: str) -> TensorPort:
        kind = self._engine.get_tensor_dtype(name).name
        if kind not in TYPES:
            raise ModelError(f"The {self._name}'s {name} is {kind}, which torch's memory can't be bound to.")
        shape = tuple(None if side < 0 else int(side) for side in self._engine.get_tensor_shape(name))
        return TensorPort(name, shape, TYPES[kind])


class _ExecutionContext:
    """An execution context with the tensors bound to it."""

    def __init__(self, context: Any, compiled: Any) -> None:
        self._context = context
        self._compiled = compiled  # must outlive the context, which TensorRT-RTX does not ensure
        self._held: dict[str, torch.Tensor] = {}
        """Bound tensors, which are kept alive."""
        self._staged: dict[str, torch.Tensor] = {}
        """Aligned copies of tensors that are not at a multiple of `ALIGNMENT`."""

    def bind(self, name: str, tensor: torch.Tensor, is_input: bool) -> None:
        if tensor.data_ptr() % ALIGNMENT:
            staged = self._staged.get(name)
            if staged is None:
                staged = self._staged[name] = torch.empty_like(tensor)
            if is_input:
                staged.copy_(tensor)
            tensor = staged
        else:
            self._staged.pop(name, None)
        held = self._held.get(name)
        if held is None or held.data_ptr() != tensor.data_ptr():
            self._context.set_tensor_address(name, tensor.data_ptr())
            self._held[name] = tensor

    def execute(self, stream: int) -> bool:
        return bool(self._context.execute_async_v3(stream))

    def deliver(self, name: str, out: torch.Tensor) -> None:
        """Copy a staged output to its destination."""
        if name in self._staged:
            out.copy_(self._staged[name])


def _sides(shape: Any) -> str:
    return "×".join(str(side) for side in shape)
