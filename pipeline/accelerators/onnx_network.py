"""An ONNX file as a network over torch tensors. ONNX Runtime reads and writes their own memory."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import psutil
import torch
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from pipeline.accelerators.engines import TensorPort
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
"""Types of torch and numpy by ONNX Runtime's name."""

CUDA = "CUDAExecutionProvider"

ERRORS: tuple[type[Exception], ...] = (
    *(each for each in vars(runtime).values() if isinstance(each, type) and issubclass(each, Exception)),
    OSError,
    RuntimeError,
)
"""ONNX Runtime's own errors, whose only common base is `Exception` and which differ by version, and those of its
binding."""

PLACE = re.compile(r"\S+\.(?:cc|cpp|cu|cuh|h|hpp):\d+ (?:[^()]*::[^()]*\([^()]*\) (?:const )?)?")
"""Part of a message: the place and the function in ONNX Runtime's own source."""

NODE = re.compile(r"Non-zero status code returned while running (\S+) node\. Name:('.*?') Status Message: ")


class OnnxNetwork:
    """A `pipeline.accelerators.engines.Network`. On the CPU one call is one run, without waits or copies.

    On a GPU, which has not been tested, a call waits for the work that torch has begun, and until the network is done:
    ONNX Runtime computes on a stream of its own.
    """

    def __init__(self, path: Path, device: torch.device, threads: int | None = None) -> None:
        """
        Args:
            path: The ONNX file.
            device: Device of the tensors: the CPU, or a CUDA device.
            threads: Threads on the CPU; None takes one for each physical core.

        Raises:
            ModelError: a file that is missing or damaged, or that needs what ONNX Runtime lacks.
            AcceleratorUnavailable: this ONNX Runtime can't compute on that device.
        """
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors are raised as well
        options.intra_op_num_threads = threads or psutil.cpu_count(logical=False) or 1
        options.inter_op_num_threads = 1
        # Threads that spin between two calls take the processor from whatever runs there.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._device = device
        provider: tuple[str, dict[str, str]] = ("CPUExecutionProvider", {})
        if device.type == "cuda":
            provider = (CUDA, {"device_id": str(device.index or 0)})
            if CUDA not in onnxruntime.get_available_providers():
                raise AcceleratorUnavailable(
                    "This ONNX Runtime is built for processors, and torch keeps the frames on a GPU."
                    " Install the other with: pip install --force-reinstall onnxruntime-gpu"
                )
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=[provider])
        except ERRORS as error:
            raise ModelError(f"{path} can't be read as ONNX: {_message(error, path)}") from error
        except (TypeError, UnicodeError) as error:  # a name that its binding can't take
            raise ModelError(f"{str(path)!a} can't be read as ONNX: its name is no text. Rename it.") from error
        if device.type == "cuda" and CUDA not in self._session.get_providers():  # it only warns
            raise AcceleratorUnavailable(
                "ONNX Runtime finds the CUDA or cuDNN libraries missing that it was built for."
                " Install them with: pip install 'onnxruntime-gpu[cuda,cudnn]'"
            )
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self.inputs = tuple(_port(path, described) for described in inputs)
        self.outputs = tuple(_port(path, described) for described in outputs)
        self._numpy = {described.name: TYPES[described.type][1] for described in (*inputs, *outputs)}
        self._binding = self._session.io_binding()
        self._bound: dict[str, tuple[int, torch.Size]] = {}
        self._held: dict[str, torch.Tensor] = {}

    def __call__(self, inputs: Mapping[str, torch.Tensor], out: torch.Tensor) -> None:
        """Run the network. See `pipeline.accelerators.engines.Network`. Raises ModelError if it fails."""
        for name, tensor in inputs.items():
            self._bind(self._binding.bind_input, name, tensor)
        self._bind(self._binding.bind_output, self.outputs[0].name, out)
        if self._device.type == "cuda":
            torch.cuda.current_stream(self._device).synchronize()
        try:
            self._session.run_with_iobinding(self._binding)
        except ERRORS as error:
            if "Failed to allocate memory" in str(error):
                raise MemoryShort(f"ONNX Runtime can't run the network: {_message(error)}") from error
            raise ModelError(f"ONNX Runtime can't run the network: {_message(error)}") from error

    def _bind(self, bind: Callable[..., None], name: str, tensor: torch.Tensor) -> None:
        where = tensor.data_ptr(), tensor.shape
        if self._bound.get(name) != where:
            bind(name, self._device.type, self._device.index or 0, self._numpy[name], tuple(tensor.shape), where[0])
            self._bound[name] = where
            self._held[name] = tensor  # kept alive while it is bound


def _port(path: Path, described: Any) -> TensorPort:
    if described.type not in TYPES:
        raise ModelError(f"{path}: its {described.name} is {described.type}, which torch's memory can't be bound to.")
    shape = tuple(side if isinstance(side, int) else None for side in described.shape)
    return TensorPort(described.name, shape, TYPES[described.type][0])


def _message(error: Exception, path: Path | None = None) -> str:
    """Return a message in one line: the node and the reason, without the error number, the file and ONNX Runtime's
    source."""
    text = re.sub(
        r"^(?:Error in execution: )?(?:\[ONNXRuntimeError\] : \d+ : \w+ : )?", "", " ".join(str(error).split())
    )
    text = text.replace(f"Load model from {path} failed:", "").replace(f"Load model {path} failed. ", "")
    return NODE.sub(r"\1 \2: ", PLACE.sub("", text))
