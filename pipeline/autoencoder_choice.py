"""Choice between the autoencoders of a model folder: its full one, and a tiny one beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.autoencoders import LatentGeometry, latent_geometry
from pipeline.model_files import SHIPPED, model_folder, read_json
from presets.errors import ModelError
from presets.model_autoencoders import AutoencoderKind, index_classes, kept_autoencoders
from presets.model_catalogue import TINY_AUTOENCODERS
from presets.model_record import read_record
from presets.model_store import HUB_ID, catalogue_model

TINY_FACTOR = 8
"""Pixels along a side of a latent pixel, of every row of `TINY_AUTOENCODERS`."""


class ChosenAutoencoder(NamedTuple):
    """Autoencoder of a folder that plays."""

    component: str
    """Folder inside the model's folder."""
    class_name: str
    geometry: LatentGeometry


def choose_autoencoder(folder: Path, index: Mapping[str, Any], wanted: AutoencoderKind = "auto") -> ChosenAutoencoder:
    """Return the autoencoder that plays.

    Args:
        folder: Folder of the model.
        index: Its ``model_index.json``, which names a supported ``vae``.
        wanted: ``auto`` takes the tiny one if there is one.

    Raises:
        ModelError: the folder has none of this kind, a configuration is damaged, or two that do not fit each other.
    """
    classes = index_classes(index)
    kept = kept_autoencoders(classes)
    geometries = {name: _geometry(folder, name, classes[name]) for name in kept.values()}
    if len(set(geometries.values())) > 1:
        found = " and ".join(
            f"{name} has {each.channels} channels by {each.factor} pixels" for name, each in geometries.items()
        )
        raise ModelError(f"The autoencoders of {folder} have other latents ({found}): one is of another family.")
    kind = wanted if wanted != "auto" else "tiny" if "tiny" in kept else "full"
    if kind not in kept:
        raise ModelError(_refusal(folder, kind, geometries["vae"]))
    component = kept[kind]
    return ChosenAutoencoder(component, classes[component], geometries[component])


def _geometry(folder: Path, component: str, class_name: str) -> LatentGeometry:
    return latent_geometry(class_name, read_json(folder / component / "config.json"))


def _refusal(folder: Path, kind: str, geometry: LatentGeometry) -> str:
    """Return the sentence for a folder without an autoencoder of a kind, with what gets one."""
    if folder == model_folder(SHIPPED):
        return "The shipped model has one autoencoder alone, which is small: play it with autoencoder: auto."
    fitting = [name for name, row in TINY_AUTOENCODERS.items() if (row.channels, TINY_FACTOR) == geometry]
    lacks = f"{folder} has no {kind} autoencoder"
    if kind == "tiny" and not fitting:
        return (
            f"{lacks}, and this version knows none with latents of {geometry.channels} channels by"
            f" {geometry.factor} pixels: play it with autoencoder: auto."
        )
    return f"{lacks}. Get one by: {_remedy(folder, kind, fitting)}"


def _remedy(folder: Path, kind: str, fitting: list[str]) -> str:
    """Return the command that puts an autoencoder of a kind into a folder."""
    record = read_record(folder)
    name = record.name if record else ""
    pulled = record is not None and any(each.part == "model" and each.revision for each in record.sources)
    row = catalogue_model(name) if pulled else None
    if row is not None and (row.autoencoder or kind == "full"):
        return f"streamflow-live models pull {row.name}"
    if pulled and HUB_ID.fullmatch(name):
        tiny = f" --tiny {' or '.join(fitting)}" if kind == "tiny" else ""
        return f"streamflow-live models pull {name}{tiny}"
    return (
        f"streamflow-live models adopt {folder} --name NAME --vae FOLDER, where FOLDER has a {kind} autoencoder or is"
        " a model with one"
    )
