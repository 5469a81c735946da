"""The main thread's part in Syphon: macOS tells of servers that come and go on the main thread only."""

import logging
import sys
import time

from io_bridges.syphon.api import load_syphon, open_directory
from presets.errors import BridgeError

_log = logging.getLogger(__name__)
_LONGEST = 0.01
"""Seconds that one call may take."""


def tend_run_loop() -> None:
    """Let macOS deliver its notifications. Call it on the main thread, twice a second or more often.

    It does nothing before a Syphon bridge was opened. Without it, servers that start later are not found, and programs
    that start later do not find this one's.
    """
    if "syphon" not in sys.modules:
        return
    try:
        package = load_syphon()
        with package.calls():
            directory = open_directory(package)
            until = time.monotonic() + _LONGEST
            while time.monotonic() < until:  # Each run delivers one of those that wait.
                directory.update_run_loop()
            directory.close()
    except BridgeError as error:
        _log.warning("%s", error)
