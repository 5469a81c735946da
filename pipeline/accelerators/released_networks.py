"""Release of torch's networks once they are converted, so that a model is in memory once.

A model keeps the networks that it has read, in case another part needs them. Of what an accelerator has converted and
stored, torch's networks are not needed any more.
"""

import ctypes
import gc
from contextlib import suppress

from pipeline.models import Model

NETWORKS = ("denoiser", "autoencoder")
"""Networks that a model keeps, without its text encoder, which `pipeline.lazy_text_encoder` frees."""


def forget_networks(model: Model) -> None:
    """Let a model forget the `NETWORKS` that it has read.

    The next use of one reads it again. One that something else refers to stays in memory.
    """
    for name in NETWORKS:
        vars(model).pop(name, None)


def return_memory() -> None:
    """Return freed memory to the system.

    The C library of Linux keeps what is freed for its own next use: two thirds of a gigabyte after the conversion of a
    network of 220 million weights. Other systems have no such function, and nothing happens.

    It takes some tenths of a second, so it is for the end of a conversion and not for a show.
    """
    gc.collect()
    with suppress(AttributeError, OSError, TypeError):
        _trim_heap()


def _trim_heap() -> None:
    """Call ``malloc_trim`` of the GNU C library."""
    ctypes.CDLL(None).malloc_trim(0)
