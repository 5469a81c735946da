"""Timed turns: repetition for a duration, interleaved work, and recorded calls."""

import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import torch

from pipeline.graph_capture import WARM_UPS, Recorder


def repeat_for(seconds: float, at_least: int = 1) -> Iterator[int]:
    """Count from 0 until `seconds` have passed and `at_least` numbers are out."""
    end = time.perf_counter() + seconds
    for number in count():
        if number >= at_least and time.perf_counter() >= end:
            return
        yield number


def seconds_of(work: Callable[[], object]) -> float:
    """Return the duration of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def interleaved(
    seconds: float, *work: Callable[[], object], at_least: int = 1, warm_up: int = 1
) -> tuple[list[float], ...]:
    """Call each work once per round until `seconds` have passed. Return the durations of each, round by round.

    Args:
        seconds: Duration of all rounds.
        work: Calls to time. On a GPU each has to synchronize at its end.
        at_least: Fewest rounds that count.
        warm_up: First rounds, which do not count.
    """
    rounds = [[seconds_of(each) for each in work] for _ in repeat_for(seconds, at_least + warm_up)]
    return tuple(list(each) for each in zip(*rounds[warm_up:], strict=True))


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    elif device.type == "mps":
        torch.mps.synchronize()


def recorded(work: Callable[[], object], recorder: Recorder | None) -> Callable[[], Any]:
    """Return `work` in the form the stream runs it: replayed from a recording, or unchanged without a recorder.

    `work` must not synchronize, and it must read its inputs from the same memory in every call.
    """
    if recorder is None:
        return work
    for _ in range(WARM_UPS):
        work()
    return recorder(lambda: (work(), None)[1])
