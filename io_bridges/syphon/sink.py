"""``syphon:`` sink: every tick as a Syphon server. Written against syphon-python, untested on hardware."""

import contextlib

import numpy as np

from io_bridges.frames import Pixels, RenderedFrame, Tick
from io_bridges.lazy_imports import opencv
from io_bridges.syphon.api import MetalTexture, SyphonPackage, SyphonServing, load_syphon
from presets.errors import BridgeError, BridgeUnavailable

_TEXTURES = 3
"""Textures in turn: the GPU may still copy from the last one."""


class SyphonSink:
    """A server with a name of its own. Its size stays for the whole show."""

    def __init__(self, location: str, flip: bool = False) -> None:
        """Set the server's name. `flip` turns the pictures upside down."""
        self._name = location
        self._flip = flip
        self._package: SyphonPackage | None = None
        self._server: SyphonServing | None = None
        self._textures: list[MetalTexture] = []
        self._rgba: Pixels = np.empty((0, 0, 4), np.uint8)
        self._written = 0

    def open(self, width: int, height: int, fps: float) -> None:
        """Start the server. Raises `BridgeUnavailable` if Syphon can't run here, or there is no Metal device."""
        self.close()
        self._package = package = load_syphon()
        try:
            with package.calls():
                self._server = package.server(self._name)
                made = [package.create_texture(self._server.device, width, height) for _ in range(_TEXTURES)]
        except BridgeError as error:
            raise BridgeUnavailable(f"{error}. Syphon needs a Mac with a Metal GPU") from error
        self._textures = [texture for texture in made if texture is not None]
        if len(self._textures) < _TEXTURES:
            raise BridgeUnavailable(f"The GPU has no room for textures of {width}x{height}. Choose a smaller ?size=")
        self._rgba = np.empty((height, width, 4), np.uint8)

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Publish one picture, opaque. Raises `BridgeError`."""
        if self._package is None or self._server is None:
            raise BridgeError(f"syphon:{self._name} was written to before it was open")
        cv2 = opencv()
        cv2.cvtColor(frame.host_pixels(), cv2.COLOR_RGB2RGBA, dst=self._rgba)
        texture = self._textures[self._written % _TEXTURES]
        with self._package.calls():
            self._package.to_texture(self._rgba, texture)
            self._server.publish_frame_texture(texture, is_flipped=not self._flip)
        self._written += 1

    def close(self) -> None:
        """Stop the server."""
        package, server = self._package, self._server
        self._package = self._server = None
        self._textures = []
        if package is not None and server is not None:
            with contextlib.suppress(BridgeError), package.calls():
                server.stop()

    def status(self) -> dict[str, object]:
        """Return the name, the size and the number of pictures published."""
        height, width = self._rgba.shape[:2]
        return {"sink": "syphon", "name": self._name, "size": f"{width}x{height}", "pictures": self._written}
