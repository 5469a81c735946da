"""The renderer process, ``python -m daemon.renderer``: owns the network and plays it.

It may run out of memory, hang or be killed; the stage goes on without it and starts another. It never judges its own
health: it only says what it does, and its silence is what the stage hears.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from daemon.link.client import TOKEN_VARIABLE, LinkClient
from daemon.link.messages import FailureKind
from daemon.renderer.echo_stream import ECHO_MODEL, EchoStream
from daemon.renderer.player import PlayableStream, Player
from daemon.shared.offline_environment import stay_offline
from daemon.shared.process import exit_with_parent, lower_priority
from daemon.shared.threads import run_in_threads
from presets.build import Build
from presets.errors import (
    AcceleratorUnavailable,
    MemoryShort,
    ModelError,
    ScheduleError,
    StreamError,
    StreamflowError,
)

log = logging.getLogger("renderer")


def build_stream(build: Build, connection: LinkClient) -> PlayableStream:
    """Load and compile what `build` names."""
    if build.model == ECHO_MODEL:
        return EchoStream(build.width, build.height)
    connection.progress("loading", "loading the network's library", 0.0)
    from pipeline.image_stream import ImageStream

    return ImageStream.build(
        build,
        lambda text, fraction: connection.progress("building", text, fraction),
        run_in_threads,
        connection.takes_long,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 when the stage is gone, 1 with a sentence on the link when the work can't be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", required=True, help="where the stage's renderer link listens")
    parser.add_argument("--build", required=True, type=Build.decode, help="what to build, as JSON")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stay_offline()
    # The stage decides when the show ends: Ctrl-C in a terminal reaches the whole process group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=exit_with_parent, name="end-with-the-stage", daemon=True).start()
    lower_priority()
    connection = LinkClient(options.endpoint, os.environ.pop(TOKEN_VARIABLE, ""))
    try:
        stream = build_stream(options.build, connection)
        connection.describe(stream.description)
        connection.progress("playing", "", 1.0)
        Player(connection, stream, options.build.gpu_share or 1.0).run()
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


if __name__ == "__main__":
    sys.exit(main())
