"""Types shared by all accelerators: how a model is prepared, and the engines that come out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from pipeline.conditioning import IMAGE_TOKENS, ConditioningShape
from pipeline.denoiser import ConditioningRows, Denoiser
from pipeline.families.family import PictureShape
from pipeline.graph_capture import Recorder
from presets.errors import StreamError

Progress = Callable[[str, float], None]
"""Receives the current work in words and the fraction that is done, 0 to 1."""

Together = Callable[[Sequence[Callable[[], Any]]], Iterator[Any]]
"""Begins pieces of work, as many at once as it likes, and yields their results in order."""


def one_after_another(work: Sequence[Callable[[], Any]]) -> Iterator[Any]:
    """Do each piece when its result is asked for: the `Together` of a program with one thread."""
    return (piece() for piece in work)


@dataclass(frozen=True)
class Preparation:
    """Settings for preparing a model."""

    progress: Progress
    threads: int | None = None
    """Threads of the network; None takes one for each physical core."""
    cache: Path | None = None
    """Folder of the engine cache; None takes the user's cache folder."""
    requests: int | None = None
    """Inference requests that run side by side, 1 or 2; None leaves the choice to the accelerator."""
    sizes: tuple[int, ...] = ()
    """Batch sizes to prepare, where a few are enough to time the network; empty prepares all."""
    attention: str = "sdpa"
    """Attention kernel, one of `pipeline.accelerators.attention.NAMES`, where torch runs the network."""
    precision: str = ""
    """float32, float16, bfloat16, fp8 or int8; empty leaves the choice to the accelerator."""
    engine: Path | None = None
    """Compiled network that replaces the model's own, which is then not prepared."""
    together: Together = one_after_another
    """Runs work in parallel."""
    meanwhile: Callable[[], None] = lambda: None
    """Other work, called once while the parallel work runs."""


@dataclass(frozen=True)
class Engines:
    """A model prepared for one frame size. A returned tensor is valid until the engine's next call."""

    denoiser: Denoiser
    encode: Callable[[torch.Tensor], torch.Tensor]
    """uint8 ``[1, H, W, 3]`` on the CPU or the device to a clean latent ``[1, C, h, w]`` on the device."""
    decode: Callable[[torch.Tensor], torch.Tensor]
    """A latent ``[1, C, h, w]`` on the device to uint8 ``[1, H, W, 3]`` on the CPU."""
    sizes: tuple[int, ...]
    """Prepared batch sizes of the denoiser."""
    device: torch.device
    precision: str
    """Precision of the networks. The stream itself is float32."""
    begin_decode: Callable[[torch.Tensor], Callable[[], torch.Tensor]] | None = None
    """Starts `decode` of a latent, which may be overwritten at once, and returns a function that waits for the pixels.
    The next network call runs meanwhile. As many decodes may be pending as the denoiser has rows."""
    outer: Denoiser | None = None
    """Outermost blocks of the denoiser, on the deep features that it kept at its last call of the same size
    (`pipeline.reuse`). None where it keeps none."""
    recorder: Recorder | None = None
    """Captures whole steps around the denoiser as CUDA graphs (`pipeline.graph_capture`)."""
    forward: str = "one call a step"
    """Calls of the denoiser for each step, in words. A network with one timestep for all rows needs several calls."""
    requests: int = 1
    """Inference requests that run side by side."""
    threads: int = 0
    """Threads of the network; 0 where a GPU or torch's own setting decides."""
    remarks: tuple[str, ...] = ()
    """Differences from what was asked for, a clause each."""
    any_size: bool = False
    """True if nothing is compiled for a batch size: a call at one size warms up all of them."""

    @property
    def warm_up_sizes(self) -> tuple[int, ...]:
        """Batch sizes of the denoiser that a warm-up calls."""
        return self.sizes[:1] if self.any_size else self.sizes


