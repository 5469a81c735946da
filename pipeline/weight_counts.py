"""Numbers of weights in .safetensors files, read from their headers. No weights are loaded."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pipeline.models import Model
from presets.errors import ModelError


class WeightCount(NamedTuple):
    """Weights of some files together."""

    weights: int = 0
    """Number of weights."""
    stored: int = 0
    """Bytes of the weights in the types of the files."""

    def plus(self, other: "WeightCount") -> "WeightCount":
        """Return the weights of both together."""
        return WeightCount(self.weights + other.weights, self.stored + other.stored)


def count_weights(files: Iterable[Path]) -> WeightCount:
    """Return the number of weights in checked files. Raises `ModelError` for a header that can't be read."""
    total = WeightCount()
    for file in files:
        try:
            total = total.plus(_count(file))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{file} has no header of weights ({error}). Download the model again.") from error
    return total


def count_denoiser(model: Model) -> int:
    """Return the number of weights of a model's denoising network, with a ControlNet beside it."""
    beside = model.adapters.controlnet.weights if model.adapters.controlnet else ()
    return count_weights((*model.weights[model.family.network], *beside)).weights


def _count(file: Path) -> WeightCount:
    with file.open("rb") as opened:
        header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
    return WeightCount(
        sum(math.prod(tensor["shape"]) for tensor in tensors),
        sum(end - start for start, end in (tensor["data_offsets"] for tensor in tensors)),
    )
