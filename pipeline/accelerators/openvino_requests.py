"""OpenVINO's requests on torch's own memory, and a batch shared out among them, each on threads of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

import openvino
import torch

from pipeline.denoiser import ConditioningRows


class Request:
    """One inference request whose inputs and output are torch tensors' own memory: nothing is copied."""

    def __init__(self, compiled: Any, out: torch.Tensor) -> None:
        self._request = compiled.create_infer_request()
        self._out = out
        self._request.set_output_tensor(0, openvino.Tensor(out.numpy(), shared_memory=True))
        self._bound: list[torch.Tensor | None] = [None] * len(compiled.inputs)
        self._pointers = [0] * len(compiled.inputs)

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The answer, valid until the next call."""
        self._bind(inputs)
        self._request.infer()
        return self._out

    def begin(self, *inputs: torch.Tensor) -> None:
        """Begins a call; `wait` for its answer before the next."""
        self._bind(inputs)
        self._request.start_async()

    def wait(self) -> None:
        """Until the answer is in its place."""
        self._request.wait()

    def _bind(self, inputs: tuple[torch.Tensor, ...]) -> None:
        for place, tensor in enumerate(inputs):
            if tensor.data_ptr() != self._pointers[place]:
                held = tensor.contiguous()
                self._request.set_input_tensor(place, openvino.Tensor(held.numpy(), shared_memory=True))
                self._bound[place] = held  # kept alive as long as the request reads it
                self._pointers[place] = held.data_ptr()


class SharedOut:
    """A batch in parts, computed side by side: a part's threads wait for no other part's at every layer."""

    def __init__(self, parts: Sequence[tuple[int, Any]], out: torch.Tensor) -> None:
        """`parts` are rows and the network compiled for so many, one after another; `out` ``[B, ...]`` has them all."""
        self._out = out
        self._parts: list[tuple[slice, Request]] = []
        start = 0
        for rows, compiled in parts:
            place = slice(start, start + rows)
            self._parts.append((place, Request(compiled, out[place])))
            start += rows

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The answer, valid until the next call; of every input the rows are shared out."""
        for place, request in self._parts:
            request.begin(*(tensor[place] for tensor in inputs))
        for _, request in self._parts:
            request.wait()
        return self._out


class OpenVinoDenoiser:
    """A denoiser with a network, or networks side by side, for every prepared batch size."""

    def __init__(
        self,
        parts: Mapping[int, Sequence[tuple[int, Any]]],
        timesteps: Any,
        width: int,
        latent: tuple[int, int, int],
    ) -> None:
        """
        Args:
            parts: For each batch size its rows in parts, with the network compiled for each.
            timesteps: The compiled projection of timesteps.
            width: Of a projected timestep.
            latent: ``(C, h, w)``.
        """
        self.sizes = tuple(parts)
        self._networks: dict[int, Request | SharedOut] = {}
        for size, shared in parts.items():
            out = torch.empty(size, *latent)
            self._networks[size] = SharedOut(shared, out) if len(shared) > 1 else Request(shared[0][1], out)
        self._projections = {size: Request(timesteps, torch.empty(size, width)) for size in parts}

    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """As `pipeline.denoiser.Denoiser`."""
        size = len(latents)
        return self._networks[size](latents, self._projections[size](timesteps), conditioning.embeds)
