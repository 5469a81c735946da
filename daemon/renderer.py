"""The renderer process, ``python -m daemon.renderer``: owns the network, asks the stage for pictures, draws them.

It may run out of memory, hang or be killed; the stage goes on without it and starts another. It never judges its own
health: it only says what it does, and its silence is what the stage hears.
"""

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import psutil
from numpy.typing import NDArray

from daemon.echo import ECHO_MODEL, EchoStream
from daemon.link import TOKEN_VARIABLE, StageConnection, Stamps
from daemon.words import Words
from presets.errors import StreamflowError
from presets.parameters import Parameters

log = logging.getLogger("renderer")

IDLE_PATIENCE = 0.1
"""Seconds the stage may hold an answer while nothing is in flight: how often an idle renderer shows that it lives."""


class FinishedPicture(Protocol):
    """What a stream gives back."""

    @property
    def pixels(self) -> NDArray[np.uint8]: ...
    @property
    def ticket(self) -> object: ...


class Stream(Protocol):
    """What the loop needs of `pipeline.image_stream.ImageStream`."""

    width: int
    height: int

    @property
    def in_flight(self) -> int: ...
    @property
    def free(self) -> int: ...
    @property
    def description(self) -> dict[str, str]: ...
    def encode(self, parameters: Parameters) -> Any: ...
    def admit(
        self, pixels: NDArray[np.uint8] | None, parameters: Parameters, conditioning: Any, ticket: object
    ) -> None: ...
    def step(self) -> Sequence[FinishedPicture]: ...


def build_stream(build: dict[str, Any], connection: StageConnection) -> Stream:
    """Load and compile what `build` names: model, width, height, accelerator, threads."""
    if build["model"] == ECHO_MODEL:
        return EchoStream(build["width"], build["height"])
    connection.progress("loading", "loading the network's library", 0.0)
    from pipeline.image_stream import Build, ImageStream

    cache = build.pop("cache", None)
    return ImageStream.build(
        Build(**build, cache=Path(cache) if cache else None),
        lambda text, fraction: connection.progress("building", text, fraction),
    )


def play(connection: StageConnection, stream: Stream) -> None:
    """Ask, admit, step, deliver; for ever."""
    words = Words(stream.encode)
    pixels: NDArray[np.uint8] | None = None
    source_index, captured_at = -1, 0
    admitted: tuple[int, bool] | None = None
    honoured = 0
    seconds = 0.0
    while True:
        if stream.free:
            # With pictures in flight a short wait for a fresh one is worth it: a step with a slot empty costs nearly
            # as much as a full one. Past half a step it is not: those in flight would only grow old.
            patience = min(seconds / 2, IDLE_PATIENCE) if stream.in_flight else IDLE_PATIENCE
            answer = connection.ask(stream.width, stream.height, patience)
            words.want(answer.parameters)
            conditioning, current = words.newest()
            if current:
                honoured = answer.revision
            if answer.pixels is not None:
                pixels, source_index, captured_at = answer.pixels, answer.source_index, answer.captured_at
            from_text = answer.parameters.mode == "text" or pixels is None
            # A picture that has been drawn with these very parameters would only come out the same.
            if answer.pixels is not None or from_text or admitted != (answer.revision, current):
                stamps = Stamps(-1, 0, honoured) if from_text else Stamps(source_index, captured_at, honoured)
                stream.admit(None if from_text else pixels, answer.parameters, conditioning, stamps)
                admitted = (answer.revision, current)
        else:
            connection.progress("playing", "", 1.0)
        if stream.in_flight:
            began = time.perf_counter()
            finished = stream.step()
            seconds = time.perf_counter() - began
            for picture in finished:
                ticket = picture.ticket
                if isinstance(ticket, Stamps):
                    connection.deliver(picture.pixels, ticket, seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 when the stage is gone, 1 with a sentence on the link when the work can't be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", required=True, help="where the stage's renderer link listens")
    parser.add_argument("--build", required=True, type=json.loads, help="what to build, as JSON")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # The stage decides when the show ends: Ctrl-C in a terminal reaches the whole process group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_stage, name="end-with-the-stage", daemon=True).start()
    step_back()
    connection = StageConnection(options.endpoint, os.environ.pop(TOKEN_VARIABLE, ""))
    try:
        stream = build_stream(options.build, connection)
        connection.describe(stream.description)
        connection.progress("playing", "", 1.0)
        play(connection, stream)
    except StreamflowError as error:
        connection.failed(str(error))
    except MemoryError:
        connection.failed("the renderer ran out of memory: a smaller size or model would fit")
    finally:
        connection.close()
    return 1


def _end_with_the_stage() -> None:
    """The end of standard input ends this process, so that no orphan outlives a stage that was killed."""
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 4096):
            pass
    os._exit(0)


def step_back() -> None:
    """Give the stage precedence on the processor, so that it keeps time while this process computes."""
    process = psutil.Process()
    with contextlib.suppress(psutil.AccessDenied):
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            process.nice(10)


if __name__ == "__main__":
    sys.exit(main())
