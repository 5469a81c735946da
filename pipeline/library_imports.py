"""Imports of large libraries and other work that makes millions of objects, in less time."""

import contextlib
import gc
import importlib
import sys
from collections.abc import Iterator
from typing import Any


def load_class(library: str, name: str) -> Any:
    """Import a class of diffusers or transformers, which takes seconds, and disable its warnings and progress bars.

    Args:
        library: ``diffusers`` or ``transformers``.
        name: Name of the class.
    """
    with quick_imports():
        module = importlib.import_module(library)
        logging = importlib.import_module(f"{library}.utils.logging")
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        return getattr(module, name)  # both libraries import what a name needs when it is asked for


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Import large libraries in two thirds of the time: without garbage collection, and without SciPy.

    diffusers and transformers import SciPy where it is installed, for training and for schedulers that are not used
    here.
    """
    hidden = "scipy" not in sys.modules
    if hidden:
        sys.modules["scipy"] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        with garbage_kept():
            yield
    finally:
        if hidden:
            del sys.modules["scipy"]


@contextlib.contextmanager
def garbage_kept() -> Iterator[None]:
    """Collect no garbage during work that makes millions of objects that stay. Each collection looks at all of them."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
