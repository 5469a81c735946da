"""Adoption: a model of the store from a folder or a single-file checkpoint of the user's, with parts put in."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.models.assembly import (
    check_space,
    name_components,
    partial_folder,
    publish,
    read_index,
    recorded_files,
)
from daemon.models.download import disk_error
from daemon.models.file_plan import TOKENIZERS, WITH_WEIGHTS
from daemon.models.inspection import PICKLES, damaged_files, playing_family
from daemon.models.model_parts import (
    copy_component,
    fitting_scheduler,
    put_autoencoder,
    put_delta,
    put_known_scheduler,
)
from presets.errors import ModelError
from presets.model_record import ModelRecord, ModelSource
from presets.model_store import INDEX, SHIPPED, catalogue_model, find_model, folder_name, stored_models
from presets.vocabulary import VOCABULARY_FILE

if TYPE_CHECKING:  # torch takes seconds
    from pipeline.single_file import SingleFile


@dataclass(frozen=True, slots=True)
class Adoption:
    """Options of one adoption."""

    path: Path
    """Folder in diffusers format, a ``.safetensors`` file, or the name of a model in the store."""
    name: str = ""
    """Name in the store; empty takes the path's."""
    like: str = ""
    """Model with the configurations and tokenizer that a single file lacks; empty looks for one on this disk."""
    scheduler: str = ""
    """Name of `SCHEDULERS`; empty keeps the one that is there."""
    vae: str = ""
    """Model, or folder of an autoencoder, whose autoencoders are taken; empty keeps those that are there."""
    delta: Path | None = None
    """File of weights that are added to the UNet's."""
    replaces: bool = False
    """A model of this name may be replaced."""
    allow_pickle: bool = False
    """A single file may be pickled (`PICKLES`). It is read by `pipeline.pickled_weights`."""


def adopt(asked: Adoption, root: Path, announce: Callable[[str], None]) -> Path:
    """Make a model of the store and return its folder. `announce` is called with a sentence for each step.

    Raises:
        ModelError: it can't be made. Nothing in the store has changed.
    """
    if not asked.path.exists():
        asked = replace(asked, path=find_model(str(asked.path)))  # a model of the store, with other parts
    name = _checked_name(asked, root)
    single = _opened(asked.path, asked.allow_pickle)
    donor = _donor(asked, single, root) if single else asked.path
    scheduler = fitting_scheduler(asked.scheduler, donor) if asked.scheduler else ""
    with partial_folder(root, name) as folder:
        try:
            shutil.rmtree(folder)
            folder.mkdir()
            check_space(root, 2 * _bytes(asked.path))
            if single:
                announce(f"configurations and tokenizer of {donor}")
                _convert(single, donor, folder, announce)
            else:
                _copy(donor, folder, announce)
            sources = [_origin(asked.path)]
            if asked.delta is not None:
                sources.append(put_delta(asked.delta, folder, asked.path, announce))
            if scheduler:
                sources.append(put_known_scheduler(scheduler, folder))
            if asked.vae:
                sources += put_autoencoder(asked.vae, folder)
            name_components(folder, {})
            _check(folder, asked.path)
            licence = "not known: see where you got it", "ask"
            return publish(folder, root, ModelRecord(name, *licence, tuple(sources), recorded_files(folder, {})))
        except OSError as error:
            raise disk_error(str(folder), error) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _origin(path: Path) -> ModelSource:
    """Return where a model comes from. A single file is told from a later one of its name by size and time."""
    about = path.stat()
    marks = (about.st_size, about.st_mtime_ns) if path.is_file() else (0, 0)
    return ModelSource("model", str(path.absolute()), "", *marks)


def _check(folder: Path, origin: Path) -> None:
    """Raise `ModelError` for a folder with damage, or one that no family plays. `origin` stands for it in messages."""
    if problems := damaged_files(folder):
        raise ModelError(f"{origin}: {problems[0]}")
    if reason := playing_family(folder)[1]:
        reason = reason.replace(str(folder), str(origin))
        raise ModelError(f"Nothing was made of {origin}, because it could not be played so: {reason}")


def _checked_name(asked: Adoption, root: Path) -> str:
    path = asked.path.absolute()
    stem = path.stem if path.suffix in (".safetensors", *PICKLES) else path.name
    name = asked.name or re.sub(r"[^A-Za-z0-9._]+", "-", stem).strip("-.")
    if "--" in name:
        raise ModelError(f"{name} can't be the name of a model: two hyphens stand for the / of a hub id.")
    folder = folder_name(name)
    if catalogue_model(name) is not None or name.casefold() in (SHIPPED, "echo"):
        raise ModelError(f"{name} is a name of the program's own; give another one by --name.")
    if not asked.replaces and any(each.name.casefold() == folder.casefold() for each in stored_models(root)):
        raise ModelError(f"There is a model {name} already; give another --name, or --replace it.")
    return name


def _opened(path: Path, allow_pickle: bool) -> "SingleFile | None":
    """Return a single file, None for a folder. Raises `ModelError` for anything else."""
    if path.is_dir():
        if not (path / INDEX).is_file():
            raise ModelError(f"{path} has no {INDEX}: it is no model in diffusers format.")
        return None
    is_pickled = path.suffix in PICKLES
    if is_pickled and not allow_pickle:
        raise ModelError(
            f"{path} holds pickled weights, which can run any code when they are read. Look for the .safetensors of the"
            " same model. --allow-pickle reads the file by torch's restricted reader, which makes tensors alone."
        )
    from pipeline.single_file import SingleFile

    return SingleFile(path, is_pickled)


def _donor(asked: Adoption, single: "SingleFile", root: Path) -> Path:
    """Return a folder with what a single file lacks. Raises `ModelError` if there is none of its architecture."""
    if asked.like:
        donor = find_model(asked.like)
        if difference := single.difference(donor):
            raise ModelError(f"{asked.like} has another architecture than {asked.path} ({difference}).")
        return donor
    for donor in stored_models(root):
        if (donor / "unet" / "config.json").is_file() and not single.difference(donor):
            return donor
    raise ModelError(
        f"{asked.path} has no configurations and no tokenizer, and no model on this disk has its architecture. Get one"
        " by streamflow-live models pull, such as perflow-sd15 or sd-turbo, or name its folder by --like."
    )


def _convert(single: "SingleFile", donor: Path, folder: Path, announce: Callable[[str], None]) -> None:
    """Write all components of a single file. What it has not is copied from the donor."""
    import torch

    index = read_index(donor)
    for component, entry in _components(index).items():
        convertible = component in WITH_WEIGHTS and single.has(component)
        if convertible and not (component == "vae" and entry[1] != "AutoencoderKL"):
            announce(f"converting the {component}")
            single.convert(component, donor, entry[1], folder / component, torch.float16)
        else:
            announce(f"{component}: the one of {donor.name}")
            copy_component(donor / component, folder / component)
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")


def _copy(source: Path, folder: Path, announce: Callable[[str], None]) -> None:
    index = read_index(source)
    for component in _components(index):
        announce(f"copying the {component}")
        copy_component(source / component, folder / component)
    if (source / VOCABULARY_FILE).is_file():
        shutil.copyfile(source / VOCABULARY_FILE, folder / VOCABULARY_FILE)
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")


def _components(index: dict[str, Any]) -> dict[str, list[str]]:
    known = (*WITH_WEIGHTS, *TOKENIZERS, "scheduler")
    entries = {name: index[name] for name in known if isinstance(index.get(name), list)}
    return {name: entry for name, entry in entries.items() if len(entry) == 2 and entry[1]}


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(file.stat().st_size for file in files)
