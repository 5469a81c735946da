"""The part of SpoutGL that the Spout bridges call, as protocols.

SpoutGL carries no type stubs. These signatures are those that its compiled module 0.1.1 states of itself; all arguments
are positional. Every call must come from the thread that called `createOpenGL`.
"""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Protocol, cast

from io_bridges.frames import Pixels
from io_bridges.schemes import schemes
from presets.errors import BridgeError, BridgeUnavailable, SettingsError

GL_RGBA = 0x1908
GL_BGRA = 0x80E1

LONGEST_NAME = 255
"""Most bytes of a sender's name."""


class SpoutInfo(Protocol):
    """Size of a running sender."""

    @property
    def width(self) -> int:
        """Pixels."""

    @property
    def height(self) -> int:
        """Pixels."""


class SpoutEnd(Protocol):
    """Calls that senders and receivers have in common."""

    def createOpenGL(self) -> bool:  # noqa: N802
        """Make a hidden OpenGL context and bind it to this thread. Return False if there is none to be had."""

    def closeOpenGL(self) -> bool:  # noqa: N802
        """Release the context."""

    def getSenderInfo(self, name: str, /) -> SpoutInfo | None:  # noqa: N802
        """Return the size of a running sender, or None."""


class SpoutSending(SpoutEnd, Protocol):
    """``SpoutGL.SpoutSender``."""

    def setSenderName(self, name: str, /) -> None:  # noqa: N802
        """Set the name. If a sender of the list has it, ``_1`` is added. Names of crashed senders are then removed."""

    def releaseSender(self) -> None:  # noqa: N802
        """Close the sender."""

    def sendImage(self, pixels: Pixels, width: int, height: int, format: int, invert: bool, fbo: int, /) -> bool:  # noqa: N802
        """Copy pixels, top row first unless `invert`, into the shared texture. The first call makes the sender."""

    def setFrameSync(self, name: str, /) -> None:  # noqa: N802
        """Wake the receivers that wait for a frame."""


class SpoutReceiving(SpoutEnd, Protocol):
    """``SpoutGL.SpoutReceiver``."""

    def setReceiverName(self, name: str, /) -> None:  # noqa: N802
        """Set the sender to receive from. An empty name is the active sender."""

    def releaseReceiver(self) -> None:  # noqa: N802
        """Close the connection."""

    def receiveImage(self, buffer: Pixels | None, format: int, invert: bool, fbo: int, /) -> bool:  # noqa: N802
        """Connect, or copy the newest picture into the buffer. Return False without a sender."""

    def isUpdated(self) -> bool:  # noqa: N802
        """Return True once after the sender or its size changed: the buffer must be made anew."""

    def isConnected(self) -> bool:  # noqa: N802
        """Return True while there is a sender."""

    def isFrameNew(self) -> bool:  # noqa: N802
        """Return True if the last call copied a new picture. Always True for a sender that counts no frames."""

    def getSenderName(self) -> str:  # noqa: N802
        """Return the connected sender."""

    def getSenderWidth(self) -> int:  # noqa: N802
        """Return pixels."""

    def getSenderHeight(self) -> int:  # noqa: N802
        """Return pixels."""

    def getSenderFormat(self) -> int:  # noqa: N802
        """Return the DXGI format of the texture: 28 is RGBA, 87 is BGRA."""

    def getSenderList(self) -> list[str]:  # noqa: N802
        """Return the names of the senders."""


class SpoutPackage(Protocol):
    """The module ``SpoutGL``."""

    def SpoutSender(self) -> SpoutSending:  # noqa: N802
        """Make a sender."""

    def SpoutReceiver(self) -> SpoutReceiving:  # noqa: N802
        """Make a receiver."""


def load_spout() -> SpoutPackage:
    """Import SpoutGL. Raises `BridgeUnavailable` on other systems, and without the package."""
    reason = schemes("sink")["spout"].unavailable()
    if reason:
        raise BridgeUnavailable(f"spout: {reason}")
    return cast(SpoutPackage, importlib.import_module("SpoutGL"))


def check_name(name: str) -> str:
    """Return a sender's name. Raises `SettingsError` if it is too long, or holds a zero."""
    if len(name.encode()) > LONGEST_NAME or "\0" in name:
        raise SettingsError(f"{name[:40]!r} can't be the name of a Spout sender: it takes at most {LONGEST_NAME} bytes")
    return name


def bind_context(end: SpoutEnd) -> None:
    """Bind an OpenGL context to this thread. Raises `BridgeUnavailable`."""
    with spout_errors():
        if not end.createOpenGL():
            raise BridgeUnavailable(
                "Spout gets no OpenGL context. Update the graphics driver, and run in a session with a screen"
            )


@contextlib.contextmanager
def spout_errors() -> Iterator[None]:
    """Raise exceptions of SpoutGL as `BridgeError`."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError, BufferError, OSError) as error:
        raise BridgeError(f"Spout failed: {error}") from error
