"""This process: its life as a child, its priority, its cache folder, and its limits as the stage."""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import platformdirs
import psutil

SWITCH_INTERVAL = 0.0005
"""Seconds that a thread may keep the interpreter. The default of 5 ms would add up over the threads of a frame."""

OPEN_FILES = 65_536
"""Files and sockets that may be open at once, if the system allows it. macOS starts with 256."""


def exit_with_parent(last: Callable[[], None] = lambda: None) -> None:
    """Read standard input and exit this process when it ends, so that no child outlives a killed parent.

    `last` is called before the exit.
    """
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 4096):
            pass
    last()
    os._exit(0)


def lower_priority() -> None:
    """Give other processes precedence on the processor, so that the stage keeps time while this one computes."""
    process = psutil.Process()
    with contextlib.suppress(psutil.AccessDenied):
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            process.nice(10)


def keep_compiled_code() -> None:
    """Let torch keep what it compiles in the program's cache folder, unless the user has named another one.

    Its default is a folder in the temporary folder, which is made by every export of a network, compiled or not:
    ``torch.export`` imports ``torch._inductor.compiler_bisector``, and that asks for the folder at import.
    """
    folder = Path(platformdirs.user_cache_dir("streamflow-live")) / "engines" / "torchinductor"
    if os.environ.get("TORCHINDUCTOR_CACHE_DIR", str(folder)) != str(folder):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    except OSError:
        # Torch's default has to do. A renderer inherits the variable from a stage that could still make the folder.
        os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)


def tune_stage_process() -> None:
    """Shorten the thread switch interval and raise the limit of open files."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with contextlib.suppress(ValueError, OSError):  # macOS has a second limit that it does not report
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
