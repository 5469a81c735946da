"""Choice of the files of a repository that a model needs: configurations and safetensors, never pickles."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from presets.errors import ModelError
from presets.model_autoencoders import TINY_COMPONENT

WITH_WEIGHTS = ("unet", "transformer", "vae", TINY_COMPONENT, "text_encoder", "text_encoder_2", "text_encoder_3")
"""Components with ``config.json`` and weights."""

TOKENIZERS = ("tokenizer", "tokenizer_2", "tokenizer_3")

COMPONENTS = (*WITH_WEIGHTS, *TOKENIZERS, "scheduler")
"""Components that are taken. Others, such as a safety checker, are left where they are."""

MOST_FILES = 5000
"""Most files of a repository; a longer listing is refused."""

LONGEST_PATH = 1000
"""Characters of a path."""

LARGEST_TEXT = 100_000_000
"""Bytes of a configuration or a tokenizer's file."""

_DANGEROUS = re.compile(r"[\\:\x00-\x1f\x7f]|(?:^|/)(?:\.{0,2}|[^/]*[ .])(?:/|$)")
"""Paths that leave a folder or name something else on some system: a drive, a stream, an empty or dotted part."""

_TOKENIZER_FILE = re.compile(r"[A-Za-z0-9_-]+\.(?:json|txt|model|jinja)")
_LICENCE_FILE = re.compile(r"(?:LICEN[CS]E|NOTICE)(?:\.(?:md|txt))?", re.IGNORECASE)
_SHARD = re.compile(r"-\d{5}-of-\d{5}")

Progress = Callable[[int], None]
"""Called with the number of bytes that came; negative where a file begins again."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository. At least one checksum is known."""

    path: str
    size: int
    """bytes"""
    sha256: str = ""
    git_sha1: str = ""
    """SHA-1 of the file as a blob of git, for files that are not in large storage."""


class ModelRepository(Protocol):
    """A repository of the hub at one commit: on the hub, or in its cache on this disk."""

    hub_id: str
    revision: str
    licence: str
    files: Mapping[str, RemoteFile]

    def fetch(self, file: RemoteFile, sink: Any, have: int) -> None:
        """Write the bytes of a file from position `have` into a binary sink. Raises `ModelError`."""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of a repository and its place in the model's folder."""

    repository: ModelRepository
    remote: RemoteFile
    local: str


def checked_listing(hub_id: str, files: Iterable[RemoteFile]) -> dict[str, RemoteFile]:
    """Return the files of a listing by path.

    Raises:
        ModelError: a path leaves the folder or is no path, a file is listed twice or without checksum, or there are
            too many.
    """
    found: dict[str, RemoteFile] = {}
    for file in files:
        if len(found) >= MOST_FILES:
            raise ModelError(f"{hub_id} lists more than {MOST_FILES} files; it is no model. Nothing was downloaded.")
        if _DANGEROUS.search(file.path) or len(file.path) > LONGEST_PATH:
            raise ModelError(
                f"{hub_id} lists the file {file.path[:200]!r}, which is no safe path. Nothing was downloaded."
            )
        if file.path in found or file.size < 0 or not (file.sha256 or file.git_sha1):
            raise ModelError(f"{hub_id} lists {file.path} twice, or without size or checksum. Nothing was downloaded.")
        found[file.path] = file
    return found


def plan_model(
    repository: ModelRepository, index: Mapping[str, Any], variant: str, replaced: set[str]
) -> list[PlannedFile]:
    """Return the files of a diffusers repository.

    Args:
        repository: The repository.
        index: Its ``model_index.json``.
        variant: Variant of the weights that is taken if there is one.
        replaced: Components that are taken from elsewhere.

    Raises:
        ModelError: a file is missing, or the weights are pickled only.
    """
    files = repository.files
    chosen = {path: path for path in _licences(repository)}
    chosen["model_index.json"] = "model_index.json"
    components = [name for name in COMPONENTS if _is_there(index.get(name)) and name not in replaced]
    for name in components:
        inside = {path.rpartition("/")[2] for path in files if path.rpartition("/")[0] == name}
        if name in WITH_WEIGHTS:
            taken = _weights(repository.hub_id, name, inside, variant)
        elif name in TOKENIZERS:
            taken = {file: file for file in inside if _TOKENIZER_FILE.fullmatch(file)}
        else:
            taken = {"scheduler_config.json": "scheduler_config.json"}
        chosen |= {f"{name}/{remote}": f"{name}/{local}" for remote, local in taken.items()}
    if not {"unet", "transformer"} & set(components):
        raise ModelError(f"{repository.hub_id} has no unet and no transformer; it is no model that draws pictures.")
    return _planned(repository, chosen)


