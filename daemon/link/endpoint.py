"""Address of the renderer link: a socket in a folder of this user's own, or a loopback port where there are none."""

import os
import shutil
import stat
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import zmq

from io_bridges.zmq_endpoint import is_left_behind

_PREFIX = "streamflow-link-"
_NAME = "link"

YOUNG = 60.0
"""Seconds for which an empty folder stays: between making it and binding, a starting show has no socket in it."""


def bind(listener: zmq.Socket[bytes]) -> tuple[str, Path | None]:
    """Bind the socket. Return the address for renderers, and the folder to remove at the end, if one was made.

    Folders that killed shows left behind are removed first.
    """
    if sys.platform != "win32" and zmq.has("ipc"):
        folder = None
        try:
            for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
                _remove_leftover(left)
            # mkdtemp makes the folder for this user alone; the short name fits the 107 bytes a socket path may have.
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            listener.bind(f"ipc://{folder / _NAME}")
        except (OSError, zmq.ZMQError):  # TMPDIR can't be written, or its path is too long for a socket
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
        else:
            return f"ipc://{folder / _NAME}", folder
    port = listener.bind_to_random_port("tcp://127.0.0.1")
    return f"tcp://127.0.0.1:{port}", None


def _remove_leftover(folder: Path) -> None:
    """Remove the folder of a show that is gone. Leave a live show's, another user's and any other folder alone."""
    with suppress(OSError):
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or (sys.platform != "win32" and found.st_uid != os.getuid()):
            return
        if (folder / _NAME).exists():
            if not is_left_behind(folder / _NAME):
                return
            (folder / _NAME).unlink()
        elif time.time() - found.st_mtime < YOUNG:
            return
        folder.rmdir()  # fails where anything else is in it
