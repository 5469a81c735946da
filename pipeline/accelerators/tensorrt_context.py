"""Execution contexts of a TensorRT engine: the tensors that are bound to one, its profile, and its CUDA graphs.

Contexts have not run on hardware.
"""

from collections.abc import Sequence
from typing import Any

import torch

ALIGNMENT = 256
"""Bytes. TensorRT accepts only tensor addresses that are multiples of it."""

Ranges = Sequence[tuple[tuple[int, ...], tuple[int, ...]]]
"""Smallest and largest shape of each input in an optimization profile."""


def narrowest_profile(profiles: Sequence[Ranges], shapes: Sequence[Sequence[int]]) -> int:
    """Return the place of the profile that holds these shapes and the fewest others; 0 if none holds them.

    A profile of one shape has kernels that were chosen for it alone.
    """

    def holds(ranges: Ranges) -> bool:
        return all(
            len(shape) == len(least)
            and all(low <= side <= high for low, side, high in zip(least, shape, most, strict=True))
            for (least, most), shape in zip(ranges, shapes, strict=True)
        )

    def width(place: int) -> int:
        return sum(high - low for least, most in profiles[place] for low, high in zip(least, most, strict=True))

    return min((place for place, ranges in enumerate(profiles) if holds(ranges)), key=width, default=0)


def capture_calls(trt: Any, config: Any) -> bool:
    """Have TensorRT-RTX capture each call as a CUDA graph and launch that. Return False if this version can't."""
    strategies = getattr(trt, "CudaGraphStrategy", None)  # from version 1.2 on
    if strategies is None:
        return False
    config.cuda_graph_strategy = strategies.WHOLE_GRAPH_CAPTURE
    return bool(config.cuda_graph_strategy == strategies.WHOLE_GRAPH_CAPTURE)


class BoundContext:
    """An execution context with the tensors that are bound to it."""

    def __init__(self, context: Any, runtime_cache: Any) -> None:
        self._context = context
        self._runtime_cache = runtime_cache  # must outlive the context; TensorRT-RTX holds no reference
        self._bound: dict[str, torch.Tensor] = {}
        """Tensors by name. Their memory must exist as long as they are bound."""
        self._staging: dict[str, torch.Tensor] = {}
        """Aligned substitutes of tensors whose address is not a multiple of `ALIGNMENT`."""

    def bind(self, name: str, tensor: torch.Tensor, is_input: bool) -> None:
        """Bind a tensor, or an aligned substitute with its contents."""
        if tensor.data_ptr() % ALIGNMENT:
            staging = self._staging.get(name)
            if staging is None:
                staging = self._staging[name] = torch.empty_like(tensor)
            if is_input:
                staging.copy_(tensor)
            tensor = staging
        else:
            self._staging.pop(name, None)
        bound = self._bound.get(name)
        if bound is None or bound.data_ptr() != tensor.data_ptr():
            self._context.set_tensor_address(name, tensor.data_ptr())
            self._bound[name] = tensor

    def execute(self, stream: int) -> bool:
        """Put the network on a CUDA stream and return True if TensorRT accepts it."""
        return bool(self._context.execute_async_v3(stream))

    def copy_output(self, name: str, out: torch.Tensor) -> None:
        """Copy an output from its aligned substitute to `out`, if it has one."""
        if name in self._staging:
            out.copy_(self._staging[name])
