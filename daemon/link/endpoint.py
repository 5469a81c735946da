"""Where the renderer link listens: a socket in a folder of this user's own, or loopback where there are none."""

import shutil
import socket
import sys
import tempfile
from pathlib import Path

import zmq

_PREFIX = "streamflow-"
_NAME = "link"


def bind(listener: zmq.Socket[bytes]) -> tuple[str, Path | None]:
    """Bind; the endpoint that renderers connect to, and the folder that is to be removed in the end, if one was made.

    What shows that were killed have left behind is removed first.
    """
    if sys.platform != "win32" and zmq.has("ipc"):
        folder = None
        try:
            _remove_what_is_left()
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


def _remove_what_is_left() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Refused is what a socket says whose program is gone; one that is busy, or another user's, says otherwise.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(0.2)
            try:
                probe.connect(str(folder / _NAME))
            except ConnectionRefusedError:  # a plain file says that too
                if (folder / _NAME).is_socket():
                    shutil.rmtree(folder, ignore_errors=True)
            except OSError:
                continue
