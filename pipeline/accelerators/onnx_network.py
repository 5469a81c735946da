"""An ONNX file as a `Network`. ONNX Runtime reads and writes the memory of the torch tensors."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import psutil
import torch
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from pipeline.accelerators.engines import TensorPort
from pipeline.accelerators.onnx_cuda import CUDA as CUDA
from pipeline.accelerators.onnx_cuda import CudaSession
from presets.errors import AcceleratorUnavailable, MemoryShort, ModelError

TYPES = {
    "tensor(float)": (torch.float32, np.float32),
    "tensor(float16)": (torch.float16, np.float16),
    "tensor(double)": (torch.float64, np.float64),
    "tensor(int64)": (torch.int64, np.int64),
    "tensor(int32)": (torch.int32, np.int32),
    "tensor(uint8)": (torch.uint8, np.uint8),
    "tensor(bool)": (torch.bool, np.bool_),
}
"""Dtypes of torch and numpy, by ONNX Runtime's name for the type."""

ERRORS: tuple[type[Exception], ...] = (
    *(each for each in vars(runtime).values() if isinstance(each, type) and issubclass(each, Exception)),
    OSError,
    RuntimeError,
)
"""Exceptions of ONNX Runtime, which share no base class but `Exception` and differ between versions, and those of its
Python binding."""

SOURCE_LOCATION = re.compile(r"\S+\.(?:cc|cpp|cu|cuh|h|hpp):\d+ (?:[^()]*::[^()]*\([^()]*\) (?:const )?)?")
"""File, line and function in ONNX Runtime's own source, as they stand in its messages."""

NODE_PREFIX = re.compile(r"Non-zero status code returned while running (\S+) node\. Name:('.*?') Status Message: ")


def providers() -> list[str]:
    """Return the names of what this ONNX Runtime computes on."""
    return list(onnxruntime.get_available_providers())


class OnnxNetwork:
    """A `pipeline.accelerators.engines.Network` run by ONNX Runtime.

    On a GPU it runs in order with torch's current stream. The GPU path has not run on hardware.
    """

    def __init__(self, path: Path, device: torch.device, threads: int | None = None, captures: bool = False) -> None:
        """
        Args:
            path: The ONNX file.
            device: Device of the tensors: the CPU or a CUDA device.
            threads: Threads on the CPU. None takes one for each physical core.
            captures: True to have calls on a GPU captured as CUDA graphs, where ONNX Runtime can.

        Raises:
            ModelError: the file is absent, damaged, or needs what ONNX Runtime does not support.
            AcceleratorUnavailable: this ONNX Runtime can't use the device.
        """
        self._device = device
        self._cuda: CudaSession | None = None
        if device.type == "cuda":
            _check_cuda()
            self._cuda = CudaSession(partial(_open_session, path, device, threads), device, captures)
            self._session = self._cuda.session
        else:
            self._session = _open_session(path, device, threads)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self.inputs = tuple(_port(path, argument) for argument in inputs)
        self.outputs = tuple(_port(path, argument) for argument in outputs)
        self._numpy = {argument.name: TYPES[argument.type][1] for argument in (*inputs, *outputs)}
        self._binding = self._session.io_binding()
        self._bound: dict[str, tuple[int, torch.Size]] = {}
        self._references: dict[str, torch.Tensor] = {}

    def __call__(self, inputs: Mapping[str, torch.Tensor], out: torch.Tensor) -> None:
        """Write the first output to `out`, as in `pipeline.accelerators.engines.Network`.

        Raises:
            MemoryShort: memory can't be allocated.
            ModelError: the network can't compute these inputs.
        """
        try:
            self._run(inputs, out)
        except ERRORS as error:
            if "Failed to allocate memory" in str(error):
                raise MemoryShort(f"ONNX Runtime can't run the network: {_message(error)}") from error
            if self._cuda is not None and self._cuda.give_up(error):  # a capture that failed
                self(inputs, out)
                return
            raise ModelError(f"ONNX Runtime can't run the network: {_message(error)}") from error

    def _run(self, inputs: Mapping[str, torch.Tensor], out: torch.Tensor) -> None:
        if self._cuda is not None:
            tensors = {**inputs, self.outputs[0].name: out}
            addresses = tuple((name, tensor.data_ptr(), tensor.shape) for name, tensor in tensors.items())
            self._cuda.run(addresses, partial(self._bind_all, inputs, out), tuple(tensors.values()))
            return
        for name, tensor in inputs.items():
            self._bind(self._binding.bind_input, name, tensor)
        self._bind(self._binding.bind_output, self.outputs[0].name, out)
        self._session.run_with_iobinding(self._binding)

    def _bind_all(self, inputs: Mapping[str, torch.Tensor], out: torch.Tensor, binding: Any) -> None:
        """Bind the tensors of a call on a GPU."""
        self._bound.clear()
        for name, tensor in inputs.items():
            self._bind(binding.bind_input, name, tensor)
        self._bind(binding.bind_output, self.outputs[0].name, out)

    def _bind(self, bind: Callable[..., None], name: str, tensor: torch.Tensor) -> None:
        address = tensor.data_ptr(), tensor.shape
        if self._bound.get(name) != address:
            bind(name, self._device.type, self._device.index or 0, self._numpy[name], tuple(tensor.shape), address[0])
            self._bound[name] = address
            self._references[name] = tensor  # the memory must exist as long as it is bound


