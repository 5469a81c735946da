"""`KeptTexts`: encoded texts of one model on disk, so that a start whose words are known needs no text encoder.

A file holds one text as safetensors, with a checksum. It is written atomically, and what is damaged counts as absent.
All models together keep `MOST_BYTES`: the texts whose last use is the longest ago make room.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from pipeline.accelerators.cache import root_folder
from pipeline.accelerators.engine_key import package_versions
from pipeline.conditioning import ConditioningShape, EncodedText
from pipeline.file_digests import digest_of
from pipeline.models import Model
from presets.atomic_write import write_atomically
from presets.errors import StreamError

log = logging.getLogger("texts")

FOLDER = "texts"
"""Folder of all texts, in the engine cache."""
FORMAT = 1
"""Raised when the content of a file changes, or the way that a family encodes its texts."""
SMALLEST = 64_000_000
"""Bytes of text encoders from which texts are kept. Smaller ones are loaded in a moment, and encode in less time than
the file is flushed to the disk."""
MOST_BYTES = 2 << 30
"""Bytes of all files. A text of FLUX.1 has 4 MB, one of Stable Diffusion 0.24 MB."""
LARGEST = 256 << 20
"""Bytes of one file; a longer one was not written here."""
CHECKSUM = "sha256"
"""Name of the checksum among the tensors of a file: uint8 ``[32]``."""
EXACT = (torch.bfloat16, torch.float16)
"""Types that a tensor is kept in if it loses nothing: large text encoders run in them."""


class KeptTexts:
    """Texts of one model, encoded in one way. One thread at a time; other processes may use the same folder."""

    def __init__(self, root: Path, key: str, shape: ConditioningShape, most: int = MOST_BYTES) -> None:
        """
        Args:
            root: Folder of the texts of all models.
            key: `text_key` of the model.
            shape: Shape of its texts, without an image.
            most: Bytes that are kept below `root`.
        """
        self._root, self._folder, self._shape, self._most = root, root / key, shape, most

    @property
    def has_any(self) -> bool:
        """True if a text of this model was kept."""
        with suppress(OSError):
            return next(self._folder.iterdir(), None) is not None
        return False

    def read(self, text: str, weights: tuple[float, ...]) -> EncodedText | None:
        """Return a text as it was encoded, bit for bit; None if it is not there or damaged.

        Args:
            text: The text, in the words that the text encoder knows.
            weights: Weights of LoRAs that it depends on.
        """
        path = self._file(text, weights)
        try:
            if not path.is_file() or path.stat().st_size > LARGEST:  # a pipe would be waited for
                return None
            found = _unpacked(load(path.read_bytes()), self._shape)
            with suppress(OSError):  # a folder that this user only reads
                os.utime(path)  # the last use decides which file makes room
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, StreamError, ValueError, TypeError, KeyError, RuntimeError) as error:
            log.debug("%s is ignored: %s", path, error)
            return None
        return found

    def write(self, text: str, weights: tuple[float, ...], encoded: EncodedText) -> None:
        """Keep a text, whole or not at all. A folder that can't be written costs the next start the encoding."""
        path = self._file(text, weights)
        try:
            data = _packed(encoded)
            make_room(self._root, self._most - len(data))
            write_atomically(path, data)
        except OSError as error:
            log.debug("the text can't be kept in %s: %s", path, error)

    def _file(self, text: str, weights: tuple[float, ...]) -> Path:
        name = hashlib.sha256(json.dumps([text, weights]).encode()).hexdigest()
        return self._folder / f"{name[:32]}.safetensors"


def kept_texts(model: Model, runs_on: str, cache: Path | None) -> KeptTexts | None:
    """Return the kept texts of a model; None if its text encoders are too small for it, or can't be read.

    Args:
        model: The model.
        runs_on: Name of what runs the text encoders.
        cache: Folder of the engine cache; None takes the user's.
    """
    try:
        if text_bytes(model) < SMALLEST:
            return None
        key = text_key(model, runs_on)
    except OSError as error:  # the text encoder says it in its own words when it is loaded
        log.debug("texts are not kept: %s", error)
        return None
    return KeptTexts(root_folder(cache) / FOLDER, key, model.conditioning._replace(image=None))


