"""`ImagePrompts`: images in files as the tokens that an IP-Adapter's network attends to.

An image is read and encoded on the thread of texts, beside the show. One that can't be read leaves the one before.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.component_loading import read_network
from pipeline.encoded_text import EncodedImage
from pipeline.ip_adapter.adapter_file import BESIDE, ENCODER, IpAdapter
from pipeline.library_imports import load_class, quick_imports
from presets.errors import ModelError
from presets.paths import home_path

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
LARGEST_FILE = 256 << 20
"""Bytes of an image file."""
MOST_PIXELS = 64_000_000
"""Pixels of an image. A small file may claim to have more than fit into the memory."""
MOST_IMAGES = 64
"""Encoded images that are kept."""


class ImagePrompts:
    """The image encoder, and the projection of what it says to tokens. `encode` runs on one thread, `recall` on any."""

    def __init__(self, network: Any, projection: nn.Module, shape: tuple[int, int]) -> None:
        """
        Args:
            network: ``CLIPVisionModelWithProjection``, in main memory.
            projection: ``ImageProjection`` of diffusers, from its image embeddings ``[1, E]`` to tokens ``[1, N, D]``.
            shape: ``(N, D)``.
        """
        self._network, self._projection = network, projection
        self.shape = shape
        """Number and width of the tokens of an image."""
        self.refused = ""
        """Sentence about the image that was asked for last and can't be read; empty if it is shown or none was."""
        side = network.config.image_size  # as diffusers' pipelines do, whatever the folder says
        self._processor = load_class("transformers", "CLIPImageProcessor")(size=side, crop_size=side)
        nothing = self._tokens(torch.zeros(1, network.config.projection_dim))
        self._none = EncodedImage(nothing, nothing, is_shown=False)
        self._known: dict[str, EncodedImage] = {}
        self._last = self._none

    def encode(self, path: str) -> EncodedImage:
        """Return the image in a file; an empty path is none. Images that are known are not read again.

        With a file that can't be read, `refused` says why, and the last image that could be is returned.
        """
        found = self.recall(path)
        if found is None:
            try:
                pixels = self._processor(read_image(home_path(path)), return_tensors="pt").pixel_values
            except ModelError as error:
                self.refused = str(error)
                return self._last
            self.refused = ""
            with torch.inference_mode():
                tokens = self._tokens(self._network(pixels).image_embeds.float())
            self._last = found = self._known[path] = EncodedImage(tokens, self._none.tokens, is_shown=True)
            if len(self._known) > MOST_IMAGES:
                del self._known[next(iter(self._known))]
        return found

    def recall(self, path: str) -> EncodedImage | None:
        """Return an image that is known, or none for an empty path. Reads nothing."""
        found = self._known.get(path) if path else self._none
        if found is not None:
            self.refused = ""
            self._last = found
        return found

    @torch.inference_mode()
    def _tokens(self, embeds: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self._projection(embeds)[0].clone()
        return tokens


def load_image_prompts(adapter: IpAdapter) -> ImagePrompts:
    """Read the image encoder and the projection of an IP-Adapter. Raises `ModelError` if they can't be loaded."""
    tokens, width = adapter.image
    weights = adapter.read("image_proj.")
    with quick_imports():
        from diffusers.models.embeddings import ImageProjection
    projection = ImageProjection(weights["proj.weight"].shape[1], width, tokens)
    projection.load_state_dict({name.replace("proj.", "image_embeds."): each for name, each in weights.items()})
    network = read_network(adapter.encoder, BESIDE, ENCODER, adapter.encoder_weights, torch.float32)
    return ImagePrompts(network, projection.eval().requires_grad_(False), adapter.image)


def read_image(path: Path) -> Any:
    """Return the image in a file as RGB, turned as its EXIF tag says. Raises `ModelError` with the reason."""
    from PIL import Image, ImageOps, UnidentifiedImageError  # diffusers needs it too

    try:
        if not path.exists():
            raise ModelError(f"There is no image {path}. Name a JPEG, PNG, WebP, BMP or TIFF, or none.")
        if not path.is_file():  # a pipe would be waited for
            raise ModelError(f"{path} is no image file.")
        if path.stat().st_size > LARGEST_FILE:
            raise ModelError(f"{path} is larger than {LARGEST_FILE >> 20} MiB, the limit for an image.")
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ModelError(
                    f"{path} has {image.width}x{image.height} pixels; an image may have {MOST_PIXELS // 10**6} million."
                )
            return ImageOps.exif_transpose(image).convert("RGB")
    except UnidentifiedImageError as error:
        raise ModelError(f"{path} is no image of a kind that is read: JPEG, PNG, WebP, BMP or TIFF.") from error
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, Image.DecompressionBombError) as error:
        raise ModelError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}.") from error
