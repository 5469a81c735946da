"""Inspection of a model's folder: its files, checksums, parts, licence, and the reason if it can't be played."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from daemon.models.assembly import read_index
from pipeline.file_digests import fresh_digest
from presets.errors import ModelError
from presets.model_autoencoders import index_classes, kept_autoencoders
from presets.model_catalogue import CATALOGUE
from presets.model_record import RECORD_FILE, ModelRecord, read_record
from presets.model_store import INDEX, stored_name

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
"""Endings of files that can run code when they are read. Nothing but ``models adopt --allow-pickle`` reads one."""

DEPTH_TITLE = "a depth model for controlnet_preprocessor depth"

LARGEST_TEXT = 100_000_000
"""Bytes of a configuration."""


@dataclass(frozen=True, slots=True)
class ModelInspection:
    """Result of the inspection of a folder."""

    folder: Path
    name: str
    record: ModelRecord | None
    parts: dict[str, str]
    """Class of each component."""
    size: int
    """bytes of all files"""
    problems: list[str]
    """Damage, one sentence each."""
    family: str
    """Title of the family that plays it, empty if none does."""
    reason: str
    """Why it can't be played; empty if it can."""

    @property
    def autoencoders(self) -> str:
        """Kinds of its autoencoders, ``tiny, full``; empty for a depth model."""
        return ", ".join(kept_autoencoders(self.parts))

    @property
    def is_good(self) -> bool:
        """True if the model is whole and can be played."""
        return not self.problems and not self.reason


def inspect_model(
    folder: Path, thorough: bool, on_bytes: Callable[[int], None] = lambda count: None
) -> ModelInspection:
    """Inspect a folder. `thorough` reads every byte of files with a recorded checksum; otherwise sizes are compared."""
    problems: list[str] = []
    record = None
    try:
        record = read_record(folder)
    except ModelError as error:
        problems.append(str(error))
    if record is not None:
        problems += _differences(folder, record, thorough, on_bytes)
    problems += damaged_files(folder)
    if is_depth_model(folder):
        title, reason = ("", "it is damaged") if problems else depth_reason(folder)
        return ModelInspection(folder, _name(folder, record), record, {}, folder_bytes(folder), problems, title, reason)
    parts: dict[str, str] = {}
    try:
        parts = index_classes(read_index(folder))
    except ModelError as error:
        problems.append(str(error))
    family, reason = ("", "it is damaged") if problems else playing_family(folder)
    return ModelInspection(
        folder,
        _name(folder, record),
        record,
        parts,
        folder_bytes(folder),
        problems,
        family,
        reason,
    )


def playing_family(folder: Path) -> tuple[str, str]:
    """Return the title of the family that plays a folder and an empty text, or an empty text and the reason why not."""
    from pipeline.models import load_model  # torch takes seconds

    try:
        model = load_model(folder)
    except ModelError as error:
        return "", str(error)
    return model.family.title, ""


def is_depth_model(folder: Path) -> bool:
    """Return True if a folder has the files of a depth model, and not those of a model that draws."""
    return not (folder / INDEX).exists() and (folder / "preprocessor_config.json").exists()


def depth_reason(folder: Path) -> tuple[str, str]:
    """Return the title of depth models and an empty text, or an empty text and why a folder can't be used as one."""
    from pipeline.controlnet.depth_folder import open_depth_model  # torch takes seconds

    try:
        open_depth_model(str(folder))
    except ModelError as error:
        return "", str(error)
    return DEPTH_TITLE, ""


def settings_reason(folder: Path) -> str:
    """Return why no family plays a folder whose configurations are there and whose weights may not be.

    An empty text if one plays it.
    """
    from pipeline.autoencoder_choice import choose_autoencoder
    from pipeline.component_loading import read_solver
    from pipeline.families.family_table import find_family
    from pipeline.model_files import component_classes, read_json

    try:
        index = read_index(folder)
        family = find_family(folder, index)
        classes = component_classes(folder, index, family)
        channels = choose_autoencoder(folder, index).geometry.channels
        family.check(str(folder), read_json(folder / family.network / "config.json"), channels)
        read_solver(folder, classes["scheduler"], family)
    except ModelError as error:
        return str(error)
    return ""


def catalogue_reason(name: str) -> str:
    """Return why this version does not play a model of the catalogue, an empty text if it does."""
    from pipeline.families.family_table import FAMILIES, NOT_PLAYED

    network = CATALOGUE[name].network
    if any(family.network_class == network for family in FAMILIES):
        return ""
    return NOT_PLAYED.get(network, f"no family plays a {network} yet")


def damaged_files(folder: Path) -> list[str]:
    """Return a sentence for each configuration and weights file that can't be read. No weights are loaded."""
    return [problem for path in _files(folder) if (problem := _damage(path, path.relative_to(folder).as_posix()))]


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files of a folder."""
    return sum(path.stat().st_size for path in _files(folder))


def _name(folder: Path, record: ModelRecord | None) -> str:
    return record.name if record else stored_name(folder)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _damage(path: Path, name: str) -> str:
    try:
        if path.suffix == ".json":
            if path.stat().st_size > LARGEST_TEXT:
                return f"{name} has more than {LARGEST_TEXT} bytes."
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="numpy") as file:
                if not file.keys():
                    return f"{name} holds no weights."
    except (OSError, ValueError, RecursionError) as error:
        return f"{name} can't be read: {error}."
    except SafetensorError as error:
        return f"{name} is cut off or damaged ({error})."
    return ""


def _differences(folder: Path, record: ModelRecord, thorough: bool, on_bytes: Callable[[int], None]) -> Iterator[str]:
    for name, recorded in record.files.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing."
        elif path.stat().st_size != recorded.size:
            yield f"{name} has {path.stat().st_size} bytes; {recorded.size} were recorded."
        elif thorough:
            if fresh_digest(path).hex() != recorded.sha256:
                yield f"{name} has changed: its SHA-256 is not the recorded one."
            on_bytes(recorded.size)
    recorded_names = {*record.files, RECORD_FILE}
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if path.suffix in (".safetensors", *PICKLES) and name not in recorded_names:
            yield f"{name} is not in the record."
