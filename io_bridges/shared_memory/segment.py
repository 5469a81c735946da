"""`SharedSegment`: named shared memory on Linux, macOS and Windows.

On POSIX it calls ``shm_open`` itself. Below Python 3.13, `multiprocessing.shared_memory` registers every segment that a
process attaches to with a resource tracker, which removes the segment under its owner when that process exits.
"""

import contextlib
import errno
import mmap
import os
import re
import sys
import threading

from presets.errors import BridgeUnavailable, SettingsError

LONGEST_NAME = 30
"""Most characters of a name. macOS allows 31 with the slash before it."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def check_name(name: str, longest: int = LONGEST_NAME) -> str:
    """Return the name of a segment. Raises `SettingsError` for one that not every system allows."""
    if len(name) > longest or not _NAME.fullmatch(name):
        raise SettingsError(
            f"{name[:80]!r} can't be the name of shared memory. "
            f"Use at most {longest} letters, digits, dots, underscores and hyphens, as in shm:visuals"
        )
    return name


class SharedSegment:
    """A mapped segment. It is released by `close`; on POSIX its name stays until `remove`."""

    def __init__(self, name: str, buffer: memoryview, owner: object) -> None:
        """`owner` is closed with the segment. Use `attach` or `create`."""
        self.name = name
        self.buffer = buffer
        self.size = buffer.nbytes
        self._owner: object | None = owner

    def close(self) -> None:
        """Unmap the memory. Arrays over it must be gone; otherwise it is unmapped with the last of them."""
        owner, self._owner = self._owner, None
        if owner is not None:
            with contextlib.suppress(BufferError):
                self.buffer.release()
                owner.close()  # type: ignore[attr-defined]


class MemoryFence:
    """Orders accesses to memory. Arm processors reorder plain ones, and Python has no instruction for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def order(self) -> None:
        """Complete the accesses before this call ahead of those after it: a release, then an acquire."""
        self._lock.release()
        self._lock.acquire()


if sys.platform == "win32":
    from multiprocessing.shared_memory import SharedMemory

    def attach(name: str) -> SharedSegment | None:
        """Map an existing segment. Return None if there is none. Raises `BridgeUnavailable`."""
        try:
            memory = SharedMemory(name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unavailable(name, error) from error
        return SharedSegment(name, memoryview(memory.buf or b""), memory)

    def create(name: str, size: int) -> SharedSegment:
        """Map a segment of at least `size` bytes: a new one of zeros, or the one of this name.

        Raises `BridgeUnavailable`: a program still holds a smaller one, or memory is short.
        """
        try:
            memory = SharedMemory(name, create=True, size=size)
        except FileExistsError:
            found = attach(name)
            if found is None:
                return create(name, size)
            if found.size < size:
                found.close()
                raise BridgeUnavailable(
                    f"A program still holds the shared memory {name!r}, which is too small now. "
                    "Close that program, or choose another name"
                ) from None
            return found
        except OSError as error:
            raise _unavailable(name, error) from error
        return SharedSegment(name, memoryview(memory.buf or b""), memory)

    def remove(name: str) -> None:
        """Do nothing. Windows removes a segment with its last user."""

else:
    import _posixshmem

    def attach(name: str) -> SharedSegment | None:
        """Map an existing segment to read it. Return None if there is none. Raises `BridgeUnavailable`."""
        try:
            handle = _posixshmem.shm_open("/" + name, os.O_RDONLY, mode=0o600)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unavailable(name, error) from error
        try:
            size = os.fstat(handle).st_size
            return _map(name, handle, size, mmap.PROT_READ) if size else None  # Its writer has not set the size yet.
        except OSError as error:
            raise _unavailable(name, error) from error
        finally:
            os.close(handle)

    def create(name: str, size: int) -> SharedSegment:
        """Map a segment of at least `size` bytes: a new one of zeros, or the one of this name if it is large enough.

        Raises `BridgeUnavailable`: memory is short, or the segment belongs to another user.
        """
        handle = -1
        try:
            handle = _posixshmem.shm_open("/" + name, os.O_RDWR | os.O_CREAT, mode=0o600)
            if 0 < os.fstat(handle).st_size < size:
                os.close(handle)
                handle = -1
                remove(name)
                handle = _posixshmem.shm_open("/" + name, os.O_RDWR | os.O_CREAT, mode=0o600)
            if not os.fstat(handle).st_size:
                _reserve(handle, size)
            return _map(name, handle, os.fstat(handle).st_size, mmap.PROT_READ | mmap.PROT_WRITE)
        except OSError as error:
            raise _unavailable(name, error) from error
        finally:
            if handle >= 0:
                os.close(handle)

    def remove(name: str) -> None:
        """Remove the name. Programs that have mapped the segment keep it until they close it."""
        with contextlib.suppress(OSError):
            _posixshmem.shm_unlink("/" + name)

    def _map(name: str, handle: int, size: int, access: int) -> SharedSegment:
        memory = mmap.mmap(handle, size, prot=access)
        return SharedSegment(name, memoryview(memory), memory)

    def _reserve(handle: int, size: int) -> None:
        """Set the size. On Linux the memory is reserved too: a page that is missing later kills the process."""
        if sys.platform == "linux":
            os.posix_fallocate(handle, 0, size)
        else:
            os.ftruncate(handle, size)


def _unavailable(name: str, error: OSError) -> BridgeUnavailable:
    if error.errno in (errno.ENOSPC, errno.ENOMEM):
        return BridgeUnavailable(
            f"There is no room for the shared memory {name!r}. Free some, or choose a smaller picture with ?size="
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return BridgeUnavailable(f"The shared memory {name!r} belongs to another user. Choose another name")
    return BridgeUnavailable(f"The shared memory {name!r} can't be opened: {error.strerror or error}")
