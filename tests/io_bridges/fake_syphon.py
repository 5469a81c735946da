# ruff: noqa: N802 (the names are Metal's)
"""A stand-in for syphon-python 0.2 with its signatures, for the parts that the bridges call.

A server's surface is BGRA with the bottom row first, by Syphon's convention. Announcements wait until the main thread's
event loop runs. Objects made outside an autorelease pool leak.
"""

import contextlib
import sys
import threading
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from itertools import count
from types import ModuleType, SimpleNamespace

import numpy as np

RGBA8, BGRA8 = 70, 80
_uuids = count()


class ObjectiveCError(Exception):
    """``objc.error``."""


@dataclass
class Machine:
    """All Syphon servers of the machine."""

    servers: dict[str, "SyphonMetalServer"] = field(default_factory=dict)
    announced: list[str] = field(default_factory=list)
    waiting: list[tuple[str, bool]] = field(default_factory=list)
    metal: bool = True
    room: bool = True
    pools: int = 0
    leaked: int = 0
    directories: int = 0
    failure: Exception | None = None

    def made(self) -> None:
        """Count an object that no pool releases, and fail if told to."""
        self.leaked += self.pools == 0
        if self.failure is not None:
            raise self.failure


_MACHINES = [Machine()]


class Texture:
    """``MTLTexture``."""

    def __init__(self, width, height, form=RGBA8):
        self.memory = np.zeros((height, width, 4), np.uint8)
        self.form = form

    def width(self):
        return self.memory.shape[1]

    def height(self):
        return self.memory.shape[0]

    def pixelFormat(self):
        return self.form


@dataclass
class SyphonServerDescription:
    uuid: str
    name: str
    app_name: str
    icon: object = None
    raw: object = None


class SyphonMetalServer:
    def __init__(self, name, device=None, command_queue=None, *, is_private=False, app="python"):
        self.machine = _MACHINES[0]
        self.machine.made()
        if not self.machine.metal:
            raise RuntimeError("No Metal device is available")
        self.device = SimpleNamespace(name="a GPU")
        self.description = SyphonServerDescription(f"uuid-{next(_uuids)}", name, app)
        self.surface = None
        self.frame = 0
        self.machine.servers[self.description.uuid] = self
        self.machine.waiting.append((self.description.uuid, True))

    def publish_frame_texture(
        self, texture, region=None, size=None, is_flipped=False, command_buffer=None, auto_commit=True
    ):
        self.machine.made()
        rows = texture.memory[:, :, [2, 1, 0, 3]] if texture.form == RGBA8 else texture.memory
        self.surface = Texture(texture.width(), texture.height(), BGRA8)
        self.surface.memory[:] = rows[::-1] if is_flipped else rows
        self.frame += 1

    def stop(self):
        self.machine.servers.pop(self.description.uuid, None)
        self.machine.waiting.append((self.description.uuid, False))


class SyphonMetalClient:
    def __init__(self, description, device=None, *, new_frame_handler=None, callback_loop=None):
        self.machine = _MACHINES[0]
        self.machine.made()
        self.uuid = description.uuid
        self.seen = 0
        self.stopped = False

    @property
    def server(self):
        return None if self.stopped else self.machine.servers.get(self.uuid)

    @property
    def is_valid(self):
        return self.server is not None

    @property
    def has_new_frame(self):
        return self.server is not None and self.server.frame > self.seen

    @property
    def new_frame_image(self):
        self.machine.made()
        if self.server is None:
            return None
        self.seen = self.server.frame
        return self.server.surface

    def stop(self):
        self.stopped = True


class SyphonServerDirectory:
    def __init__(self):
        self.machine = _MACHINES[0]
        self.machine.made()
        self.machine.directories += 1
        self.run_loop_interval = 1.0

    @property
    def servers(self):
        self.update_run_loop()
        known = [self.machine.servers.get(uuid) for uuid in self.machine.announced]
        return [server.description for server in known if server is not None]

    def update_run_loop(self):
        self.machine.made()
        if self.run_loop_interval > 0.6:
            raise AssertionError("the loop would wait for a second")
        if threading.current_thread() is threading.main_thread() and self.machine.waiting:
            uuid, comes = self.machine.waiting.pop(0)  # One run delivers one notification.
            if comes:
                self.machine.announced.append(uuid)
            else:
                self.machine.announced.remove(uuid)

    def close(self):
        self.machine.directories -= 1


def create_mtl_texture(device, width, height, pixel_format=RGBA8):
    machine = _MACHINES[0]
    machine.made()
    return Texture(width, height, pixel_format) if machine.room else None


def copy_image_to_mtl_texture(image, texture):
    assert image.shape == (texture.height(), texture.width(), 4)
    texture.memory[:] = image


def copy_mtl_texture_to_image(texture):
    if texture.pixelFormat() not in (RGBA8, BGRA8):
        raise AssertionError("the package raises a bare Exception here")
    return np.frombuffer(texture.memory.tobytes(), np.uint8).reshape(texture.height(), texture.width(), 4)


@contextlib.contextmanager
def autorelease_pool():
    machine = _MACHINES[0]
    machine.pools += 1
    try:
        yield
    finally:
        machine.pools -= 1


def install(monkeypatch) -> Machine:
    """Put the package into `sys.modules` on a new machine, and return the machine."""
    _MACHINES[:] = [Machine()]
    for name, contents in (
        ("syphon", (SyphonMetalServer, SyphonMetalClient, SyphonServerDirectory, SyphonServerDescription)),
        ("syphon.utils", ()),
        ("syphon.utils.numpy", (copy_image_to_mtl_texture, copy_mtl_texture_to_image)),
        ("syphon.utils.raw", (create_mtl_texture,)),
        ("objc", (autorelease_pool,)),
    ):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        for each in contents:
            setattr(module, each.__name__, each)
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["objc"].error = ObjectiveCError
    return _MACHINES[0]
