"""The renderer process, ``python -m daemon.renderer``: owns the network and plays it.

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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from daemon.echo import ECHO_MODEL, EchoStream
from daemon.link import TOKEN_VARIABLE, FailureKind, StageConnection
from daemon.play import Player, Stream
from daemon.together import at_once
from presets.errors import (
    AcceleratorUnavailable,
    MemoryShort,
    ModelError,
    ScheduleError,
    StreamError,
    StreamflowError,
)

log = logging.getLogger("renderer")


def build_stream(build: dict[str, Any], connection: StageConnection) -> Stream:
    """Load and compile what `build` names: the fields of `pipeline.image_stream.Build`."""
    if build["model"] == ECHO_MODEL:
        return EchoStream(build["width"], build["height"])
    connection.progress("loading", "loading the network's library", 0.0)
    from pipeline.image_stream import Build, ImageStream

    cache = build.pop("cache", None)
    return ImageStream.build(
        Build(**build, cache=Path(cache) if cache else None),
        lambda text, fraction: connection.progress("building", text, fraction),
        at_once,
        connection.takes_long,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 when the stage is gone, 1 with a sentence on the link when the work can't be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", required=True, help="where the stage's renderer link listens")
    parser.add_argument("--build", required=True, type=json.loads, help="what to build, as JSON")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # The stage decides when the show ends: Ctrl-C in a terminal reaches the whole process group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_the_stage, name="end-with-the-stage", daemon=True).start()
    step_back()
    connection = StageConnection(options.endpoint, os.environ.pop(TOKEN_VARIABLE, ""))
    try:
        stream = build_stream(options.build, connection)
        connection.describe(stream.description)
        connection.progress("playing", "", 1.0)
        Player(connection, stream, options.build.get("gpu_share") or 1.0).run()
    except StreamflowError as error:
        connection.failed(str(error), _kind(error))
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        connection.failed("the renderer ran out of memory: a smaller size or model would fit", "memory")
    finally:
        connection.close()
    return 1


OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")
"""As torch says it of a processor's memory, CUDA and its libraries of a GPU's."""


def _kind(error: StreamflowError) -> FailureKind:
    if isinstance(error, AcceleratorUnavailable):
        return "accelerator"
    if isinstance(error, MemoryShort):
        return "memory"
    return "look" if isinstance(error, ModelError | StreamError | ScheduleError) else "other"


def _out_of_memory(error: Exception) -> bool:
    """Whether it is memory that was too short: torch has a class of its own for a GPU's, and for a processor's none."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return any(words in str(error) for words in OUT_OF_MEMORY)


def end_with_the_stage(last: Callable[[], None] = lambda: None) -> None:
    """The end of standard input ends this process, so that no orphan outlives a stage that was killed.

    `last` is done before.
    """
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 4096):
            pass
    last()
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
