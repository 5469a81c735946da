"""Calls of ONNX Runtime on an NVIDIA GPU: on a stream ordered with torch's, captured as CUDA graphs by ONNX Runtime.

No card has run them. The choice of graphs is tested.
"""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import onnxruntime
import torch

from presets.errors import ModelError

log = logging.getLogger("accelerators")

CUDA = "CUDAExecutionProvider"
MOST_GRAPHS = 32
"""Graphs of one network, each for tensors at other addresses. A stream has one for each batch size."""
NO_GRAPH = -1
"""Number by which ONNX Runtime runs a call without a graph."""

Addresses = tuple[tuple[str, int, torch.Size], ...]
"""Name, address and shape of each tensor of a call."""


class GraphNumbers:
    """Numbers of CUDA graphs, which replay the addresses that they were captured with."""

    def __init__(self, captures: bool, most: int = MOST_GRAPHS) -> None:
        """`captures` is False if there is to be no graph; `most` is the largest number of them."""
        self.captures = captures
        self._most = most
        self._numbers: dict[Addresses, int] = {}

    def of(self, addresses: Addresses) -> int:
        """Return the number of the graph for these addresses, from 1 on. `NO_GRAPH` if there can be none."""
        if not self.captures:
            return NO_GRAPH
        if addresses not in self._numbers:
            if len(self._numbers) == self._most:
                return NO_GRAPH
            self._numbers[addresses] = len(self._numbers) + 1
        return self._numbers[addresses]


def provider_options(device: torch.device, stream: int, captures: bool) -> dict[str, str]:
    """Return the options of the CUDA provider, for a session that runs on a CUDA stream of torch."""
    return {
        "device_id": str(device.index or 0),
        "use_tf32": "0",  # float32 is float32 everywhere
        "user_compute_stream": str(stream),
        "enable_cuda_graph": "1" if captures else "0",
    }


class _BoundCall(NamedTuple):
    """Tensors that are bound for ONNX Runtime, and the options of the call."""

    binding: Any
    options: Any
    tensors: tuple[torch.Tensor, ...]
    """Their memory must exist as long as it is bound."""


class CudaSession:
    """A session of ONNX Runtime on a GPU. The host waits for nothing unless ONNX Runtime does."""

    def __init__(self, opens: Callable[[dict[str, str]], Any], device: torch.device, captures: bool) -> None:
        """
        Args:
            opens: Opens a session with options of the provider.
            device: The GPU.
            captures: True to have calls captured as CUDA graphs. Where ONNX Runtime can't, they are not.

        Raises:
            ModelError: as `opens`.
        """
        self._opens, self._device = opens, device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.graphs = GraphNumbers(captures)
        try:
            self.session = self._open(captures)
        except ModelError as error:
            if not captures:
                raise
            self._give_up(error)
        self._calls: dict[Addresses, _BoundCall] = {}

    def run(self, addresses: Addresses, bind: Callable[[Any], None], tensors: tuple[torch.Tensor, ...]) -> None:
        """Run the network after what torch's current stream holds already, and before what it gets next.

        Args:
            addresses: Addresses of the tensors.
            bind: Binds them to an IO binding, where there is none for these addresses yet.
            tensors: The tensors.
        """
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        call = self._calls.get(addresses)
        if call is None:
            call = self._bound(addresses, bind, tensors)
        self.session.run_with_iobinding(call.binding, call.options)
        current.wait_stream(self._stream)

    def give_up(self, error: Exception) -> bool:
        """Open the session again without graphs after an error. Return False if it had none: the error is another."""
        if not self.graphs.captures:
            return False
        self._give_up(error)
        self._calls.clear()
        return True

    def _open(self, captures: bool) -> Any:
        return self._opens(provider_options(self._device, self._stream.cuda_stream, captures))

    def _give_up(self, error: Exception) -> None:
        self.session = self._open(False)
        self.graphs.captures = False
        reason = " ".join(str(error).split())
        log.warning("ONNX Runtime launches the network kernel by kernel, because it can't capture it (%s).", reason)

    def _bound(
        self, addresses: Addresses, bind: Callable[[Any], None], tensors: tuple[torch.Tensor, ...]
    ) -> _BoundCall:
        number = self.graphs.of(addresses)
        binding = self.session.io_binding()
        bind(binding)
        call = _BoundCall(binding, run_options(number), tensors)
        if number == NO_GRAPH:
            self._calls = {key: kept for key, kept in self._calls.items() if self.graphs.of(key) != NO_GRAPH}
        self._calls[addresses] = call
        return call


def run_options(number: int) -> Any:
    """Return the options of a call with the graph of this number, at whose end the host does not wait."""
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("disable_synchronize_execution_providers", "1")
    options.add_run_config_entry("gpu_graph_id", str(number))
    return options
