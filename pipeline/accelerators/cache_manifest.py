"""Key and manifest of an entry of the engine cache. Anybody may have written a manifest, so every part is checked."""

import hashlib
import json
import stat
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

MANIFEST = "entry.json"
FORMAT = 1
"""Format of the manifest: raised when its content changes its meaning."""

LARGEST = 1_000_000
"""Most bytes of a manifest. A longer file was not written here."""
LATEST = 1e11
"""Greatest Unix time of a build, millennia ahead. A later one is an error."""


@dataclass(frozen=True)
class EngineKey:
    """Everything that an engine depends on. Two engines with one key are equal."""

    accelerator: str
    version: str
    """Versions of the packages that built it, by `cache.versions`."""
    part: str
    """denoiser, encoder, decoder, or the name of another file that is kept by itself."""
    weights: str
    """`Model.fingerprint`."""
    revision: int
    """`pipeline.graphs.REVISION`."""
    shapes: str
    """Sizes, rows and profiles, in words."""
    precision: str
    device: str = "any"
    """Compute capability that it runs on, or a whole `cache.card` if it is for no other."""
    driver: str = "any"
    adapters: tuple[str, ...] = ()
    """Digests of the adapters in the weights, with their strengths."""

    @property
    def digest(self) -> str:
        """Digest of all parts."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def folder(self) -> str:
        """Name of the entry, with a readable beginning."""
        return f"{self.accelerator}-{self.part}-{self.digest[:32]}"


class Manifest(NamedTuple):
    """Content of a manifest."""

    key: EngineKey
    made_for: str
    """Name of a model and a size, for people. Not a part of the key."""
    made_at: float
    """Unix time."""
    files: dict[str, tuple[int, str]]
    """Bytes and SHA-256 of each file by name."""


def read_manifest(entry: Path) -> Manifest:
    """Return the manifest of an entry, with every part checked.

    Raises `OSError`, or `ValueError` with the reason.
    """
    path = entry / MANIFEST
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise ValueError("it is no ordinary file")
    if about.st_size > LARGEST:
        raise ValueError(f"it has {about.st_size} bytes, and {LARGEST} are the most")
    try:
        content = json.loads(path.read_bytes())
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"this version reads format {FORMAT}")
    made_for, made_at, files = content.get("made_for"), content.get("made_at"), content.get("files")
    if not _is_text(made_for):
        raise ValueError("made_for is not a text")
    if not isinstance(made_at, int | float) or not 0 <= made_at <= LATEST:
        raise ValueError("made_at is not a time")
    if not isinstance(files, dict):
        raise ValueError("it names no files")
    return Manifest(_key(content.get("key")), made_for, float(made_at), {name: _file(files[name]) for name in files})


def _key(content: Any) -> EngineKey:
    if not isinstance(content, dict):
        raise ValueError("it has no key")
    for name in sorted(content.keys() ^ {field.name for field in fields(EngineKey)}):
        raise ValueError(f"its key has another part, {name!r}" if name in content else f"its key lacks {name}")
    for name, value in content.items():
        if name == "adapters":
            right = isinstance(value, list) and all(map(_is_text, value))
        elif name == "revision":
            right = type(value) is int
        else:
            right = _is_text(value)
        if not right:
            raise ValueError(f"{name} of its key is invalid")
    return EngineKey(**{**content, "adapters": tuple(content["adapters"])})


def _file(content: Any) -> tuple[int, str]:
    size, digest = (content.get("bytes"), content.get("sha256")) if isinstance(content, dict) else (None, None)
    if type(size) is not int or size < 0 or not isinstance(digest, str):
        raise ValueError("it lacks the bytes or the sha256 of a file")
    return size, digest


def _is_text(value: object) -> TypeGuard[str]:
    """Return True for text that can be encoded, which excludes half of a surrogate pair."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def difference(made: EngineKey, wanted: EngineKey) -> str:
    """Return the parts in which two keys differ, in words."""
    pairs = ((field.name, getattr(made, field.name), getattr(wanted, field.name)) for field in fields(EngineKey))
    return "; ".join(f"{name} {one!r} instead of {other!r}" for name, one, other in pairs if one != other)
