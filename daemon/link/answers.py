"""Messages of the stage to a renderer, each of which answers an `Ask`: `Answer`, and `Wait` for an understudy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from daemon.link.header import Header, Part, choice, decode_header, encode_header, pixels, truth, whole
from presets.errors import RendererError


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Answer of the stage to one `Ask`: the newest picture, if there is a newer one, and the parameters of now."""

    revision: int
    """Newest revision of the parameters."""
    frame: Part
    """Encoded `ResolvedFrame`."""
    pixels: NDArray[np.uint8] | None = None
    """uint8 [H, W, 3], or None where no picture is newer than the last one that this renderer got."""
    source_index: int = -1
    """Index of the source frame; -1 without one."""
    captured_at: int = 0
    """Nanoseconds on the stage's monotonic clock; 0 without a picture."""
    given_at: int = 0
    """Time of this answer, nanoseconds on the stage's monotonic clock."""
    turn: int = 0
    """Number of this answer among those of all renderers. Pictures are shown in the order of their turns."""
    is_new: bool = True
    """True if no renderer of the build was given the picture before."""

    def encode(self) -> list[Part]:
        keys = "revision", "source_index", "captured_at", "given_at", "turn", "is_new"
        stamps = {key: getattr(self, key) for key in keys}
        if self.pixels is None:
            return [encode_header("answer", **stamps), self.frame]
        return [encode_header("answer", shape=self.pixels.shape, **stamps), self.frame, self.pixels.data]

    @classmethod
    def decode(cls, header: Header, parts: Sequence[Part]) -> "Answer":
        if len(parts) not in (2, 3):
            raise RendererError(f"An answer has 2 or 3 parts, {len(parts)} came.")
        shown = pixels(header, parts[2]) if len(parts) == 3 else None
        limits = ("source_index", -1), ("captured_at", 0), ("given_at", 0), ("turn", 0)
        index, captured_at, given_at, turn = (whole(header, key, least) for key, least in limits)
        stamps = index, captured_at, given_at, turn, truth(header, "is_new")
        return cls(whole(header, "revision", 0), parts[1], shown, *stamps)


@dataclass(frozen=True, slots=True)
class Wait:
    """Answer to an understudy that is not needed yet: it asks again."""

    def encode(self) -> list[Part]:
        return [encode_header("wait")]


def decode_answer(parts: Sequence[Part]) -> Answer | Wait:
    """Read any message of the stage. Raises `RendererError` for anything else."""
    header = decode_header(parts)
    return Answer.decode(header, parts) if choice(header, "type", ("answer", "wait")) == "answer" else Wait()
