"""What can play while an accelerator is made ready for a model for the first time, which may take minutes."""

import importlib

from pipeline.accelerators.engines import Preparation, Shapes
from pipeline.accelerators.registry import ACCELERATORS
from pipeline.models import Model

QUICKEST = "eager"
"""Plays as soon as the model is read."""


def fallback_accelerator(name: str, model: Model, shapes: Shapes, preparation: Preparation) -> str | None:
    """The accelerator that can play while `name` is made ready; None where that is quick, as what is kept is there.

    An accelerator that keeps what it makes has an ``is_kept(model, shapes, preparation)`` in its module.
    """
    is_kept = getattr(importlib.import_module(ACCELERATORS[name].module), "is_kept", None)
    return None if is_kept is None or is_kept(model, shapes, preparation) else QUICKEST