def _check_cuda() -> None:
    if CUDA not in providers():
        raise AcceleratorUnavailable(
            "The installed ONNX Runtime has no CUDA support, and torch uses a GPU here."
            " Install the CUDA build with: pip install --force-reinstall onnxruntime-gpu"
        )


def _open_session(
    path: Path, device: torch.device, threads: int | None, cuda_options: dict[str, str] | None = None
) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # fatal only: errors are raised as exceptions too
    options.intra_op_num_threads = threads or psutil.cpu_count(logical=False) or 1
    options.inter_op_num_threads = 1
    # Threads that spin between two calls take processor time from the rest of the process.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    provider: tuple[str, dict[str, str]] = ("CPUExecutionProvider", {})
    if device.type == "cuda":
        provider = (CUDA, cuda_options or {})
    try:
        session = onnxruntime.InferenceSession(path, options, providers=[provider])
    except ERRORS as error:
        raise ModelError(f"{path} can't be read as ONNX: {_message(error, path)}") from error
    except (TypeError, UnicodeError) as error:  # the binding can't encode the file name
        raise ModelError(f"{str(path)!a} can't be read as ONNX: its name is not valid text. Rename it.") from error
    if device.type == "cuda" and CUDA not in session.get_providers():  # ONNX Runtime falls back to the CPU
        raise AcceleratorUnavailable(
            "ONNX Runtime can't find the CUDA or cuDNN libraries that it was built for."
            " Install them with: pip install 'onnxruntime-gpu[cuda,cudnn]'"
        )
    return session


def _port(path: Path, argument: Any) -> TensorPort:
    if argument.type not in TYPES:
        raise ModelError(f"{path}: {argument.name} has the type {argument.type}, which torch has no tensor for.")
    shape = tuple(side if isinstance(side, int) else None for side in argument.shape)
    return TensorPort(argument.name, shape, TYPES[argument.type][0])


def _message(error: Exception, path: Path | None = None) -> str:
    """Return the message of an ONNX Runtime error in one line, without error code, file name and source location."""
    text = re.sub(
        r"^(?:Error in execution: )?(?:\[ONNXRuntimeError\] : \d+ : \w+ : )?", "", " ".join(str(error).split())
    )
    text = text.replace(f"Load model from {path} failed:", "").replace(f"Load model {path} failed. ", "")
    return NODE_PREFIX.sub(r"\1 \2: ", SOURCE_LOCATION.sub("", text))
