"""CUDA graphs of encoder and decoder: functions of one tensor, launched by the host in one call.

No card has run them.
"""

from collections.abc import Callable
from typing import Any

import torch

from pipeline.graph_capture import WARM_UPS, Recorder, failed_capture
from presets.errors import StreamflowError


class CapturedCall:
    """A function of one tensor, replayed as a CUDA graph. Where it can't be captured, it is called.

    The tensor that it returns is the same at every call. Captures of functions that run beside each other need
    recorders of their own.
    """

    def __init__(
        self, name: str, call: Callable[[torch.Tensor], torch.Tensor], example: torch.Tensor, record: Recorder
    ) -> None:
        """
        Args:
            name: Name for the log.
            call: The function. It reads its argument's memory and reads nothing back to the host.
            example: Memory of the argument, which the capture keeps. It is overwritten.
            record: Captures the function.
        """
        self._call, self._input = call, example
        self._replay: Callable[[], Any] | None = None
        self.problem = ""
        """Why it is not captured, as a clause; empty if it is."""
        self._out = example
        for _ in range(WARM_UPS):
            call(example)

        def capture() -> None:
            self._out = call(example)

        try:
            self._replay = record(capture)
        except (RuntimeError, StreamflowError) as error:
            self.problem = failed_capture(name, error)

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the result for a tensor of the example's shape and type, valid until the next call."""
        if self._replay is None:
            return self._call(tensor)
        if tensor is not self._input:
            self._input.copy_(tensor)
        self._replay()
        return self._out
