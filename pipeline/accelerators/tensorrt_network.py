"""A TensorRT engine as a `Network`. It reads and writes the memory of the torch tensors, on torch's stream.

It has not run on hardware. Its error paths, which need no GPU, are tested.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import torch

from pipeline.accelerators import tensorrt_library
from pipeline.accelerators.engines import TensorPort
from pipeline.accelerators.tensorrt_build import error_log, explain, is_out_of_memory
from pipeline.accelerators.tensorrt_context import BoundContext, capture_calls, narrowest_profile
from pipeline.accelerators.tensorrt_kernels import KernelCache
from pipeline.accelerators.tensorrt_library import TENSORRT, TENSORRT_RTX, Flavour
from presets.errors import AcceleratorUnavailable, MemoryShort, ModelError, StreamError, StreamflowError

RTX_MAGIC = b"vtrt"
"""First bytes of TensorRT-RTX engines. Classic TensorRT has used several and checks them itself."""

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
"""Torch's dtypes by TensorRT's names."""


def open_engine(path: Path, device: torch.device) -> "TensorRTNetwork":
    """Open an engine file, ``.engine`` or ``.plan``, of either TensorRT library.

    Raises:
        ModelError: the file can't be read, or is larger than the memory.
        AcceleratorUnavailable: TensorRT or a GPU is absent, or the file is not an engine for this card and version.
    """
    if device.type != "cuda":
        raise AcceleratorUnavailable(
            f"{path} is an engine for an NVIDIA GPU, but the model runs on the {device.type} here."
            " Use accelerator eager or cuda_graphs on a machine with a GPU."
        )
    name = f"engine {path.name}"
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            magic = file.read(len(RTX_MAGIC))
            if not magic:
                raise ModelError(f"{path} is empty.")
            flavour = TENSORRT_RTX if magic == RTX_MAGIC else TENSORRT
            _check_available(flavour, name)  # before gigabytes are read
            if size > psutil.virtual_memory().total:
                raise _too_large(path, size)
            file.seek(0)
            plan = file.read()
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror or error}.") from error
    except MemoryError as error:
        raise _too_large(path, size) from error
    return TensorRTNetwork(flavour, plan, name, device)


def _check_available(flavour: Flavour, name: str) -> None:
    """Raise `AcceleratorUnavailable` if engines of this library can't run here."""
    if reason := tensorrt_library.unavailable_reason(flavour):
        raise AcceleratorUnavailable(f"{flavour.title} can't load the {name}: {reason}. {flavour.remedy}")


def _too_large(path: Path, size: int) -> ModelError:
    return ModelError(f"{path} has {size / 1e9:.1f} GB, more than the memory of this machine.")


