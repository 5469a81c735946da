# ruff: noqa: N802 (the names are SpoutGL's)
"""A stand-in for SpoutGL 0.1.1 with its signatures and the behaviour of Spout 2.007, unpleasant parts included.

A call from another thread than the context's fails. `receiveImage` returns True before there is a picture. `isUpdated`
is True once. A name that is taken, also by a crashed sender, gets ``_1``. `Machine` adds drivers and failures.
"""

import threading
from dataclasses import dataclass, field

import numpy as np

GL_RGBA, GL_BGRA = 0x1908, 0x80E1


@dataclass
class Texture:
    """A shared DirectX texture: RGBA, top row first, whatever its byte order is."""

    pixels: np.ndarray
    dxgi: int = 87
    frame: int = 0


@dataclass
class Machine:
    """All senders of the machine."""

    textures: dict[str, Texture] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)
    active: str = ""
    context: bool = True
    empty_first: int = 1
    swizzles: bool = True
    """False for a driver that delivers the texture's own byte order whatever is asked for."""
    takes_pictures: bool = True
    dxgi: int = 87

    def crash(self, name: str) -> None:
        """End a sender's process: its texture is gone, its name stays listed."""
        del self.textures[name]

    def close(self, name: str) -> None:
        """End a sender properly."""
        self.textures.pop(name, None)
        if name in self.listed:
            self.listed.remove(name)


_MACHINES = [Machine()]


def reset() -> Machine:
    """Start a new machine, and return it."""
    _MACHINES[:] = [Machine()]
    return _MACHINES[0]


@dataclass(frozen=True)
class SenderInfo:
    width: int
    height: int


class _End:
    def __init__(self):
        self.machine = _MACHINES[0]
        self._thread = None

    def _check(self):
        if self._thread != threading.get_ident():
            raise RuntimeError("no OpenGL context is bound to this thread")

    def createOpenGL(self):
        self._thread = threading.get_ident()
        return self.machine.context

    def closeOpenGL(self):
        self._check()
        self._thread = None
        return True

    def getSenderInfo(self, name, /):
        texture = self.machine.textures.get(name)
        return None if texture is None else SenderInfo(texture.pixels.shape[1], texture.pixels.shape[0])


class SpoutSender(_End):
    def __init__(self):
        super().__init__()
        self.name = ""

    def setSenderName(self, name, /):
        self.name, number = name, 1
        while self.name in self.machine.listed:
            self.name = f"{name}_{number}"
            number += 1
        self.machine.listed = [each for each in self.machine.listed if each in self.machine.textures]

    def releaseSender(self):
        self._check()
        self.machine.close(self.name)

    def sendImage(self, pixels, width, height, format, invert, fbo, /):
        self._check()
        memory = memoryview(pixels)
        if memory.nbytes < width * height * 4:
            raise BufferError("Buffer not large enough")
        if not memory.c_contiguous:
            raise BufferError("Buffer must be contiguous")
        if not self.machine.takes_pictures:
            return False
        rows = np.frombuffer(pixels, np.uint8).reshape(height, width, 4).copy()
        rows = rows[:, :, [2, 1, 0, 3]] if format == GL_BGRA else rows
        before = self.machine.textures.get(self.name)
        frame = before.frame + 1 if before else 1
        self.machine.textures[self.name] = Texture(rows[::-1] if invert else rows, self.machine.dxgi, frame)
        if self.name not in self.machine.listed:
            self.machine.listed.append(self.name)
            self.machine.active = self.name
        return True

    def setFrameSync(self, name, /):
        self._check()


class SpoutReceiver(_End):
    def __init__(self):
        super().__init__()
        self._wanted = self._connected = ""
        self._size, self._dxgi = (0, 0), 0
        self._updated = self._new = False
        self._empty = self._frame = 0

    def setReceiverName(self, name, /):
        self._wanted = name

    def releaseReceiver(self):
        self._check()
        self._connected, self._size = "", (0, 0)

    def receiveImage(self, buffer, format, invert, fbo, /):
        self._check()
        size = 0 if buffer is None else memoryview(buffer).nbytes
        if size and size < self._size[0] * self._size[1] * 4:
            raise BufferError("Buffer not large enough")
        name = self._wanted or self.machine.active
        texture = self.machine.textures.get(name)
        self._updated = self._new = False
        if texture is None:
            self.releaseReceiver()
            return False
        height, width = texture.pixels.shape[:2]
        if (name, (width, height), texture.dxgi) != (self._connected, self._size, self._dxgi):
            self._connected, self._size, self._dxgi = name, (width, height), texture.dxgi
            self._updated, self._empty, self._frame = True, self.machine.empty_first, 0
            return True
        if not size or texture.frame == self._frame:
            return True
        self._new = True
        if self._empty:
            self._empty -= 1
            return True
        self._frame = texture.frame
        asked_bgra = format == GL_BGRA if self.machine.swizzles else texture.dxgi == 87
        rows = texture.pixels[:, :, [2, 1, 0, 3]] if asked_bgra else texture.pixels
        np.frombuffer(buffer, np.uint8)[:size] = np.ascontiguousarray(rows[::-1] if invert else rows).reshape(-1)
        return True

    def isUpdated(self):
        updated, self._updated = self._updated, False
        return updated

    def isConnected(self):
        return bool(self._connected)

    def isFrameNew(self):
        return self._new

    def getSenderName(self):
        return self._connected

    def getSenderWidth(self):
        return self._size[0]

    def getSenderHeight(self):
        return self._size[1]

    def getSenderFormat(self):
        return self._dxgi

    def getSenderList(self):
        return list(self.machine.listed)
