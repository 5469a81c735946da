"""A model's folder that is written aside and moved into the store when it is whole."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from daemon.models.download import BLOCK, disk_error
from daemon.models.file_plan import PlannedFile
from daemon.shared.file_lock import lock
from pipeline.file_digests import keep_digests
from presets.errors import ModelError
from presets.model_record import RECORD_FILE, ModelRecord, RecordedFile, read_record, write_record
from presets.model_store import INDEX, PARTIAL, folder_name

SPARE = 200_000_000
"""Bytes that stay free on the disk."""


@contextlib.contextmanager
def partial_folder(root: Path, name: str) -> Iterator[Path]:
    """Make the folder in which a model is written, and lock it for this process. What is in it already stays.

    Raises:
        ModelError: it can't be made, or another process writes this model.
    """
    folder = root / PARTIAL / folder_name(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = folder.with_name(f"{folder.name}.lock").open("ab")
    except OSError as error:
        raise disk_error(str(folder), error) from error
    with held:
        try:
            lock(held)
        except OSError as error:
            raise ModelError(f"Another process is writing {name}. Wait for it, or stop it.") from error
        _end_replacement(root, folder)
        yield folder


def _end_replacement(root: Path, folder: Path) -> None:
    """Put back the model that a killed process had moved aside for its successor, or remove it if that is there."""
    old = _moved_aside(folder)
    if old.exists():
        if (root / folder.name).exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):  # it is found again at the next time
                old.rename(root / folder.name)


def _moved_aside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.old")


def check_space(root: Path, needed: int) -> None:
    """Raise `ModelError` if the disk of the store has fewer bytes free than are needed."""
    place = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if needed + SPARE > free:
        raise ModelError(
            f"{needed / 1e9:.1f} GB more are needed in {root}, and {max(0, free - SPARE) / 1e9:.1f} GB are free. Make"
            " room, or set STREAMFLOW_LIVE_MODELS to a folder on a larger disk."
        )


def copy_installed(plan: Iterable[PlannedFile], installed: Path, folder: Path) -> None:
    """Copy files that the model in the store has already into the folder of a pull, which compares their checksums.

    Files are told by the checksums of the model's record. What can't be copied is downloaded.
    """
    try:
        record = read_record(installed)
    except ModelError:
        return
    places = {file.sha256: installed / path for path, file in record.files.items()} if record else {}
    for each in plan:
        source, target = places.get(each.remote.sha256), folder / each.local
        with contextlib.suppress(OSError):
            if source is not None and not (target.exists() and target.stat().st_size == each.remote.size):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)


def put_scheduler(folder: Path, config: Mapping[str, Any]) -> None:
    """Write a scheduler into a model's folder in place of its own. Raises `OSError` or `ModelError`."""
    (folder / "scheduler").mkdir(exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(dict(config), indent=1), encoding="utf-8")
    name_components(folder, {"scheduler": ["diffusers", str(config["_class_name"])]})


def name_components(folder: Path, entries: Mapping[str, list[str]]) -> None:
    """Name classes of components in ``model_index.json``, and drop components that the folder has not."""
    index = read_index(folder)
    kept = {key: value for key, value in index.items() if not isinstance(value, list) or (folder / key).is_dir()}
    (folder / INDEX).write_text(json.dumps(kept | dict(entries), indent=1), encoding="utf-8")


def read_index(folder: Path) -> dict[str, Any]:
    """Return ``model_index.json``. Raises `ModelError` if it can't be read."""
    path = folder / INDEX
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} can't be read: {error}") from error
    if not isinstance(index, dict):
        raise ModelError(f"{path} must hold a JSON object; it holds a {type(index).__name__}.")
    return index


def recorded_files(folder: Path, known: Mapping[str, str]) -> dict[str, RecordedFile]:
    """Return size and SHA-256 of every file of a folder. `known` has those that need not be read again."""
    found: dict[str, RecordedFile] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != RECORD_FILE:
            found[name] = RecordedFile(path.stat().st_size, known.get(name) or file_sha256(path))
    return found


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def remove_others(folder: Path, wanted: set[str]) -> None:
    """Remove every file of a folder that is not wanted, such as one of an earlier commit, and empty folders."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):  # it is not empty
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in wanted:
            path.unlink()


def publish(folder: Path, root: Path, record: ModelRecord) -> Path:
    """Write the record, and move a whole folder into the store in place of one of the same name. Return its place.

    Raises:
        ModelError: it can't be moved; the one that was there stays.
    """
    target = root / folder_name(record.name)
    old = _moved_aside(folder)
    try:
        write_record(folder, record)
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        try:
            folder.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    except OSError as error:
        raise ModelError(
            f"{target} can't be written: {error.strerror or error}. Is a show playing it? Stop it and try again."
        ) from error
    shutil.rmtree(old, ignore_errors=True)
    keep_digests({target / path: bytes.fromhex(file.sha256) for path, file in record.files.items()})
    return target
