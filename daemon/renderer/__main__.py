"""The renderer process, ``python -m daemon.renderer``: owns the network and plays it.

It may run out of memory, hang or be killed. The stage goes on without it and starts another. It reports its progress,
and the stage judges its health by that.
"""

import argparse
import importlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

from daemon.doctor.accelerator_probe import torch_has_gpu
from daemon.link.client import KEY_VARIABLE, SERVER_KEY_VARIABLE, TOKEN_VARIABLE, LinkClient
from daemon.link.messages import FailureKind
from daemon.renderer.echo_stream import EchoStream, echo_cost
from daemon.renderer.other_renderers import memory_of_others
from daemon.renderer.player import Player
from daemon.shared.offline_environment import stay_offline
from daemon.shared.process import exit_with_parent, keep_compiled_code, lower_priority, normal_priority
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
from presets.model_store import is_echo

log = logging.getLogger("renderer")


def import_stream() -> None:
    """Import what plays a model, which takes seconds: torch, and the stream with its accelerators."""
    # diffusers imports peft where it is installed. LoRAs are played without it, and this process plays nothing else.
    sys.modules.setdefault("peft", None)  # type: ignore[arg-type]
    from pipeline.library_imports import quick_imports

    with quick_imports():
        importlib.import_module("pipeline.image_stream")
        importlib.import_module("pipeline.engine_tuner")


def build_player(build: Build, connection: LinkClient) -> Player:
    """Load and compile the model of `build`, and return the loop that plays it."""
    share = build.gpu_share or 1.0
    if is_echo(build.model):
        echo = EchoStream(build.width, build.height, echo_cost(build.model))
        connection.describe(echo.description)
        return Player(connection, echo, share)
    connection.progress("loading", "loading the network's library", 0.0)
    import_stream()
    from pipeline.accelerators.foreign_engine import VERIFYING
    from pipeline.engine_tuner import engine_tuner
    from pipeline.image_stream import ImageStream
    from pipeline.torch_settings import prefer_network, time_convolutions

    time_convolutions()
    prefer_network()

    def progress(text: str, fraction: float) -> None:
        connection.progress("verifying" if text.startswith(VERIFYING) else "building", text, fraction)

    stream = ImageStream.build(
        build,
        progress,
        run_in_threads,
        connection.takes_long,
        others=memory_of_others,
    )
    connection.describe(stream.description, stream.vocabulary)
    tuner = engine_tuner(stream, time.perf_counter, run_in_threads)
    return Player(connection, stream, share, tuner=tuner, text_encoder=build.text_encoder)


def computes_on_processor(build: Build) -> bool:
    """Return True if the networks of a build run on the processor, which the stage needs too."""
    return build.accelerator == "openvino" or (build.accelerator != "mps" and not torch_has_gpu())


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options ``endpoint``, ``build`` and ``niceness``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", required=True, help="where the stage's renderer link listens")
    parser.add_argument("--build", required=True, type=Build.decode, help="the build, as JSON")
    parser.add_argument("--niceness", type=int, default=10, help="niceness where it computes on the processor")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play until the stage is gone. Return 1, after a sentence on the link, if the build can't be played."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stay_offline()
    keep_compiled_code()
    # The stage decides when the show ends: Ctrl-C in a terminal reaches the whole process group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=exit_with_parent, name="end-with-the-stage", daemon=True).start()
    if computes_on_processor(options.build):
        lower_priority(options.niceness)
    else:
        normal_priority()
    secrets = (os.environ.pop(name, "") for name in (TOKEN_VARIABLE, SERVER_KEY_VARIABLE, KEY_VARIABLE))
    connection = LinkClient(options.endpoint, *secrets)
    try:
        player = build_player(options.build, connection)
        connection.progress("playing", "", 1.0)
        player.run()
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
"""Parts of messages: torch's for a processor's memory, CUDA's and its libraries' for a GPU's."""


def _kind(error: StreamflowError) -> FailureKind:
    if isinstance(error, AcceleratorUnavailable):
        return "accelerator"
    if isinstance(error, MemoryShort):
        return "memory"
    return "look" if isinstance(error, ModelError | StreamError | ScheduleError) else "other"


def _out_of_memory(error: Exception) -> bool:
    """Return True if memory was too short. Torch has its own class of error for a GPU's memory only."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return any(words in str(error) for words in OUT_OF_MEMORY)


if __name__ == "__main__":
    sys.exit(main())
