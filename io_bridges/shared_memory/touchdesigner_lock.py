"""`TouchDesignerLock`: the named mutex that guards a Shared Mem TOP's memory on Windows.

On macOS TouchDesigner keeps its locks in a private directory of names, and it does not exist on Linux. There the lock
always succeeds, and the sequence of `io_bridges.shared_memory.touchdesigner_layout` finds torn pictures.
"""

import contextlib
import sys
from collections.abc import Iterator

from presets.errors import BridgeUnavailable

_WAIT_MS = 100
_GOT, _ABANDONED = 0x00, 0x80
"""Answers of a wait that took the mutex. It was abandoned if its holder died."""


class TouchDesignerLock:
    """The mutex of one segment. It exists while a program has it open."""

    exists = sys.platform == "win32"
    """True where the lock keeps other programs out."""

    def __init__(self, segment: str) -> None:
        """Open or make the mutex of the segment of this full name. Raises `BridgeUnavailable`."""
        self._handle: int | None = None
        if sys.platform == "win32":
            import ctypes

            self._kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            self._kernel.CreateMutexW.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_wchar_p)
            self._kernel.CreateMutexW.restype = ctypes.c_void_p
            self._kernel.WaitForSingleObject.argtypes = (ctypes.c_void_p, ctypes.c_ulong)
            self._kernel.WaitForSingleObject.restype = ctypes.c_ulong
            for call in (self._kernel.ReleaseMutex, self._kernel.CloseHandle):
                call.argtypes = (ctypes.c_void_p,)
            self._handle = self._kernel.CreateMutexW(None, False, f"{segment}Mutex")
            if not self._handle:
                raise BridgeUnavailable(
                    f"Windows refused the mutex of {segment} (error {ctypes.get_last_error()}). Choose another name"
                )

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the lock. Yield False if another program kept it for a tenth of a second."""
        taken = True
        if sys.platform == "win32":
            taken = self._kernel.WaitForSingleObject(self._handle, _WAIT_MS) in (_GOT, _ABANDONED)
        try:
            yield taken
        finally:
            if sys.platform == "win32" and taken:
                self._kernel.ReleaseMutex(self._handle)

    def close(self) -> None:
        """Release the mutex's handle."""
        if sys.platform == "win32" and self._handle:
            self._kernel.CloseHandle(self._handle)
            self._handle = None
