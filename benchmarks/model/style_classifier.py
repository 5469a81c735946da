"""A small network that names the style and the palette of a redrawn source. Its features serve the Fréchet distance.

The network sees the source beside the picture: in one palette, several styles differ only in what they make of the
source's light.
"""

from collections.abc import Iterator, Sequence
from itertools import islice, product

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from io_bridges.frames import Pixels

FEATURES = 64
"""Width of the penultimate layer, which is the feature space of the Fréchet distance."""
PLANES = 8
"""Planes of the input: three colours, local contrast of picture and source, each twice, and the source's light."""
AROUND = 9
"""Side in px of the square that local contrast is measured against."""
AT_ONCE = 16
"""Pictures of one network call."""


class StyleClassifier(nn.Module):
    """Convolutions for the style, a learned histogram for the colours, means over the picture, and two linear heads.

    A picture of any size from 32 pixels is taken, at the scale of the training pictures.
    """

    def __init__(self, styles: Sequence[str], palettes: Sequence[str]) -> None:
        super().__init__()
        self.styles = tuple(styles)
        self.palettes = tuple(palettes)
        self.texture = nn.Sequential(_layer(PLANES, 64, 7, 4), _layer(64, 128, 3, 2))
        self.colour = nn.Sequential(nn.AvgPool2d(4), _layer(3, 48, 1, 1), _layer(48, 64, 1, 1))
        self.join = nn.Sequential(nn.Linear(2 * 128 + 64, FEATURES), nn.ReLU())
        self.style_head = nn.Linear(FEATURES, len(self.styles))
        self.palette_head = nn.Linear(FEATURES, len(self.palettes))

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of styles ``[B, styles]`` and of palettes ``[B, palettes]``, from `input_planes`."""
        features = self.features(planes)
        return self.style_head(features), self.palette_head(features)

    def features(self, planes: Tensor) -> Tensor:
        """Return the penultimate layer, float32 ``[B, FEATURES]``, of `input_planes` ``[B, H, W, PLANES]``."""
        planes = planes.permute(0, 3, 1, 2)
        texture, colour = self.texture(planes), self.colour(planes[:, :3])
        deviation = (texture.var((2, 3)) + 1e-4).sqrt()
        found: Tensor = self.join(torch.cat([texture.mean((2, 3)), deviation, colour.mean((2, 3))], 1))
        return found

    @torch.inference_mode()
    def name(self, pictures: Sequence[Pixels], sources: Sequence[Pixels]) -> list[tuple[str, str]]:
        """Return the style and the palette of each picture of a source."""
        named: list[tuple[str, str]] = []
        for batch in _batches(pictures, sources):
            style, palette = (logits.argmax(1).tolist() for logits in self(batch))
            named += [(self.styles[s], self.palettes[p]) for s, p in zip(style, palette, strict=True)]
        return named

    @torch.inference_mode()
    def quarter_features(self, pictures: Sequence[Pixels], sources: Sequence[Pixels]) -> NDArray[np.float64]:
        """Return the features of the four quarters of each picture of a source, ``[4 · N, FEATURES]``."""
        batches = _batches(_quarters(pictures), _quarters(sources))
        found: NDArray[np.float64] = torch.cat([self.features(batch) for batch in batches]).double().numpy()
        return found


def input_planes(picture: NDArray[np.float32], source: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the input of the network for a picture and its source with levels 0 to 255, ``[H, W, PLANES]``."""
    planes = np.empty((*picture.shape[:2], PLANES), np.float32)
    planes[..., :3] = picture / np.float32(127.5) - 1
    for first, image in ((3, picture), (5, source)):
        light = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) / np.float32(127.5) - 1
        mean = cv2.blur(light, (AROUND, AROUND))
        variance = np.maximum(cv2.blur(light * light, (AROUND, AROUND)) - mean * mean, 0)
        planes[..., first] = 3 * (light - mean)
        planes[..., first + 1] = (light - mean) / (np.sqrt(variance) + np.float32(0.03))
    planes[..., 7] = light
    return planes


def accuracy(named: Sequence[tuple[str, str]], expected: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Return the shares of correct styles and palettes in percent, as rows have them."""
    if not named:
        raise ValueError("accuracy of no picture")
    correct = [[one == other for one, other in zip(*pair, strict=True)] for pair in zip(named, expected, strict=True)]
    style, palette = (100 * float(np.mean(column)) for column in zip(*correct, strict=True))
    return {"style_percent": style, "palette_percent": palette}


def _layer(before: int, after: int, kernel: int, stride: int) -> nn.Module:
    convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())


def _quarters(pictures: Sequence[Pixels]) -> list[Pixels]:
    """Return the four quarters of each picture."""
    quarters: list[Pixels] = []
    for picture in pictures:
        height, width = picture.shape[0] // 2, picture.shape[1] // 2
        quarters += [picture[y : y + height, x : x + width] for y, x in product((0, height), (0, width))]
    return quarters


def _batches(pictures: Sequence[Pixels], sources: Sequence[Pixels]) -> Iterator[Tensor]:
    """Yield the input of the pictures in batches of at most `AT_ONCE`. All pictures have one size."""
    planes = (
        input_planes(picture.astype(np.float32), source.astype(np.float32))
        for picture, source in zip(pictures, sources, strict=True)
    )
    while batch := list(islice(planes, AT_ONCE)):
        yield torch.from_numpy(np.stack(batch))
