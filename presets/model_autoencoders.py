"""Autoencoders of a model folder by kind: its full one, and a tiny one beside it or in its place."""

from collections.abc import Mapping
from typing import Any, Literal

AutoencoderKind = Literal["auto", "tiny", "full"]
"""Kind of a model's autoencoder. ``auto`` is the tiny one where there is one."""

TINY_CLASS = "AutoencoderTiny"
"""Class of tiny autoencoders in diffusers."""

TINY_COMPONENT = "vae_tiny"
"""Component of ``model_index.json`` for a tiny autoencoder beside the full one, which is ``vae``."""


def index_classes(index: Mapping[str, Any]) -> dict[str, str]:
    """Return the class of each component that a ``model_index.json`` names."""
    entries = {name: entry for name, entry in index.items() if isinstance(entry, list) and len(entry) == 2}
    return {name: str(entry[1]) for name, entry in entries.items() if entry[1]}


def kept_autoencoders(classes: Mapping[str, str]) -> dict[str, str]:
    """Return the component of each kind of autoencoder that a folder has: ``tiny``, ``full``, or both in this order.

    Args:
        classes: Class of each component, as `index_classes` returns them.
    """
    found = {}
    if TINY_CLASS in (classes.get("vae"), classes.get(TINY_COMPONENT)):
        found["tiny"] = "vae" if classes.get("vae") == TINY_CLASS else TINY_COMPONENT
    if classes.get("vae", TINY_CLASS) != TINY_CLASS:
        found["full"] = "vae"
    return found
