"""A build in a process of its own: watched, cancelled by its death, and cleaned up behind."""

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from typing import IO

from daemon.shared.scratch_folder import scratch_folder
from presets.build import Build
from presets.errors import BuildError

Told = Callable[[str, float, bool], None]
"""What is being done, the fraction behind, and whether it is for the record."""

LONGEST_DYING = 10.0
"""Seconds that a killed process has to be gone."""


def run_build(build: Build, told: Told) -> str:
    """Builds, and answers what is ready. What raises here, Ctrl-C too, ends the builder first.

    Raises:
        BuildError: it can't be built, or the builder was killed; in a sentence.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch_folder())
        except OSError as error:
            raise BuildError(f"A builder has no room for temporary files: {error.strerror or error}.") from error
        return _run(build, told, os.environ | dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(folder)))


def _run(build: Build, told: Told, environment: dict[str, str]) -> str:
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "daemon.prebuild", build.encode()],
            env=environment,
            stdin=subprocess.PIPE,  # its end is the end of the builder, whatever becomes of this process
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0 if sys.platform != "win32" else None,
        )
    except OSError as error:
        raise BuildError(f"A builder can't be started: {error.strerror or error}.") from error
    last_words: deque[str] = deque(maxlen=20)
    with process:
        listener = threading.Thread(target=_listen, args=(process.stderr, last_words), name="builder-log", daemon=True)
        listener.start()
        try:
            done, failed = _follow(process.stdout, told)
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(LONGEST_DYING)
            listener.join(1.0)
            _clean_up()
    if failed or process.returncode:
        raise BuildError(failed or _death(build, process.returncode, last_words))
    return done


def _follow(lines: IO[str] | None, told: Told) -> tuple[str, str]:
    """What is ready, or why it is not; neither where the builder ended without a word."""
    done = failed = ""
    for line in lines or ():
        if not line.endswith("\n"):  # its writer was killed in the middle
            break
        message = json.loads(line)
        if "text" in message:
            told(message["text"], message["fraction"], message["lasting"])
        done, failed = message.get("done", done), message.get("failed", failed)
    return done, failed


def _listen(stream: IO[str] | None, last_words: deque[str]) -> None:
    for line in stream or ():
        if line.strip():
            last_words.append(line.strip())


def _clean_up() -> None:
    """Removes what a killed builder was writing."""
    from pipeline.accelerators.cache import root_folder
    from pipeline.accelerators.cache_aside import remove_leftovers

    remove_leftovers(root_folder())


def _death(build: Build, status: int, last_words: deque[str]) -> str:
    if status == -9:
        how = "was killed, most likely because the memory ran out: a smaller size or model would fit"
    elif status < 0:
        how = f"crashed with signal {-status}"
    else:
        how = f"ended with status {status}" + (f": {last_words[-1]}" if last_words else "")
    return f"The builder of {build} {how}. What it had kept stays, and the next build goes on from there."