def text_key(model: Model, runs_on: str) -> str:
    """Return a digest of all that encoded texts depend on, beside text and weights. Raises `OSError`."""
    loras = model.adapters.loras
    content = {
        "format": FORMAT,
        "family": model.family.title,
        "classes": {name: each for name, each in model.classes.items() if name in text_components(model)},
        "files": digest_of(model.folder, _files(model)),
        "shape": model.conditioning._replace(image=None),
        "loras": loras.digests if loras.has_texts else (),
        "runs on": runs_on,
        "versions": package_versions("torch", "transformers", "tokenizers", *({runs_on} - {"torch"})),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def text_components(model: Model) -> tuple[str, ...]:
    """Return the components of a model that encode texts: networks and tokenizers."""
    return tuple(name for name in model.classes if name.startswith(("text_encoder", "tokenizer")))


def text_bytes(model: Model) -> int:
    """Return the bytes of the weights of all text encoders, as files. Raises `OSError`."""
    return sum(path.stat().st_size for name in text_components(model) for path in model.weights.get(name, ()))


def make_room(root: Path, most: int) -> None:
    """Remove files below `root` until they have `most` bytes, those of the longest unused first.

    What another process left half written is one of them.
    """
    with suppress(OSError):  # another process removes them too
        files = [(entry.stat(follow_symlinks=False), Path(entry.path)) for entry in _entries(root)]
        total = sum(status.st_size for status, _ in files)
        for status, path in sorted(files, key=lambda file: file[0].st_mtime_ns):
            if total <= most:
                return
            path.unlink()
            total -= status.st_size
            with suppress(OSError):
                path.parent.rmdir()


def _entries(root: Path) -> Iterator[os.DirEntry[str]]:
    for folder in os.scandir(root):
        if folder.is_dir(follow_symlinks=False):
            yield from (entry for entry in os.scandir(folder.path) if entry.is_file(follow_symlinks=False))


def _files(model: Model) -> list[Path]:
    """Return the files of all text encoders and tokenizers. Raises `OSError`."""
    found = []
    for component in text_components(model):
        folder = model.folder / component
        if component in model.weights:
            found += [*model.weights[component], folder / "config.json"]
        else:
            found += [path for path in folder.iterdir() if path.is_file()]
    return found


def _packed(encoded: EncodedText) -> bytes:
    """Return the bytes of a file."""
    tensors = {name: _exact(part) for name, part in encoded.parts().items()}
    checksum = torch.frombuffer(bytearray(_checksum(tensors)), dtype=torch.uint8)
    data: bytes = save(tensors | {CHECKSUM: checksum})
    return data


def _unpacked(tensors: dict[str, torch.Tensor], shape: ConditioningShape) -> EncodedText:
    """Return the text in a file. Raises `ValueError`, `KeyError` or `StreamError` if it is damaged."""
    checksum = tensors.pop(CHECKSUM)
    if bytes(checksum.numpy()) != _checksum(tensors):
        raise ValueError("its content is not that of its checksum")
    parts: dict[str, Any] = {name: tensor.to(torch.float32) for name, tensor in tensors.items()}
    encoded = EncodedText(**parts)
    if encoded.shape != shape:
        raise ValueError(f"it has the shape {encoded.shape}, not {shape}")
    return encoded


def _exact(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor in the smallest type that loses nothing, in memory of its own."""
    small = next((each for each in (tensor.to(dtype) for dtype in EXACT) if torch.equal(each.float(), tensor)), tensor)
    return small.detach().clone(memory_format=torch.contiguous_format)


def _checksum(tensors: Mapping[str, torch.Tensor]) -> bytes:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().data)
    return digest.digest()
