"""Models on this disk by name: the user's folder of pulled and adopted ones, and what a name in a preset stands for."""

import os
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

import platformdirs

from presets.errors import ModelError
from presets.model_catalogue import CATALOGUE, DEPTH_MODEL, DEPTH_MODELS, CatalogueModel, DepthModel
from presets.model_record import read_record
from presets.paths import home_path, is_there

SHIPPED = "shipped"
"""Name of the model that ships with the program."""

ECHO = re.compile(r"echo(?::([0-9]{1,5}))?")
"""Name of the model that returns each picture as it came, for measurements; ``echo:200`` takes 200 ms for each."""

FOLDER_VARIABLE = "STREAMFLOW_LIVE_MODELS"
"""Environment variable with another folder for models, such as one on a larger disk."""

PARTIAL = ".partial"
"""Folder in the store for models that are being written. No name begins with a dot."""

INDEX = "model_index.json"
"""File that every model folder in diffusers format has."""

HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
"""``OWNER/NAME`` of a repository on the hub."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,193}[A-Za-z0-9_-])?")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)  # Windows opens these


def is_echo(name: str) -> bool:
    """Return True if a model draws nothing, and imports nothing large."""
    return ECHO.fullmatch(name) is not None


def is_built_in(name: str) -> bool:
    """Return True if a model needs no folder of the user's."""
    return name == SHIPPED or is_echo(name)


def store_folder() -> Path:
    """Return the folder of pulled and adopted models. It need not exist."""
    if given := os.environ.get(FOLDER_VARIABLE):
        return home_path(given)
    return Path(platformdirs.user_data_dir("streamflow-live", appauthor=False)) / "models"


def folder_name(name: str) -> str:
    """Return the name of a model's folder in the store: ``OWNER--NAME`` for a hub id.

    Raises:
        ModelError: no folder can have this name.
    """
    folder = name.replace("/", "--") if HUB_ID.fullmatch(name) else name
    if not _NAME.fullmatch(folder) or _DEVICE.fullmatch(folder):
        raise ModelError(f"{name[:80]!r} can't be the name of a model: letters, digits, '.', '_' and '-' can be.")
    return folder


def stored_models(root: Path | None = None) -> Iterator[Path]:
    """Yield the folder of every model in the store, in alphabetical order. A store that can't be listed is empty."""
    root = root or store_folder()
    try:
        found = sorted(root.iterdir(), key=lambda path: path.name.casefold())
    except OSError:
        return
    yield from (path for path in found if not path.name.startswith(".") and is_there(path / INDEX))


def stored_name(folder: Path) -> str:
    """Return the name by which a preset calls a folder of the store."""
    return folder.name.replace("--", "/", 1)


def catalogue_model(name: str) -> CatalogueModel | None:
    """Return the row of a catalogue name or of its hub id. Case, spaces, - and _ are alike."""
    wanted = _folded(name)
    return next((row for row in CATALOGUE.values() if wanted in (_folded(row.name), _folded(row.hub_id))), None)


def find_model(name: str) -> Path:
    """Return the folder of a model: a path, a name of the store or the catalogue, or a hub id that was pulled.

    A folder at a path goes before a name. `SHIPPED` is no name here.

    Raises:
        ModelError: there is none; the message says how to get it.
    """
    path = home_path(name)
    if is_there(path / INDEX):
        return path
    row = catalogue_model(name)
    wanted = {_folded(name), _folded(row.name if row else name)}
    for folder in stored_models():
        if wanted & {_folded(folder.name), _folded(stored_name(folder))}:
            return folder
    if is_there(path):
        return _path(path)
    if row:
        raise ModelError(f"{row.title} is not on this disk yet. Get it by: streamflow-live models pull {row.name}")
    if HUB_ID.fullmatch(name):
        raise ModelError(
            f"There is no folder {name}, and no model of this name on this disk. If it is one of the hub, get it by:"
            f" streamflow-live models pull {name}"
        )
    if path.name != name:
        raise ModelError(f"There is no model folder {path}. Name a folder in diffusers format, or '{SHIPPED}'.")
    names = [*CATALOGUE, *(stored_name(folder) for folder in stored_models()), SHIPPED]
    raise ModelError(f"There is no model {name[:80]!r}; {nearest_names(name, names)}")


