"""OpenVINO's inference requests on torch's memory, and a batch shared by two requests with threads of their own."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import openvino
import torch

from pipeline.accelerators.engines import Shapes
from pipeline.denoiser import ConditioningRows, Denoiser


class Request:
    """One inference request whose inputs and output are the memory of torch tensors, without copies."""

    def __init__(self, compiled: Any, out: torch.Tensor, kept: torch.Tensor | None = None) -> None:
        """`kept` is the memory of a second output, for networks that have one."""
        self._request = compiled.create_infer_request()
        self._out = out
        for place, memory in enumerate((out,) if kept is None else (out, kept)):
            self._request.set_output_tensor(place, openvino.Tensor(memory.numpy(), shared_memory=True))
        self._bound: list[torch.Tensor | None] = [None] * len(compiled.inputs)
        self._pointers = [0] * len(compiled.inputs)

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Return the output, valid until the next call."""
        self._bind(inputs)
        self._request.infer()
        return self._out

    def begin(self, *inputs: torch.Tensor) -> None:
        """Start a call. `wait` for its output before the next."""
        self._bind(inputs)
        self._request.start_async()

    def wait(self) -> None:
        """Wait until the output is complete."""
        self._request.wait()

    def _bind(self, inputs: tuple[torch.Tensor, ...]) -> None:
        for place, tensor in enumerate(inputs):
            if tensor.data_ptr() != self._pointers[place]:
                held = tensor.contiguous()
                self._request.set_input_tensor(place, openvino.Tensor(held.numpy(), shared_memory=True))
                self._bound[place] = held  # kept alive while the request reads it
                self._pointers[place] = held.data_ptr()


class SharedBatch:
    """A batch in parts that are computed side by side. The threads of a part never wait for those of another."""

    def __init__(self, parts: Sequence[tuple[int, Any]], out: torch.Tensor, kept: torch.Tensor | None = None) -> None:
        """
        Args:
            parts: Rows and the network compiled for them, in order.
            out: The whole output, ``[B, ...]``.
            kept: The whole second output, for networks that have one.
        """
        self._out = out
        self._parts: list[tuple[slice, Request]] = []
        start = 0
        for rows, compiled in parts:
            place = slice(start, start + rows)
            self._parts.append((place, Request(compiled, out[place], None if kept is None else kept[place])))
            start += rows

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Return the output, valid until the next call. The rows of every input are divided among the parts."""
        for place, request in self._parts:
            request.begin(*(tensor[place] for tensor in inputs))
        for _, request in self._parts:
            request.wait()
        return self._out


class OpenVinoDenoiser:
    """A denoiser with a network, or networks side by side, for each prepared batch size."""

    def __init__(
        self,
        parts: Mapping[int, Sequence[tuple[int, Any]]],
        latent: tuple[int, int, int],
        texts: Sequence[str],
        timesteps: Any = None,
        width: int = 0,
        keeps: torch.Tensor | None = None,
        reads: torch.Tensor | None = None,
    ) -> None:
        """
        Args:
            parts: The rows of each part by batch size, with the network compiled for them.
            latent: ``(C, h, w)``.
            texts: Names of the network's inputs behind latents and timesteps, as `ConditioningRows.part` takes them.
            timesteps: The compiled projection of timesteps; None if the network takes timesteps as they are.
            width: Width of a projected timestep.
            keeps: Memory ``[B, C, h, w]`` for the deep features that the network returns beside its output.
            reads: Memory of the features that the network takes as its last input.
        """
        self.sizes = tuple(parts)
        self._networks: dict[int, Request | SharedBatch] = {}
        for size, shared in parts.items():
            out = torch.empty(size, *latent)
            kept = None if keeps is None else keeps[:size]
            self._networks[size] = (
                SharedBatch(shared, out, kept) if len(shared) > 1 else Request(shared[0][1], out, kept)
            )
        self._texts = tuple(texts)
        self._kept = {size: () if reads is None else (reads[:size],) for size in parts}
        self._projections = {} if timesteps is None else _projections(timesteps, width, parts)

    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """Return the network's output. See `pipeline.denoiser.Denoiser`."""
        size = len(latents)
        if self._projections:
            timesteps = self._projections[size](timesteps)
        texts = (conditioning.part(name) for name in self._texts)
        return self._networks[size](latents, timesteps, *texts, *self._kept[size])


def openvino_denoisers(
    shares: Mapping[str, Mapping[int, Sequence[tuple[int, Any]]]], shapes: Shapes, timesteps: Any, width: int
) -> tuple[Denoiser, Denoiser | None]:
    """Return the denoiser, and its outer blocks on the features that it keeps; None in their place if it keeps none.

    Args:
        shares: The parts of every batch size, as `OpenVinoDenoiser` takes them, by the name of the graph.
        shapes: Shapes of the model.
        timesteps: As `OpenVinoDenoiser` takes it.
        width: Width of a projected timestep.
    """
    texts = tuple(shapes.row_inputs)[2:]
    if shapes.kept is None:
        return OpenVinoDenoiser(shares["denoiser"], shapes.latent, texts, timesteps, width), None
    kept = torch.zeros(max(shares["denoiser"]), *shapes.kept)
    return (
        OpenVinoDenoiser(shares["denoiser"], shapes.latent, texts, timesteps, width, keeps=kept),
        OpenVinoDenoiser(shares["outer"], shapes.latent, texts, timesteps, width, reads=kept),
    )


def _projections(timesteps: Any, width: int, sizes: Iterable[int]) -> dict[int, Request]:
    return {size: Request(timesteps, torch.empty(size, width)) for size in sizes}
