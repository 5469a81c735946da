"""Turns of a measurement: for so long, how long one took, and when a device is done."""

import time
from collections.abc import Callable, Iterator
from itertools import count

import torch


def repeat_for(seconds: float, at_least: int = 1) -> Iterator[int]:
    """Counts from 0 until so much time has passed, and `at_least` so far."""
    end = time.perf_counter() + seconds
    for number in count():
        if number >= at_least and time.perf_counter() >= end:
            return
        yield number


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def finish(device: torch.device) -> None:
    """Waits until the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
