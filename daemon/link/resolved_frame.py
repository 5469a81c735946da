"""`ResolvedFrame`: the parameters of the next picture, as sent over the link. `NextFrame`: the received form.

Both ends cache the encoded text, which stays the same from picture to picture while nothing moves.
"""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from daemon.link.header import Part
from presets.frame_parameters import FrameParameters, NoiseWeight, TextWeight
from presets.parameter_table import flatten, snapshot


@dataclass(frozen=True, slots=True)
class ResolvedFrame:
    """Parameters of one picture, with every morph resolved."""

    parameters: FrameParameters
    is_moving: bool
    """True during a morph and while the noise drifts: the next picture has other parameters."""

    def encode(self) -> bytes:
        """Return JSON: plain values by address, then what they resolve to."""
        frame = self.parameters
        resolved = {"prompt": frame.prompt, "negative": frame.negative, "noise": frame.noise, "moving": self.is_moving}
        return json.dumps(flatten(frame.parameters) | resolved | {"ahead": frame.ahead}).encode()

    @classmethod
    def decode(cls, part: Part) -> "ResolvedFrame":
        """Read what `encode` wrote. The stage is trusted: values are not validated again."""
        values = json.loads(bytes(part))
        parameters = FrameParameters(
            snapshot(values),
            tuple(TextWeight(*weight) for weight in values["prompt"]),
            tuple(TextWeight(*weight) for weight in values["negative"]),
            tuple(NoiseWeight(*weight) for weight in values["noise"]),
            tuple(values["ahead"]),
        )
        return cls(parameters, bool(values["moving"]))


@dataclass(frozen=True, slots=True, eq=False)
class NextFrame:
    """Answer to one ask: everything that the next picture is drawn from."""

    revision: int
    moment: FrameParameters
    number: int
    """Counts up by one with every change of `moment`."""
    moving: bool
    """True during a morph and while the noise drifts: the next answer has another `moment`."""
    pixels: NDArray[np.uint8] | None
    """uint8 [H, W, 3], or None where no picture is newer than the last one that was given."""
    source_index: int
    captured_at: int
    given_at: int
    """Time of the answer on the stage's clock, nanoseconds."""
    turn: int = 0
    """Number of the answer among those of all renderers."""
    is_new: bool = True
    """True if no renderer of the build was given `pixels` before."""