def plan_autoencoder(repository: ModelRepository, component: str) -> list[PlannedFile]:
    """Return the files of a repository that is one autoencoder, for a component. Raises `ModelError`."""
    names = ("config.json", "diffusion_pytorch_model.safetensors")
    return _planned(repository, {name: f"{component}/{name}" for name in names})


def publishes_autoencoder(repository: ModelRepository) -> bool:
    """Return True if a repository has weights of an autoencoder that are not pickled."""
    return any(path.startswith("vae/") and path.endswith(".safetensors") for path in repository.files)


def plan_depth_model(repository: ModelRepository) -> list[PlannedFile]:
    """Return the files of a repository that is one depth model, in transformers' format. Raises `ModelError`."""
    names = ["config.json", "preprocessor_config.json", "model.safetensors"]
    return _planned(repository, {name: name for name in names + _licences(repository)})


def missing_bytes(plan: Iterable[PlannedFile], folder: Path) -> int:
    """Return the bytes that are still to be written into a folder."""
    sizes = ((each.remote.size, folder / each.local) for each in plan)
    return sum(size for size, path in sizes if not path.is_file() or path.stat().st_size != size)


def _planned(repository: ModelRepository, chosen: Mapping[str, str]) -> list[PlannedFile]:
    missing = sorted(path for path in chosen if path not in repository.files)
    if missing:
        raise ModelError(f"{repository.hub_id} at {repository.revision[:12]} lacks {', '.join(missing[:5])}.")
    for path in chosen:
        if not path.endswith(".safetensors") and repository.files[path].size > LARGEST_TEXT:
            raise ModelError(f"{repository.hub_id}: {path} has more than {LARGEST_TEXT} bytes. Nothing was downloaded.")
    return [PlannedFile(repository, repository.files[path], local) for path, local in sorted(chosen.items())]


def _licences(repository: ModelRepository) -> list[str]:
    """Return the files with a licence at the top of a repository."""
    return [path for path in repository.files if "/" not in path and _LICENCE_FILE.fullmatch(path)]


def _is_there(entry: object) -> bool:
    """Return True if an entry of ``model_index.json`` names a class."""
    return isinstance(entry, list) and len(entry) == 2 and all(isinstance(each, str) for each in entry)


def _weights(hub_id: str, component: str, inside: set[str], variant: str) -> dict[str, str]:
    """Return configuration and weights of a component by their names, with the names that they get.

    One file of a variant gets the plain name, and shards keep theirs: their index names them.
    """
    stem = "model" if component.startswith("text_encoder") else "diffusion_pytorch_model"
    for each in dict.fromkeys((variant, "", "fp16")):
        mark, middle = (f".{each}", f".{each}") if each else ("", "")
        single, index = f"{stem}{mark}.safetensors", f"{stem}.safetensors.index{middle}.json"
        if single in inside:
            return {"config.json": "config.json", single: f"{stem}.safetensors"}
        if index in inside:
            shards = {name for name in inside if _is_shard(name, stem, each)}
            plain = index if each in ("", "fp16") else f"{stem}.safetensors.index.json"
            return {"config.json": "config.json", index: plain} | {name: name for name in shards}
    if any(name.endswith((".bin", ".pt", ".pth", ".ckpt", ".msgpack")) for name in inside):
        raise ModelError(
            f"{hub_id} has pickled weights only in {component} (.bin). They can run any code when they are read, and"
            " are never taken. Look for a repository with .safetensors files."
        )
    raise ModelError(f"{hub_id} has no weights in {component}.")


def _is_shard(name: str, stem: str, variant: str) -> bool:
    """Return True for a shard of these weights: of the plain ones, or of a variant."""
    if not (name.startswith(stem) and name.endswith(".safetensors") and _SHARD.search(name)):
        return False
    rest = _SHARD.sub("", name[len(stem) : -len(".safetensors")])
    return rest == (f".{variant}" if variant else "")
