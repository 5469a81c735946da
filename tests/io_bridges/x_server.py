"""A virtual X server with displays to plug in: what they show, and a hand at the keyboard and the close button."""

import os
import shutil
import socket
import struct
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from Xlib import XK, X, display, error
from Xlib.ext import xtest
from Xlib.protocol import event

PRIMARY = (640, 400)
PROJECTOR = (320, 240)
PATIENCE = 60.0

_EXTENDED_DESKTOP_SIZE = -308


class XServer:
    """TigerVNC's X server. A screenshot asks the server, neither the window nor SDL."""

    def __init__(self, folder: Path) -> None:
        """Start it with one display."""
        if shutil.which("Xtigervnc") is None:
            pytest.skip("Xtigervnc is not installed")
        read, write = os.pipe()
        arguments = ["-geometry", "640x400", "-depth", "24", "-SecurityTypes", "None", "-nolisten", "tcp"]
        arguments += ["-rfbunixpath", str(folder / "rfb"), "-displayfd", str(write), "-noreset"]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["Xtigervnc", *arguments], pass_fds=[write], stdout=log, stderr=log, cwd=folder
            )
        os.close(write)
        with os.fdopen(read) as line:
            self.name = f":{line.readline().strip()}"
        self._viewer = self._connect(str(folder / "rfb"))

    def close(self) -> None:
        self._viewer.close()
        self._process.kill()
        self._process.wait()

    def plug_in(self, *sizes: tuple[int, int]) -> None:
        """Have displays of these sizes, side by side, and no others."""
        places = [sum(width for width, _ in sizes[:number]) for number in range(len(sizes) + 1)]
        message = struct.pack(">BxHHBx", 251, places[-1], max(height for _, height in sizes), len(sizes))
        for number, (width, height) in enumerate(sizes):
            message += struct.pack(">IHHHHI", number + 1, places[number], 0, width, height, 0)
        self._viewer.sendall(message)
        for _ in attempts():
            connection = self.connection()
            geometry = connection.screen().root.get_geometry()
            connection.close()
            if geometry.width == places[-1]:
                return
        raise AssertionError("the displays did not change")

    def screenshot(self) -> np.ndarray:
        """Return RGB [H, W, 3] of the root window with everything on it."""
        connection = self.connection()
        root = connection.screen().root
        geometry = root.get_geometry()
        image = root.get_image(0, 0, geometry.width, geometry.height, X.ZPixmap, 0xFFFFFFFF)
        connection.close()
        pixels = np.frombuffer(image.data, np.uint8).reshape(geometry.height, geometry.width, 4)
        return pixels[..., 2::-1]

    def cursor_is_visible(self) -> bool:
        """Return True if the cursor that the server shows now has a pixel that is not transparent."""
        connection = self.connection()
        connection.xfixes_query_version()
        image = connection.xfixes_get_cursor_image(connection.screen().root)
        connection.close()
        return any(pixel >> 24 for pixel in image.cursor_image)

    @staticmethod
    def _connect(path: str) -> socket.socket:
        """Return a connection of the protocol RFB 3.8, whose client may change the displays."""
        viewer = socket.socket(socket.AF_UNIX)
        viewer.settimeout(PATIENCE)
        viewer.connect(path)
        with viewer.makefile("rb") as answers:
            answers.read(12)
            viewer.sendall(b"RFB 003.008\n")
            answers.read(answers.read(1)[0])
            viewer.sendall(b"\x01")
            assert answers.read(4) == bytes(4)
            viewer.sendall(b"\x01")
            answers.read(20)
            answers.read(int.from_bytes(answers.read(4), "big"))
        viewer.sendall(struct.pack(">BxHii", 2, 2, 0, _EXTENDED_DESKTOP_SIZE))
        return viewer

    def connection(self):
        return display.Display(self.name)

    def window(self):
        """Wait for the one mapped window of the server, and return it and its connection."""
        connection = self.connection()
        for _ in attempts():
            mapped = [each for each in connection.screen().root.query_tree().children if is_mapped(each)]
            if mapped:
                return mapped[-1], connection
        raise AssertionError("no window came")

    def window_size(self) -> tuple[int, int]:
        """Return the width and height of the window."""
        window, connection = self.window()
        geometry = window.get_geometry()
        connection.close()
        return geometry.width, geometry.height

    def windows(self) -> int:
        """Return the number of mapped windows."""
        connection = self.connection()
        found = sum(is_mapped(each) for each in connection.screen().root.query_tree().children)
        connection.close()
        return found

    def press(self, key: str) -> None:
        """Type one key into the window."""
        window, connection = self.window()
        window.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
        code = connection.keysym_to_keycode(XK.string_to_keysym(key))
        xtest.fake_input(connection, X.KeyPress, code)
        xtest.fake_input(connection, X.KeyRelease, code)
        connection.sync()
        connection.close()

    def point(self, x: int, y: int) -> None:
        """Move the mouse."""
        connection = self.connection()
        connection.screen().root.warp_pointer(x, y)
        connection.sync()
        connection.close()

    def press_close(self) -> None:
        """Press the close button, as a window manager tells of it."""
        window, connection = self.window()
        protocols, delete = (connection.intern_atom(name) for name in ("WM_PROTOCOLS", "WM_DELETE_WINDOW"))
        message = event.ClientMessage(window=window, client_type=protocols, data=(32, [delete, X.CurrentTime, 0, 0, 0]))
        window.send_event(message)
        connection.sync()
        connection.close()


def attempts():
    """Yield again and again, for a minute at most."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)


def is_mapped(window) -> bool:
    try:
        return window.get_attributes().map_state == X.IsViewable
    except error.XError:  # it has closed meanwhile
        return False