def left_out(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
    """Raise `StreamError`: the denoiser of engines that were prepared without one."""
    raise StreamError("These engines were made without a denoiser; another network was to take its place.")


@dataclass(frozen=True)
class Shapes:
    """Shapes that engines are prepared for."""

    width: int
    """px"""
    height: int
    """px"""
    latent: tuple[int, int, int]
    """``(C, h, w)``"""
    embeds: tuple[int, int]
    """``(L, D)``"""
    rows: int
    """Rows of a denoiser call that holds every slot with guidance: two a slot, or one where guidance is an input."""
    sees_source: bool = field(default=False, repr=False)
    """True if the denoiser sees the source of each row, as in `pipeline.denoiser`."""
    masked: bool = field(default=False, repr=False)
    """True if the denoiser takes a mask of padding tokens."""
    pooled: int | None = field(default=None, repr=False)
    """Width of the pooled vector, None if the denoiser takes none."""
    embedded_guidance: bool = field(default=False, repr=False)
    """True if the denoiser takes the guidance scale of each row as an input."""
    second_time: bool = field(default=False, repr=False)
    """True if the denoiser takes two times a row."""
    numbers: tuple[tuple[str, int], ...] = field(default=(), repr=False)
    """Extra inputs of numbers (`pipeline.extra_inputs`): the name of each, and its numbers a row."""
    tensors: tuple[tuple[str, tuple[int, ...]], ...] = field(default=(), repr=False)
    """Extra inputs of one tensor a picture: the name of each, and the tensor's shape."""

    image: tuple[int, int] | None = field(default=None, repr=False)
    """``(N, D)`` of the tokens of an image beside each text, None if the denoiser takes none."""

    kept: tuple[int, int, int] | None = field(default=None, repr=False)
    """``(C, h, w)`` of the deep features that the denoiser keeps for one row (`pipeline.reuse`), None if it keeps
    none."""

    @property
    def picture(self) -> PictureShape:
        """Shape of the picture, for a family's adapter."""
        return PictureShape(self.height, self.width, self.latent)

    @property
    def text(self) -> ConditioningShape:
        """Shape of one text."""
        return ConditioningShape(self.embeds, self.masked, self.pooled, self.image)

    @property
    def row_inputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of one row of each of the denoiser's inputs, by name and in order."""
        times = (2,) if self.second_time else ()
        shapes: dict[str, tuple[int, ...]] = {"latents": self.inputs, "timesteps": times, "embeds": self.embeds}
        if self.masked:
            shapes["mask"] = self.embeds[:1]
        if self.pooled is not None:
            shapes["pooled"] = (self.pooled,)
        if self.embedded_guidance:
            shapes["guidance"] = ()
        shapes |= {name: (count,) for name, count in self.numbers} | dict(self.tensors)
        return shapes if self.image is None else shapes | {IMAGE_TOKENS: self.image}

    @property
    def inputs(self) -> tuple[int, int, int]:
        """``(C, h, w)`` of the denoiser's latents, ``(2C, h, w)`` if it sees the source."""
        channels, height, width = self.latent
        return (2 * channels if self.sees_source else channels), height, width

    @property
    def rows_a_slot(self) -> int:
        """Most rows of one slot: two with guidance, three with image guidance."""
        return 3 if self.sees_source else 2

    @property
    def most_rows(self) -> int:
        """Most rows in one call of the denoiser."""
        return self.rows * self.rows_a_slot // 2

    def with_most_rows(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Return rising batch sizes for up to `rows` rows, and the size for image guidance in every slot."""
        return sizes if sizes[-1] >= self.most_rows else (*sizes, self.most_rows)

    def key(self) -> str:
        """Return the shapes as part of a cache key. Inputs that not every denoiser has are named where it has them."""
        named = {
            ", sees its source": self.sees_source,
            ", masked": self.masked,
            f", pooled {self.pooled}": self.pooled is not None,
            ", embedded guidance": self.embedded_guidance,
            ", second time": self.second_time,
            f", keeps {self.kept}": self.kept is not None,
            f", image tokens {self.image}": self.image is not None,
            **{f", {count} {name}": True for name, count in self.numbers},
            **{f", {'x'.join(map(str, shape))} {name}": True for name, shape in self.tensors},
        }
        return repr(self) + "".join(words for words, has in named.items() if has)


class TensorPort(NamedTuple):
    """An input or an output of a compiled network."""

    name: str
    shape: tuple[int | None, ...]
    """None for a side of any length."""
    dtype: torch.dtype

    def __str__(self) -> str:
        sides = " × ".join("any" if side is None else str(side) for side in self.shape)
        return f"{str(self.dtype).removeprefix('torch.')} [{sides}]"


class Network(Protocol):
    """A compiled network with named inputs and outputs. It runs on the tensors' own memory, without copies."""

    inputs: tuple[TensorPort, ...]
    outputs: tuple[TensorPort, ...]

    def __call__(self, inputs: Mapping[str, torch.Tensor], out: torch.Tensor) -> None:
        """Write the first output to `out`.

        Args:
            inputs: Every input by name: contiguous, of the port's dtype, on the network's device.
            out: Contiguous, of the first output's dtype, on the same device.
        """
        ...
