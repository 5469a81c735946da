"""Parts that adoption puts into a model: another scheduler, another autoencoder, delta weights."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from daemon.models.assembly import name_components, put_scheduler, read_index
from daemon.models.file_plan import WITH_WEIGHTS
from presets.errors import ModelError
from presets.model_autoencoders import TINY_CLASS, TINY_COMPONENT, index_classes, kept_autoencoders
from presets.model_catalogue import SCHEDULERS
from presets.model_record import ModelSource
from presets.model_store import find_model
from presets.paths import home_path

_TOKENIZER_FILES = ("*.json", "*.txt", "*.model", "*.jinja")

SD21_WIDTH = 1024
"""Width of the texts of Stable Diffusion 2. Those of 1.5 have 768."""


def fitting_scheduler(name: str, folder: Path) -> str:
    """Return the row of `SCHEDULERS` that a name means for the model in a folder.

    PeRFlow's networks of SDXL and SD2.1 predict other quantities than those of SD1.5.

    Raises:
        ModelError: there is no such scheduler, or the networks of the model's family were trained for another one.
    """
    from pipeline.families.family_table import find_family  # torch takes seconds

    if name not in SCHEDULERS:
        raise ModelError(f"There is no scheduler {name!r}; there are {', '.join(SCHEDULERS)}.")
    family = find_family(folder, read_index(folder))
    fitting = [each for each, config in SCHEDULERS.items() if config["_class_name"] in family.schedulers]
    if name not in fitting:
        others = f"{' or '.join(fitting)} fits" if fitting else f"it keeps its own, {' or '.join(family.schedulers)}"
        raise ModelError(f"The scheduler {name} does not fit {folder}, which is {family.title}: {others}.")
    return _of_perflow(folder) if name == "perflow" else name


def _of_perflow(folder: Path) -> str:
    from pipeline.model_files import read_json

    config = read_json(folder / "unet" / "config.json")
    if config.get("addition_embed_type") == "text_time":
        return "perflow-sdxl"
    return "perflow-sd21" if config.get("cross_attention_dim") == SD21_WIDTH else "perflow"


def put_delta(delta: Path, folder: Path, model: Path, announce: Callable[[str], None]) -> ModelSource:
    """Add weights to the UNet's in a folder. `model` is its origin, for messages. Raises `ModelError` or `OSError`."""
    from pipeline.model_files import weights_files
    from pipeline.single_file import add_delta

    if not (folder / "unet").is_dir():
        raise ModelError(f"{model} has no UNet, to which {delta} could be added.")
    announce(f"adding {delta.name} to the unet")
    add_delta(folder / "unet", weights_files(folder / "unet", "unet"), delta)
    return ModelSource("delta", str(delta.absolute()))


def put_known_scheduler(row: str, folder: Path) -> ModelSource:
    """Replace the scheduler in a folder by a row of `SCHEDULERS`. Raises `ModelError` or `OSError`."""
    put_scheduler(folder, SCHEDULERS[row])
    return ModelSource("scheduler", row)


def put_autoencoder(name: str, folder: Path) -> list[ModelSource]:
    """Put in the autoencoder of a folder, or those of a model: each replaces the one of its kind, full or tiny.

    Raises:
        ModelError: there is none.
        OSError: it can't be written.
    """
    source = home_path(name)
    if (source / "config.json").is_file():
        sources = [source]
    else:
        model = find_model(name)
        sources = [model / each for each in ("vae", TINY_COMPONENT) if (model / each).is_dir()] or [model / "vae"]
    return [_put_one(each, folder) for each in sources]


def _put_one(source: Path, folder: Path) -> ModelSource:
    try:
        kind = str(json.loads((source / "config.json").read_text(encoding="utf-8"))["_class_name"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelError(f"{source} is no folder of an autoencoder: {error}") from error
    kept = kept_autoencoders(index_classes(read_index(folder)))
    component = "vae"
    if kind == TINY_CLASS and "full" in kept:
        component = TINY_COMPONENT
    elif kind != TINY_CLASS and "full" not in kept and "tiny" in kept:
        (folder / "vae").rename(folder / TINY_COMPONENT)
        name_components(folder, {TINY_COMPONENT: ["diffusers", TINY_CLASS]})
    shutil.rmtree(folder / component, ignore_errors=True)
    copy_component(source, folder / component)
    name_components(folder, {component: ["diffusers", kind]})
    return ModelSource(component, str(source.absolute()))


def copy_component(source: Path, target: Path) -> None:
    """Copy configurations, tokenizer files, and the weights that would be read. Raises `ModelError` without weights."""
    from pipeline.model_files import weights_files

    target.mkdir()
    for pattern in _TOKENIZER_FILES:
        for path in source.glob(pattern):
            shutil.copyfile(path, target / path.name)
    if target.name in WITH_WEIGHTS:
        for path in weights_files(source, target.name):
            shutil.copyfile(path, target / path.name)