class TensorRTNetwork:
    """A `pipeline.accelerators.engines.Network`. The batch of its inputs is limited by the optimization profile.

    Each batch size gets an execution context at its first call, so that shapes are set once and CUDA graphs can be
    captured. The contexts share one block of scratch memory from torch's allocator. No call blocks the host.
    """

    def __init__(
        self, flavour: Flavour, plan: Any, name: str, device: torch.device, kernels: KernelCache | None = None
    ) -> None:
        """
        Args:
            flavour: The library that built the engine.
            plan: The serialized engine, a buffer of bytes.
            name: Name for error messages.
            device: GPU of the tensors.
            kernels: Kernel cache for TensorRT-RTX. With None it compiles its kernels at every start.

        Raises:
            AcceleratorUnavailable: the engine is for another card or version, or the card or driver is not supported.
            MemoryShort: the memory ran out.
            ModelError: an input or output has a dtype that torch lacks.
        """
        _check_available(flavour, name)
        trt = tensorrt_library.load_library(flavour)
        self._title, self._name, self._device = flavour.title, name, device
        self._log = error_log(trt)
        with torch.cuda.device(device):
            runtime = trt.Runtime(self._log)
            engine = runtime.deserialize_cuda_engine(plan) if runtime is not None else None
        if engine is None:
            raise self._error("load", AcceleratorUnavailable)
        self._runtime, self._engine = runtime, engine  # the runtime must outlive its engine
        ports = [self._port(engine.get_tensor_name(index)) for index in range(engine.num_io_tensors)]
        is_input = [engine.get_tensor_mode(port.name) == trt.TensorIOMode.INPUT for port in ports]
        self.inputs = tuple(port for port, flag in zip(ports, is_input, strict=True) if flag)
        self.outputs = tuple(port for port, flag in zip(ports, is_input, strict=True) if not flag)
        self._config: Any = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        if flavour.builds_ahead:
            # TensorRT-RTX compiles kernels for each shape. By default it does so in the background and runs slower
            # kernels meanwhile, which would happen during the show. EAGER compiles at the first call of a shape.
            config = engine.create_runtime_config()
            config.set_execution_context_allocation_strategy(self._config)
            strategies = trt.DynamicShapesKernelSpecializationStrategy
            config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
            capture_calls(trt, config)
            self._config = config
        self._runtime_cache = None if kernels is None else kernels.attach(self._config)
        self._log.errors.clear()  # errors about refused kernels must not explain a later failure
        self._scratch = torch.empty(max(1, engine.device_memory_size_v2), dtype=torch.uint8, device=device)
        self._profiles = [
            [
                (tuple(least), tuple(most))
                for least, _, most in (engine.get_tensor_profile_shape(port.name, place) for port in self.inputs)
            ]
            for place in range(engine.num_optimization_profiles)
        ]
        self._contexts: dict[tuple[torch.Size, ...], BoundContext] = {}
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __call__(self, inputs: Mapping[str, torch.Tensor], out: torch.Tensor) -> None:
        """Write the first output to `out`, as in `pipeline.accelerators.engines.Network`.

        Raises:
            StreamError: the engine was not built for this batch size.
            MemoryShort: the memory ran out.
            ModelError: TensorRT can't run the engine; with its message.
        """
        shapes = tuple(inputs[port.name].shape for port in self.inputs)
        context = self._contexts.get(shapes)
        if context is None:
            context = self._contexts[shapes] = self._create_context(shapes)
        for name, tensor in inputs.items():
            context.bind(name, tensor, is_input=True)
        context.bind(self.outputs[0].name, out, is_input=False)
        current = torch.cuda.current_stream(self._device)
        # TensorRT synchronizes with the host on the default stream, so there it runs on a stream of its own, ordered
        # after and before the default stream.
        own = self._stream if current == torch.cuda.default_stream(self._device) else current
        if own is not current:
            own.wait_stream(current)
        if not context.execute(own.cuda_stream):
            raise self._error("run", ModelError)
        if own is not current:
            current.wait_stream(own)
        context.copy_output(self.outputs[0].name, out)

    def warm_up(self, rows: int, out: torch.Tensor) -> None:
        """Call the network once with zeros for a batch of `rows`, so that TensorRT-RTX compiles its kernels now.

        Raises as a call.
        """

        def zeros(port: TensorPort) -> torch.Tensor:
            shape = [rows if side is None else side for side in port.shape]
            return torch.zeros(shape, dtype=port.dtype, device=self._device)

        self({port.name: zeros(port) for port in self.inputs}, out)

    def _create_context(self, shapes: tuple[torch.Size, ...]) -> "BoundContext":
        context = self._engine.create_execution_context(self._config)
        if context is None:
            raise self._error("prepare", ModelError)
        context.set_device_memory(self._scratch.data_ptr(), self._scratch.numel())
        if profile := narrowest_profile(self._profiles, shapes):
            if not context.set_optimization_profile_async(profile, self._stream.cuda_stream):
                raise self._error("prepare", ModelError)
            self._stream.synchronize()
        for port, shape in zip(self.inputs, shapes, strict=True):
            if not context.set_input_shape(port.name, tuple(shape)):
                smallest, _, largest = self._engine.get_tensor_profile_shape(port.name, 0)
                raise StreamError(
                    f"The {self._name} was built for {port.name} of {_sides(smallest)} to {_sides(largest)},"
                    f" not {_sides(shape)}. Build it for that size."
                )
        return BoundContext(context, self._runtime_cache)

    def _error(self, action: str, kind: type[StreamflowError]) -> StreamflowError:
        """Return the error for a failed action: `MemoryShort` if memory ran out, otherwise `kind`."""
        errors = self._log.errors
        error = MemoryShort if is_out_of_memory(errors) else kind
        return error(f"{self._title} can't {action} the {self._name}: {explain(errors)}")

    def _port(self, name: str) -> TensorPort:
        kind = self._engine.get_tensor_dtype(name).name
        if kind not in TYPES:
            raise ModelError(f"The {self._name}: {name} has the type {kind}, which torch has no tensor for.")
        shape = tuple(None if side < 0 else int(side) for side in self._engine.get_tensor_shape(name))
        return TensorPort(name, shape, TYPES[kind])


def _sides(shape: Any) -> str:
    return "×".join(str(side) for side in shape)
