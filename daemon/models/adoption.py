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
    put_scheduler,
    read_index,
    recorded_files,
)
from daemon.models.download import disk_error
from daemon.models.file_plan import TOKENIZERS, WITH_WEIGHTS
from daemon.models.inspection import PICKLES, damaged_files
from presets.errors import ModelError
from presets.model_catalogue import SCHEDULERS
from presets.model_record import ModelRecord, ModelSource
from presets.model_store import INDEX, SHIPPED, catalogue_model, find_model, folder_name, stored_models

if TYPE_CHECKING:  # torch takes seconds
    from pipeline.single_file import SingleFile

_TOKENIZER_FILES = ("*.json", "*.txt", "*.model", "*.jinja")

SD21_WIDTH = 1024
"""Width of the texts of Stable Diffusion 2. Those of 1.5 have 768."""


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
    """Model, or folder of an autoencoder, whose autoencoder is taken; empty keeps the one that is there."""
    delta: Path | None = None
    """File of weights that are added to the UNet's."""
    replaces: bool = False
    """A model of this name may be replaced."""


def adopt(asked: Adoption, root: Path, announce: Callable[[str], None]) -> Path:
    """Make a model of the store and return its folder. `announce` is called with a sentence for each step.

    Raises:
        ModelError: it can't be made. Nothing in the store has changed.
    """
    if not asked.path.exists():
        asked = replace(asked, path=find_model(str(asked.path)))  # a model of the store, with other parts
    name = _checked_name(asked, root)
    if asked.scheduler and asked.scheduler not in SCHEDULERS:
        raise ModelError(f"There is no scheduler {asked.scheduler!r}; there are {', '.join(SCHEDULERS)}.")
    single = _opened(asked.path)
    donor = _donor(asked, single, root) if single else asked.path
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
            sources = [ModelSource("model", str(asked.path.absolute())), *_put_in(asked, folder, announce)]
            name_components(folder, {})
            if problems := damaged_files(folder):
                raise ModelError(f"{asked.path}: {problems[0]}")
            record = ModelRecord(
                name, "not known: see where you got it", "ask", tuple(sources), recorded_files(folder, {})
            )
            return publish(folder, root, record)
        except OSError as error:
            raise disk_error(str(folder), error) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _checked_name(asked: Adoption, root: Path) -> str:
    stem = asked.path.absolute().name.removesuffix(".safetensors")
    name = asked.name or re.sub(r"[^A-Za-z0-9._]+", "-", stem).strip("-.")
    if "--" in name:
        raise ModelError(f"{name} can't be the name of a model: two hyphens stand for the / of a hub id.")
    folder = folder_name(name)
    if catalogue_model(name) is not None or name.casefold() in (SHIPPED, "echo"):
        raise ModelError(f"{name} is a name of the program's own; give another one by --name.")
    if not asked.replaces and any(each.name.casefold() == folder.casefold() for each in stored_models(root)):
        raise ModelError(f"There is a model {name} already; give another --name, or --replace it.")
    return name


def _opened(path: Path) -> "SingleFile | None":
    """Return a single file, None for a folder. Raises `ModelError` for anything else."""
    if path.is_dir():
        if not (path / INDEX).is_file():
            raise ModelError(f"{path} has no {INDEX}: it is no model in diffusers format.")
        return None
    if path.suffix in PICKLES:
        raise ModelError(
            f"{path} holds pickled weights, which can run any code when they are read; they are never read. Look for"
            " the .safetensors of the same model."
        )
    from pipeline.single_file import SingleFile

    return SingleFile(path)


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
            _copy_component(donor / component, folder / component)
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")


def _copy(source: Path, folder: Path, announce: Callable[[str], None]) -> None:
    index = read_index(source)
    for component in _components(index):
        announce(f"copying the {component}")
        _copy_component(source / component, folder / component)
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")


def _copy_component(source: Path, target: Path) -> None:
    """Copy configurations, tokenizer files, and the weights that would be read. Raises `ModelError` without weights."""
    from pipeline.model_files import weights_files

    target.mkdir()
    for pattern in _TOKENIZER_FILES:
        for path in source.glob(pattern):
            shutil.copyfile(path, target / path.name)
    if target.name in WITH_WEIGHTS:
        for path in weights_files(source, target.name):
            shutil.copyfile(path, target / path.name)


def _put_in(asked: Adoption, folder: Path, announce: Callable[[str], None]) -> list[ModelSource]:
    """Put the asked parts into a folder. Return where they come from."""
    sources = []
    if asked.delta is not None:
        from pipeline.model_files import weights_files
        from pipeline.single_file import add_delta

        if not (folder / "unet").is_dir():
            raise ModelError(f"{asked.path} has no UNet, to which {asked.delta} could be added.")
        announce(f"adding {asked.delta.name} to the unet")
        add_delta(folder / "unet", weights_files(folder / "unet", "unet"), asked.delta)
        sources.append(ModelSource("delta", str(asked.delta.absolute())))
    if asked.scheduler:
        name = _scheduler_for(asked.scheduler, folder)
        put_scheduler(folder, SCHEDULERS[name])
        sources.append(ModelSource("scheduler", name))
    if asked.vae:
        sources.append(ModelSource("vae", str(_put_autoencoder(asked.vae, folder))))
    return sources


def _scheduler_for(name: str, folder: Path) -> str:
    """Return the scheduler's row: PeRFlow's networks of SDXL and SD2.1 predict other quantities than those of SD1.5."""
    path = folder / "unet" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if name != "perflow":
        return name
    if config.get("addition_embed_type") == "text_time":
        return "perflow-sdxl"
    return "perflow-sd21" if config.get("cross_attention_dim") == SD21_WIDTH else name


def _put_autoencoder(name: str, folder: Path) -> Path:
    """Replace the autoencoder by one in a folder, or by that of a model. Return its folder."""
    source = Path(name).expanduser()
    if not (source / "config.json").is_file():
        source = find_model(name) / "vae"
    try:
        kind = json.loads((source / "config.json").read_text(encoding="utf-8"))["_class_name"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{source} is no folder of an autoencoder: {error}") from error
    shutil.rmtree(folder / "vae", ignore_errors=True)
    _copy_component(source, folder / "vae")
    name_components(folder, {"vae": ["diffusers", str(kind)]})
    return source.absolute()


def _components(index: dict[str, Any]) -> dict[str, list[str]]:
    known = (*WITH_WEIGHTS, *TOKENIZERS, "scheduler")
    entries = {name: index[name] for name in known if isinstance(index.get(name), list)}
    return {name: entry for name, entry in entries.items() if len(entry) == 2 and entry[1]}


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(file.stat().st_size for file in files)
