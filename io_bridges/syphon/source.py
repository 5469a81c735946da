"""``syphon:`` source: the newest picture of a Syphon server. Written against syphon-python, untested on hardware."""

import contextlib
import time

from io_bridges.frames import LONGEST_SIDE, Frame, Pixels
from io_bridges.pixels import Format, to_rgb
from io_bridges.scheme import write_uri
from io_bridges.syphon.api import (
    BGRA8,
    RGBA8,
    SyphonDescribed,
    SyphonDirectory,
    SyphonPackage,
    SyphonReceiving,
    load_syphon,
    open_directory,
)
from presets.errors import BridgeError

_LOOK = 0.002
"""Seconds between two looks for a picture."""
_LOOK_FOR_SERVER_NS = 250_000_000
_SILENT_NS = 1_000_000_000
"""Silence after which a server of the same name but another start is looked for."""
_FORMATS: dict[int, Format] = {RGBA8: "rgba", BGRA8: "bgra"}


class SyphonSource:
    """A source that waits for its server, and follows it through restarts and changes of size."""

    def __init__(self, location: str = "", flip: bool = False) -> None:
        """Set the name of the server, or of its program, or both as ``Arena - Composition``. Empty is the first one.

        `flip` turns the pictures upside down.
        """
        self._name = location
        self._flip = flip
        self._package: SyphonPackage | None = None
        self._directory: SyphonDirectory | None = None
        self._client: SyphonReceiving | None = None
        self._uuid = self._server = self._size = ""
        self._looked_at = self._received_at = 0
        self._index = self._servers = 0

    def open(self) -> None:
        """Begin to look for the server, which may start later. Raises `BridgeUnavailable`."""
        self.close()
        package = load_syphon()
        with package.calls():
            self._directory = open_directory(package)
        self._package = package
        self._index = self._looked_at = 0

    def read(self, timeout: float) -> Frame | None:
        """Wait at most `timeout` seconds for a new picture. Return it, or None. Raises `BridgeError`."""
        if self._package is None or self._directory is None:
            raise BridgeError(f"syphon:{self._name} was read before it was open")
        deadline = time.monotonic() + timeout
        while True:
            with self._package.calls():
                self._keep_client(self._package, self._directory)
                pixels = self._receive(self._package)
            if pixels is not None:
                frame = Frame(pixels, self._index, time.monotonic_ns())
                self._index += 1
                self._received_at = frame.captured_at
                return frame
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(left, _LOOK))

    def close(self) -> None:
        """Close the connection."""
        package, directory = self._package, self._directory
        if package is not None and directory is not None:
            with contextlib.suppress(BridgeError), package.calls():
                self._drop_client()
                directory.close()
        self._package = self._directory = self._client = None

    def status(self) -> dict[str, object]:
        """Return the server and its size (empty without one), and counts of pictures and of connections."""
        return {
            "source": "syphon",
            "name": self._name,
            "server": self._server,
            "size": self._size,
            "pictures": self._index,
            "servers": self._servers,
        }

    def _keep_client(self, package: SyphonPackage, directory: SyphonDirectory) -> None:
        """Connect to the server, and again if it is gone or has started anew."""
        now = time.monotonic_ns()
        client = self._client
        if client is not None and not client.is_valid:
            self._drop_client()
        elif client is not None and now - self._received_at < _SILENT_NS:
            return
        if now - self._looked_at < _LOOK_FOR_SERVER_NS:
            return
        self._looked_at = now
        found = next((server for server in directory.servers if self._is_wanted(server)), None)
        if found is None or (self._client is not None and found.uuid == self._uuid):
            return
        self._drop_client()
        client = package.client(found)
        if not client.is_valid:
            client.stop()
            return
        self._client, self._uuid, self._server = client, found.uuid, full_name(found)
        self._received_at = now
        self._servers += 1

    def _is_wanted(self, server: SyphonDescribed) -> bool:
        return not self._name or self._name in (server.name, server.app_name, full_name(server))

    def _drop_client(self) -> None:
        client, self._client = self._client, None
        self._uuid = self._server = self._size = ""
        if client is not None:
            client.stop()

    def _receive(self, package: SyphonPackage) -> Pixels | None:
        """Return a new picture, or None."""
        if self._client is None or not self._client.has_new_frame:
            return None
        texture = self._client.new_frame_image
        if texture is None:
            return None
        width, height, form = texture.width(), texture.height(), _FORMATS.get(texture.pixelFormat())
        if form is None or not (1 <= width <= LONGEST_SIDE and 1 <= height <= LONGEST_SIDE):
            raise BridgeError(
                f"The Syphon server has {width}x{height} pixels of format {texture.pixelFormat()}; "
                f"each side must be 1 to {LONGEST_SIDE} pixels of 8-bit RGBA or BGRA"
            )
        self._size = f"{width}x{height}"
        # Syphon's first row is the bottom one.
        return to_rgb(package.from_texture(texture), form, "top-left" if self._flip else "bottom-left")


def full_name(server: SyphonDescribed) -> str:
    """Return the names of a server's program and of the server itself, as lists of servers show them."""
    return " - ".join(filter(None, (server.app_name, server.name))) or server.uuid


def available() -> list[str]:
    """Return the URIs of the running Syphon servers. For the main thread. Raises `BridgeUnavailable`."""
    package = load_syphon()
    with package.calls():
        directory = package.directory()
        directory.run_loop_interval = 0.5
        directory.update_run_loop()
        names = [full_name(server) for server in directory.servers]
        directory.close()
    return [write_uri("syphon", name) for name in names]
