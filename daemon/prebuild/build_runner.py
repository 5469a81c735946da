"""A build in a process of its own: watched, cancelled by killing it, and cleaned up afterwards."""

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

OnProgress = Callable[[str, float, bool], None]
"""Called with the present task, the fraction done, and True if the text is a result to print."""

KILL_SECONDS = 10.0
"""Seconds that a killed process may take to end."""


def run_build(build: Build, on_progress: OnProgress) -> str:
    """Run a build to its end and return a sentence about the result. An exception here, Ctrl-C too, kills the builder.

    Raises:
        BuildError: The engine can't be built, or the builder was killed.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch_folder())
        except OSError as error:
            raise BuildError(f"The builder has no room for temporary files: {error.strerror or error}.") from error
        return _run(build, on_progress, os.environ | dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(folder)))


def _run(build: Build, on_progress: OnProgress, environment: dict[str, str]) -> str:
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "daemon.prebuild", build.encode()],
            env=environment,
            stdin=subprocess.PIPE,  # its end ends the builder, even if this process is killed
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0 if sys.platform != "win32" else None,
        )
    except OSError as error:
        raise BuildError(f"The builder can't be started: {error.strerror or error}.") from error
    last_lines: deque[str] = deque(maxlen=20)
    with process:
        reader = threading.Thread(target=_read_log, args=(process.stderr, last_lines), name="builder-log", daemon=True)
        reader.start()
        try:
            done, failed = _follow(process.stdout, on_progress)
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(KILL_SECONDS)
            reader.join(1.0)
            _clean_up()
    if failed or process.returncode:
        raise BuildError(failed or _describe_end(build, process.returncode, last_lines))
    return done


def _follow(lines: IO[str] | None, on_progress: OnProgress) -> tuple[str, str]:
    """Pass progress on until the builder ends. Return its result and its error; both are empty if it sent neither."""
    done = failed = ""
    for line in lines or ():
        if not line.endswith("\n"):  # the builder was killed while it wrote
            break
        message = json.loads(line)
        if "text" in message:
            on_progress(message["text"], message["fraction"], message["result"])
        done, failed = message.get("done", done), message.get("failed", failed)
    return done, failed


def _read_log(stream: IO[str] | None, last_lines: deque[str]) -> None:
    for line in stream or ():
        if line.strip():
            last_lines.append(line.strip())


def _clean_up() -> None:
    """Remove the files that a killed builder was writing."""
    from pipeline.accelerators.cache import root_folder
    from pipeline.accelerators.cache_staging import remove_leftovers

    remove_leftovers(root_folder())


def _describe_end(build: Build, status: int, last_lines: deque[str]) -> str:
    if status == -9:
        how = "was killed, most likely because the memory ran out; a smaller size or model may fit"
    elif status < 0:
        how = f"crashed with signal {-status}"
    else:
        how = f"ended with status {status}" + (f": {last_lines[-1]}" if last_lines else "")
    return f"The builder of {build} {how}. What is finished is kept, and the next build continues there."
