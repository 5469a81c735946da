"""Entry of a picture into the stream: the latent that it begins with, and the source that the network sees."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.accelerators.engines import Engines
from pipeline.controlnet.control_pictures import ControlPictures
from pipeline.controlnet.controlled_unet import PICTURE
from pipeline.feedback import HOST, Feedback
from pipeline.reuse.source_path import SourcePath
from pipeline.slots import PictureReuse
from presets.build import Build
from presets.errors import StreamError
from presets.parameters import Parameters


class PictureEntry(NamedTuple):
    """Arguments of one admission that come from pixels. Tensors are valid until the next `PictureEntries.read`."""

    latent: torch.Tensor | None
    """Clean latent ``[C, h, w]`` that the frame begins with; None begins with noise."""
    source: torch.Tensor | None
    """Source latent ``[C, h, w]`` that the network sees; None is no source."""
    strength: float
    """Strength that the frame enters at; 1 without anything to begin with."""
    tensors: Mapping[str, torch.Tensor]
    """Extra inputs of one tensor a picture, by name: the control picture, where there is one."""
    reuse: PictureReuse = PictureReuse()


class FrameTicket(NamedTuple):
    """Ticket of a frame in the stream."""

    given: object
    fed: int
    """`Feedback.mix_count` at admission."""


class StreamedFrame(NamedTuple):
    """A finished frame."""

    pixels: NDArray[np.uint8]
    """RGB ``[H, W, 3]``, owned by the caller."""
    ticket: object
    """The ticket that the frame was admitted with."""


class Encoding(Protocol):
    """The part of `pipeline.prepared_engines.PreparedEngines` that encodes pictures."""

    engines: Engines
    control: ControlPictures | None

    @property
    def sees_source(self) -> bool: ...
    def source_of(self, latent: torch.Tensor, structure: float) -> torch.Tensor: ...


class PictureEntries:
    """Pictures of one size on their way in. No memory of a picture's size is allocated for a frame."""

    def __init__(self, build: Build, feedback: Feedback) -> None:
        self._feedback = feedback
        self._preprocessor = build.preprocessor
        self._pixels = torch.empty(1, build.height, build.width, 3, dtype=torch.uint8)
        self._pixels_np = self._pixels.numpy()
        self._path = SourcePath(build.width, build.height) if build.reuse else None

    def read(self, pixels: NDArray[np.uint8] | None, parameters: Parameters, encoding: Encoding) -> PictureEntry:
        """Encode a picture as its parameters ask, at most once.

        In mode ``image`` the picture is what the frame begins with and, where the network sees it and `structure` is
        above 0, its source. With feedback it is the mix for both. In mode ``text`` there is no source, and the fed-back
        picture is only what the frame begins with. A control picture is made of the picture as it came.

        Args:
            pixels: RGB uint8 ``[H, W, 3]``, copied; or None.
            parameters: Parameters of the frame.
            encoding: The engines that play.

        Raises:
            StreamError: pixels of another size or dtype.
        """
        picture = None if parameters.mode == "text" else pixels
        if picture is not None and (picture.shape != self._pixels_np.shape[1:] or picture.dtype != np.uint8):
            raise StreamError(
                f"The picture is {picture.dtype} {picture.shape}; this stream takes uint8 {self._pixels_np.shape[1:]}."
            )
        tensors = {}
        if encoding.control is not None and picture is not None and parameters.controlnet_scale > 0.0:
            tensors[PICTURE] = encoding.control.make(picture, self._preprocessor, parameters)
        fed_back = self._feedback.is_active(parameters)
        strength = parameters.strength if fed_back or picture is not None else 1.0
        is_source = picture is not None and encoding.sees_source and parameters.structure > 0.0
        if strength == 1.0 and not is_source:
            return PictureEntry(None, None, strength, tensors, self._reuse(None, parameters, (False, False)))
        mixed = None
        if fed_back:
            # Reuse compares the mix on the host.
            self._feedback.move_to(encoding.engines.device if self._path is None else HOST)
            mixed = self._feedback.mix(picture, parameters, self._pixels_np[0])
        elif picture is not None:
            np.copyto(self._pixels_np[0], picture)
        latent = encoding.engines.encode(self._pixels if mixed is None else mixed)[0]
        begins = strength < 1.0  # at strength 1 the frame begins with noise alone
        return PictureEntry(
            latent if begins else None,
            encoding.source_of(latent, parameters.structure) if is_source else None,
            strength,
            tensors,
            self._reuse(self._pixels_np[0], parameters, (begins, is_source)),
        )

    def _reuse(
        self, picture: NDArray[np.uint8] | None, parameters: Parameters, seen: tuple[bool, bool]
    ) -> PictureReuse:
        """Return the limits of reuse for a picture.

        Args:
            picture: The picture that was encoded.
            parameters: Parameters of the frame.
            seen: True if the frame begins with it, and True if it is the source.
        """
        if self._path is None:
            return PictureReuse()
        settings = (*seen, parameters.structure if seen[1] else 0.0)
        return PictureReuse(parameters.reuse_longest, parameters.reuse_change, self._path.advance(picture), settings)
