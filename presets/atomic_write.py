"""Files that are either the old one or the new one, whole, whatever happens while they are written."""

import errno
import os
import secrets
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` beside `path`, flush it to the disk and move it into place; makes missing folders.

    A link is written through, so that a folder of linked presets stays one. Raises `OSError`; `path` is then as it was.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():  # moving a file over /dev/null would take it from the whole machine
        raise OSError(errno.EINVAL, "it is there already, and is no plain file")
    target.parent.mkdir(parents=True, exist_ok=True)
    # A leading dot keeps a half-written file out of every listing.
    beside = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        # The rename itself is only on the disk once its folder is.
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
