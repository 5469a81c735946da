"""Builder process, ``python -m daemon.prebuild``: builds the engines of one preset and keeps them.

It may run out of memory or be killed: the command that started it continues, and no half-written file is left. It
writes its progress to standard output, one JSON object per line.
"""

import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from daemon.shared.offline_environment import stay_offline
from daemon.shared.process import exit_with_parent, keep_compiled_code
from daemon.shared.scratch_folder import OWNER, remove_leftover_folders
from presets.build import Build
from presets.errors import StreamflowError

KILL_SECONDS = 5.0
"""Seconds that a killed command may take to end."""


def main() -> int:
    """Build what the argument asks for. Return exit status 0, or 1 after an error, which is written as a message."""
    build = Build.decode(sys.argv[1])
    stay_offline()
    keep_compiled_code()
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    # Ctrl-C in a terminal reaches the whole process group; the command ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=exit_with_parent, args=(_clean_up,), name="end-with-the-command", daemon=True).start()
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as lines:
        # Libraries print to standard output too, which must not mix with the messages.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        try:
            _send(lines, done=_build(build, lines))
        except StreamflowError as error:
            _send(lines, failed=str(error))
            return 1
        except MemoryError:
            _send(lines, failed="The memory ran out. A smaller size or model may fit.")
            return 1
    return 0


def _build(build: Build, lines: IO[str]) -> str:
    """Build the engines and return a sentence about the result. Raises `StreamflowError`."""
    from daemon.shared.threads import run_in_threads
    from pipeline.accelerators import foreign_engine, tensorrt_build
    from pipeline.accelerators.accelerator_table import ACCELERATORS
    from pipeline.accelerators.cache import root_folder
    from pipeline.accelerators.engines import Preparation
    from pipeline.accelerators.tensorrt import TensorRTAccelerator
    from pipeline.accelerators.tensorrt_library import FLAVOURS
    from pipeline.engine_tuner import engine_tuner
    from pipeline.image_stream import ImageStream
    from pipeline.models import model_of
    from pipeline.prepared_engines import asked_precision, shapes_of

    root = root_folder(build.cache)

    def progress(text: str, fraction: float) -> None:
        # A text that names a path in the cache is a result: an engine found, damaged or not kept there.
        _send(lines, text=text, fraction=round(fraction, 3), result=str(root) in text)

    flavour = FLAVOURS.get(build.accelerator)
    if flavour is None:
        stream = ImageStream.build(build, lambda text, fraction: progress(text, 0.7 * fraction), run_in_threads)
        if (tuner := engine_tuner(stream, time.perf_counter, run_in_threads)) is not None:
            progress("measuring what is fastest here", 0.7)
            tuner.finish()
        played = stream.description
        return f"{played['accelerator']} is ready ({played['why']})"
    capability = tensorrt_build.target_capability(flavour, build.capability)
    engine = Path(build.engine) if build.engine else None
    if engine is not None and not build.capability:  # the file for another card may be on its machine
        foreign_engine.find_reader(engine)
    progress("reading the model", 0.0)
    model = model_of(build)
    preparation = Preparation(progress, cache=root, precision=asked_precision(build), engine=engine)
    shapes = shapes_of(build, model)
    ACCELERATORS[build.accelerator].check_reuse(shapes)
    TensorRTAccelerator(flavour).prepare(model, shapes, preparation, capability)
    return f"{build.accelerator} is ready for a card of compute capability {capability}"


def _clean_up() -> None:
    """Remove the scratch folder that a killed command leaves. It has no owner a moment after the command's end."""
    folder, deadline = Path(tempfile.gettempdir()), time.monotonic() + KILL_SECONDS
    while not remove_leftover_folders(folder) and (folder / OWNER).exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def _send(lines: IO[str], **message: object) -> None:
    lines.write(json.dumps(message) + "\n")
    lines.flush()


if __name__ == "__main__":
    sys.exit(main())
