"""The builder process, ``python -m daemon.prebuild``: makes one look's model ready and keeps what it made.

It may run out of memory or be killed: the command that started it goes on, and nothing half-written is left. It tells
on standard output, a JSON object a line, how far it is.
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

LONGEST_DYING = 5.0
"""Seconds that a killed command has to be gone."""


def main() -> int:
    """Exit status 0 when everything is kept, 1 with a sentence where it can't be made."""
    build = Build.decode(sys.argv[1])
    stay_offline()
    keep_compiled_code()
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    # Ctrl-C in a terminal reaches the whole process group; the command decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=exit_with_parent, args=(_clean_up,), name="end-with-the-command", daemon=True).start()
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as lines:
        # What libraries print must not come between the lines.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        try:
            _tell(lines, done=_make(build, lines))
        except StreamflowError as error:
            _tell(lines, failed=str(error))
            return 1
        except MemoryError:
            _tell(lines, failed="The memory ran out: a smaller size or model would fit.")
            return 1
    return 0


def _make(build: Build, lines: IO[str]) -> str:
    """What was made ready, in words."""
    from daemon.shared.threads import run_in_threads
    from pipeline.accelerators import foreign_engine, tensorrt, tensorrt_build
    from pipeline.accelerators.cache import root_folder
    from pipeline.accelerators.engines import Preparation
    from pipeline.accelerators.tensorrt_library import FLAVOURS
    from pipeline.engine_tuner import engine_tuner
    from pipeline.image_stream import ImageStream
    from pipeline.models import load_model
    from pipeline.prepared_engines import shapes_of

    root = root_folder(build.cache)

    def progress(text: str, fraction: float) -> None:
        # What names a place in the cache is for the record: found there, damaged there, not to be kept there.
        _tell(lines, text=text, fraction=round(fraction, 3), lasting=str(root) in text)

    flavour = FLAVOURS.get(build.accelerator)
    if flavour is None:
        stream = ImageStream.build(build, lambda text, fraction: progress(text, 0.7 * fraction), run_in_threads)
        if (tuner := engine_tuner(stream, time.perf_counter, run_in_threads)) is not None:
            progress("measuring what is fastest here", 0.7)
            tuner.finish()
        played = stream.description
        return f"{played['accelerator']} is ready ({played['why']})"
    capability = tensorrt_build.target(flavour, build.capability)
    engine = Path(build.engine) if build.engine else None
    if engine is not None and not build.capability:  # for a card that is elsewhere, it may be there
        foreign_engine.reader(engine)
    progress("reading the model", 0.0)
    model = load_model(build.model)
    preparation = Preparation(progress, cache=root, precision=build.precision, engine=engine)
    tensorrt.prepare(flavour, model, shapes_of(build, model), preparation, capability)
    return f"{build.accelerator} is ready for a card of compute capability {capability}"


def _clean_up() -> None:
    """Removes the folder for temporary files that a killed command can't: a moment after its end it is nobody's."""
    folder, until = Path(tempfile.gettempdir()), time.monotonic() + LONGEST_DYING
    while not remove_leftover_folders(folder) and (folder / OWNER).exists() and time.monotonic() < until:
        time.sleep(0.05)


def _tell(lines: IO[str], **message: object) -> None:
    lines.write(json.dumps(message) + "\n")
    lines.flush()


if __name__ == "__main__":
    sys.exit(main())
