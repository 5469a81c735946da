"""The part of syphon-python 0.2 that the Syphon bridges call, as protocols.

Objects of Objective-C are released by an autorelease pool. Python's threads have none, so every call into the package
stands inside ``with package.pool():``; without it each picture would leak.
"""

import contextlib
import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from io_bridges.schemes import schemes
from presets.errors import BridgeError, BridgeUnavailable

RGBA8, BGRA8 = 70, 80
"""``MTLPixelFormatRGBA8Unorm`` and ``MTLPixelFormatBGRA8Unorm``."""


class MetalTexture(Protocol):
    """``MTLTexture``: memory whose first row is the texture's first."""

    def width(self) -> int:
        """Return pixels."""

    def height(self) -> int:
        """Return pixels."""

    def pixelFormat(self) -> int:  # noqa: N802
        """Return the format, such as `BGRA8`."""


class SyphonServing(Protocol):
    """``syphon.SyphonMetalServer``."""

    device: Any

    def publish_frame_texture(
        self,
        texture: Any,
        region: tuple[int, int, int, int] | None = None,
        size: tuple[int, int] | None = None,
        is_flipped: bool = False,
    ) -> None:
        """Copy a texture to the server. Syphon's first row is the bottom one; `is_flipped` turns the texture."""

    def stop(self) -> None:
        """Close the server."""


class SyphonDescribed(Protocol):
    """``syphon.SyphonServerDescription``: a running server."""

    uuid: str
    name: str
    app_name: str


class SyphonReceiving(Protocol):
    """``syphon.SyphonMetalClient``."""

    @property
    def is_valid(self) -> bool:
        """True while the server is there."""

    @property
    def has_new_frame(self) -> bool:
        """True if a frame has come since the last one that was fetched."""

    @property
    def new_frame_image(self) -> Any:
        """The newest texture, or None."""

    def stop(self) -> None:
        """Close the connection."""


class SyphonDirectory(Protocol):
    """``syphon.SyphonServerDirectory``."""

    run_loop_interval: float

    @property
    def servers(self) -> Sequence[SyphonDescribed]:
        """The running servers. It runs the thread's event loop for `run_loop_interval` seconds."""

    def update_run_loop(self) -> None:
        """Run the thread's event loop for `run_loop_interval` seconds at most."""

    def close(self) -> None:
        """Release the directory's observers."""


@dataclass(frozen=True, slots=True)
class SyphonPackage:
    """The calls of the package."""

    server: Callable[[str], SyphonServing]
    client: Callable[[Any], SyphonReceiving]
    directory: Callable[[], SyphonDirectory]
    create_texture: Callable[[Any, int, int], MetalTexture | None]
    """Make an RGBA texture of this width and height on a device."""
    to_texture: Callable[[NDArray[np.uint8], Any], None]
    """Copy pixels [H, W, 4] into a texture."""
    from_texture: Callable[[Any], NDArray[np.uint8]]
    """Return a texture's pixels [H, W, 4], in its own byte order."""
    pool: Callable[[], AbstractContextManager[Any]]
    error: type[Exception]
    """Exceptions of Objective-C."""

    @contextlib.contextmanager
    def calls(self) -> Iterator[None]:
        """Hold an autorelease pool, and raise exceptions of the package as `BridgeError`."""
        try:
            with self.pool():
                yield
        except (RuntimeError, ValueError, TypeError, AttributeError, OSError, self.error) as error:
            raise BridgeError(f"Syphon failed: {error}") from error


def load_syphon() -> SyphonPackage:
    """Import syphon-python. Raises `BridgeUnavailable` on other systems, and without the package."""
    reason = schemes("sink")["syphon"].unavailable()
    if reason:
        raise BridgeUnavailable(f"syphon: {reason}")
    syphon, objc = importlib.import_module("syphon"), importlib.import_module("objc")
    arrays, textures = importlib.import_module("syphon.utils.numpy"), importlib.import_module("syphon.utils.raw")
    return SyphonPackage(
        server=syphon.SyphonMetalServer,
        client=syphon.SyphonMetalClient,
        directory=syphon.SyphonServerDirectory,
        create_texture=textures.create_mtl_texture,
        to_texture=arrays.copy_image_to_mtl_texture,
        from_texture=arrays.copy_mtl_texture_to_image,
        pool=objc.autorelease_pool,
        error=objc.error,
    )


def open_directory(package: SyphonPackage) -> SyphonDirectory:
    """Return the directory of servers, which does not wait when it is asked."""
    directory = package.directory()
    directory.run_loop_interval = 0.001
    return directory
