"""This process: its life as a child, its priority, its cache folder, and its limits as the stage."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs
import psutil

SWITCH_INTERVAL = 0.0005
"""Seconds that a thread may keep the interpreter. The default of 5 ms would add up over the threads of a frame."""

STAGE_NICENESS = -10
"""Niceness of the stage on POSIX, where the system allows it: to root, and to users with a limit for it."""

TIMER_TICK_MS = 1
"""Milliseconds between the timer ticks of Windows while a show plays."""

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


def lower_priority(niceness: int = 10) -> None:
    """Give other processes precedence on the processor, so that the stage keeps time while this one computes.

    Args:
        niceness: Niceness on POSIX, up to 19. Windows has one class for all.
    """
    _set_priority(niceness, "BELOW_NORMAL_PRIORITY_CLASS")


def raise_priority() -> None:
    """Have this process, the stage, go before other programs where the system allows it.

    Windows does so. Linux and macOS do for root, Linux also for users with a limit for it (``nice`` in limits.conf,
    ``LimitNICE`` of systemd). Children on POSIX inherit the niceness, so those that compute set their own.
    """
    _set_priority(STAGE_NICENESS, "ABOVE_NORMAL_PRIORITY_CLASS")


def normal_priority() -> None:
    """Give this process, a child of the stage, the priority of other programs."""
    _set_priority(0, "NORMAL_PRIORITY_CLASS")


def _set_priority(niceness: int, windows_class: str) -> None:
    with contextlib.suppress(psutil.AccessDenied):
        psutil.Process().nice(getattr(psutil, windows_class) if sys.platform == "win32" else niceness)


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


def shorten_timer_ticks(winmm: Any) -> bool:
    """Ask Windows for timer ticks of `TIMER_TICK_MS` until this process ends. Return True if it agrees.

    The waits of sockets, locks and events end on a tick, and ticks are 15.6 ms apart by default. `time.sleep` has a
    timer of its own. Not run on Windows yet.

    Args:
        winmm: The library ``winmm.dll``.
    """
    return int(winmm.timeBeginPeriod(TIMER_TICK_MS)) == 0


def tune_stage_process() -> None:
    """Shorten the thread switch interval and Windows' timer ticks, and raise the limit of open files."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    if sys.platform == "win32":
        shorten_timer_ticks(ctypes.WinDLL("winmm"))
    raise_file_limit()


def raise_file_limit() -> None:
    """Raise the limit of open files to `OPEN_FILES`, or as far as the system allows. Windows has none."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with contextlib.suppress(ValueError, OSError):  # macOS has a second limit that it does not report
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
