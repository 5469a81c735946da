"""`ndi_program`: an NDI program beside a show, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "io_bridges" / "ndi_peer.py"


@contextmanager
def ndi_program(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of ``ndi_peer.py`` until the block ends."""
    process = subprocess.Popen([sys.executable, str(PROGRAM), *command], stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