def depth_model(name: str) -> DepthModel | None:
    """Return the row of a depth model's name or hub id. Case, spaces, - and _ are alike."""
    wanted = _folded(name)
    return next((row for row in DEPTH_MODELS.values() if wanted in (_folded(row.name), _folded(row.hub_id))), None)


def find_depth_model(name: str) -> Path:
    """Return the folder of a depth model: a path, or a name or a hub id that was pulled.

    Raises:
        ModelError: there is none; the message says how to get it.
    """
    path, row = home_path(name), depth_model(name)
    if is_there(path):
        return path
    if row is None:
        names = " or ".join(DEPTH_MODELS)
        raise ModelError(f"There is no depth model {name[:200]!r}. Name a folder in transformers' format, or {names}.")
    folder = store_folder() / folder_name(row.name)
    if not is_there(folder / "config.json"):
        raise ModelError(f"{row.title} is not on this disk yet. Get it by: streamflow-live models pull {row.name}")
    return folder


def is_missing_model(name: str) -> bool:
    """Return True if a model is neither built in nor on this disk."""
    if is_built_in(name):
        return False
    try:
        find_model(name)
    except ModelError:
        return True
    return False


def is_missing_depth_model(preprocessor: str, name: str) -> bool:
    """Return True if a preprocessor needs a depth model that is not on this disk. An empty name is `DEPTH_MODEL`."""
    if preprocessor != "depth":
        return False
    try:
        find_depth_model(name or DEPTH_MODEL)
    except ModelError:
        return True
    return False


def _path(path: Path) -> Path:
    """Return the folder at a path that has no index, which is refused later, or the model that was made of a file.

    Raises:
        ModelError: no model was made of the file as it is now, or several were.
    """
    if path.is_dir():
        return path
    if (folder := _made_of(path)) is not None:
        return folder
    if path.suffix == ".safetensors":
        raise ModelError(f"{path} is a single file. Make a model of it by: streamflow-live models adopt {path}")
    raise ModelError(f"{path} is a file; a model is a folder in diffusers format, with a {INDEX}.")


def _made_of(path: Path) -> Path | None:
    """Return the model that was adopted from a single file, None if there is none. Raises as `_path`."""
    real, about = os.path.realpath(path), path.stat()
    made: dict[Path, int] = {}
    changed: list[Path] = []
    for folder in stored_models():
        try:
            record = read_record(folder)
        except ModelError:  # `models check` tells
            continue
        source = next((each for each in record.sources if each.part == "model"), None) if record else None
        if record is None or source is None or not source.size or os.path.realpath(source.origin) != real:
            continue
        if (source.size, source.modified) == (about.st_size, about.st_mtime_ns):
            made[folder] = len(record.sources)
        else:
            changed.append(folder)
    plain = [folder for folder, parts in made.items() if len(made) == 1 or parts == 1]
    if len(plain) == 1:
        return plain[0]
    if made:
        raise ModelError(f"Several models were made of {path}; name one: {', '.join(map(stored_name, made))}.")
    if changed:
        name = stored_name(changed[0])
        raise ModelError(
            f"{path} has changed since {name} was made of it. Make it again by: streamflow-live models adopt {path}"
            f" --name {name} --replace"
        )
    return None


def nearest_names(name: str, names: Iterable[str]) -> str:
    """Return ``did you mean sd-turbo?`` for a name that is near to some of `names`, or what prints all."""
    original = {_folded(each): each for each in names}
    close = get_close_matches(_folded(name), original, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(original[each] for each in close)}?"
    return "streamflow-live models list prints all names."


def _folded(name: str) -> str:
    return re.sub("[ _-]+", "-", name.strip().casefold())
