"""``virtualcam:`` sink. The last step, the device, is a fake everywhere: no machine of ours has a virtual camera.

With pyvirtualcam installed, the real package runs on top of a backend that is registered in it. Without it, a stand-in
of its `Camera` with the same checks takes its place: the package is GPL-2, so that the suite does not ask for it.
"""

import enum
import importlib.util
import sys
import types

import numpy as np
import pytest

from io_bridges import lazy_imports
from io_bridges.card import draw_card
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.pixels import read_only
from io_bridges.uri import make_sink, refuse_duplicates
from presets.errors import BridgeError, BridgeUnavailable, SettingsError

HAS_PACKAGE = importlib.util.find_spec("pyvirtualcam") is not None


class LoopbackBackend:
    """A backend as pyvirtualcam's `Backend` describes it. It keeps what it gets."""

    opened: list["LoopbackBackend"] = []  # noqa: RUF012

    def __init__(self, *, width, height, fps, fourcc, device):
        if device not in (None, "/dev/video10"):
            raise RuntimeError(f"Device {device} could not be opened: not found")
        self.shape = (height, width, 3)
        self.fps, self.fourcc = fps, fourcc
        self.sent = []
        self.closed = 0
        self.broken = False
        self.opened.append(self)

    def send(self, frame):
        if self.broken:
            raise RuntimeError("write failed")
        assert frame.ndim == 1
        assert frame.flags.c_contiguous
        self.sent.append(frame.reshape(self.shape).copy())

    def close(self):
        self.closed += 1

    def device(self):
        return "/dev/video10"

    def native_fourcc(self):
        return None


class PixelFormat(enum.Enum):
    RGB = "raw "


class StandInCamera:
    """The checks and properties of `pyvirtualcam.Camera` 0.15, on one backend."""

    def __init__(self, width, height, fps, *, fmt, device=None):
        try:
            self._backend = LoopbackBackend(width=width, height=height, fps=fps, fourcc=fmt.value, device=device)
        except RuntimeError as error:
            raise RuntimeError(f"'test' backend: {error}\n'other' backend: none") from error
        self._shape = (height, width, 3)
        self.backend, self.device = "test", self._backend.device()

    def send(self, frame):
        if frame.dtype != np.uint8 or frame.shape != self._shape:
            raise ValueError(f"unexpected frame shape: {frame.shape} != {self._shape}")
        self._backend.send(frame.reshape(-1))

    def close(self):
        self._backend.close()


@pytest.fixture(params=["package", "stand-in"] if HAS_PACKAGE else ["stand-in"])
def backend(request, monkeypatch):
    LoopbackBackend.opened.clear()
    if request.param == "package":
        import pyvirtualcam as package

        monkeypatch.setattr(package.camera, "BACKENDS", {"test": LoopbackBackend})
    else:
        module = types.ModuleType("pyvirtualcam")
        module.Camera, module.PixelFormat = StandInCamera, PixelFormat
        module.__spec__ = importlib.util.spec_from_loader("pyvirtualcam", loader=None)
        monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    return LoopbackBackend.opened


def rendered(index=1, size=(64, 48)):
    return RenderedFrame(read_only(draw_card(index, *size)), index, index, 0, 0)


TICK = Tick(0, 0, repeated=False)


def test_card_reaches_the_camera(backend):
    sink = make_sink("virtualcam:")
    sink.open(64, 48, 30.0)
    for index in (1, 2):
        sink.write(rendered(index), TICK)
    (device,) = backend
    assert [np.array_equal(sent, draw_card(index, 64, 48)) for index, sent in enumerate(device.sent, 1)] == [True, True]
    assert device.fps == 30.0
    status = sink.status()
    assert (status["device"], status["backend"], status["pictures"]) == ("/dev/video10", "test", 2)
    sink.close()
    sink.close()
    assert device.closed == 1
    with pytest.raises(BridgeError, match="before it was open"):
        sink.write(rendered(), TICK)


def test_device_is_passed_on(backend):
    sink = make_sink("virtualcam:/dev/video10")
    sink.open(64, 48, 30.0)
    sink.close()
    assert len(backend) == 1
    lost = make_sink("virtualcam:/dev/video11")
    with pytest.raises(BridgeUnavailable, match=r"no virtual camera: 'test' backend: Device /dev/video11 could not be"):
        lost.open(64, 48, 30.0)
    assert len(backend) == 1


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    ("platform", "remedy"), [("linux", "modprobe v4l2loopback"), ("win32", "Install OBS"), ("darwin", "Install OBS")]
)
def test_missing_camera_has_a_remedy(monkeypatch, platform, remedy):
    monkeypatch.setattr("io_bridges.virtual_camera.sys.platform", platform)
    with pytest.raises(BridgeUnavailable, match=remedy) as caught:
        make_sink("virtualcam:/dev/video11").open(64, 48, 30.0)
    assert "\n" not in str(caught.value)


def test_lost_device_is_an_error(backend):
    sink = make_sink("virtualcam:")
    sink.open(64, 48, 30.0)
    backend[0].broken = True
    with pytest.raises(BridgeError, match="takes no frames: write failed"):
        sink.write(rendered(), TICK)
    sink.close()
    sink.open(32, 32, 25.0)
    sink.write(rendered(size=(32, 32)), TICK)
    assert len(backend[1].sent) == 1


def test_missing_package_names_its_extra(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        lazy_imports.importlib.util, "find_spec", lambda name: None if name == "pyvirtualcam" else real(name)
    )
    with pytest.raises(BridgeUnavailable, match=r"pip install 'streamflow-live\[virtualcam\]'"):
        make_sink("virtualcam:").open(64, 48, 30.0)


if HAS_PACKAGE and sys.platform == "linux":

    def test_machine_without_loopback_is_refused():
        """Ask the real backend."""
        with pytest.raises(BridgeUnavailable, match="modprobe v4l2loopback"):
            make_sink("virtualcam:/dev/video987").open(64, 48, 30.0)


def test_one_show_has_one_such_camera():
    with pytest.raises(SettingsError, match="are the same device"):
        refuse_duplicates("card:", ["virtualcam:", "virtualcam:?size=64x64"])
    refuse_duplicates("card:", ["virtualcam:/dev/video10", "virtualcam:/dev/video11"])
