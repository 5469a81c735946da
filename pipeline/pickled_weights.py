"""Weights of a pickled checkpoint (``.ckpt``, ``.pt``), for those who insist on one.

A pickle can name any function, which Python's reader then calls. torch's restricted reader (``weights_only``) makes
tensors, numbers, texts and containers, and refuses everything else.
"""

import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch

from presets.errors import ModelError

_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
)
"""Errors of torch's reader for bytes that are no checkpoint."""


def read_pickled_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a pickled checkpoint by name, on the processor.

    Raises:
        ModelError: the file is damaged, or holds something that is no tensor, number, text or container.
    """
    try:
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        # torch's own sentence advises to read the file without protection.
        raise ModelError(
            f"{path} is damaged, or holds more than weights, which could run code when it is read; it is not read. Look"
            " for the .safetensors of the same model."
        ) from error
    except _DAMAGE as error:
        raise ModelError(f"{path} can't be read as a checkpoint: {type(error).__name__}. Download it again.") from error
    if isinstance(held, Mapping) and isinstance(held.get("state_dict"), Mapping):
        held = held["state_dict"]
    entries = held.items() if isinstance(held, Mapping) else ()
    return {name: each for name, each in entries if isinstance(name, str) and isinstance(each, torch.Tensor)}
