"""``camera:`` source on real capture devices of FFmpeg that need no hardware, and the list of cameras.

``lavfi`` is a capture device whose camera is drawn; everything but the driver is what a camera goes through.
"""

import errno
import sys
import threading
import time

import av
import numpy as np
import pytest

from io_bridges.capture import camera, camera_devices
from io_bridges.capture.camera import CameraSource
from io_bridges.capture.camera_devices import CameraDevice, available, cameras, find_camera
from io_bridges.capture.grabber import FrameGrabber
from io_bridges.uri import make_source
from presets.errors import BridgeError, BridgeUnavailable

PATIENCE = 30.0


@pytest.fixture
def drawn_camera(monkeypatch):
    """Make FFmpeg draw the camera: its address is a filter graph."""
    monkeypatch.setitem(camera.DEVICE_FORMATS, sys.platform, "lavfi")
    monkeypatch.setattr(camera, "find_camera", lambda wanted: wanted)


def read_one(source):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (frame := source.read(0.25)) is not None:
            return frame
    raise AssertionError(f"no frame: {source.status()}")


def read_error(source):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            source.read(0.25)
        except BridgeError as error:
            return str(error)
    raise AssertionError("no error")


@pytest.mark.usefixtures("drawn_camera")
def test_camera_picture_is_upright():
    """Red on the left, blue on the right; the top half is bright."""
    half = "color=red:s=160x120:r=30,drawbox=0:60:160:60:color=0x500000:t=fill"
    other = "color=blue:s=160x120:r=30,drawbox=0:60:160:60:color=0x000050:t=fill"
    source = CameraSource(f"{half}[a];{other}[b];[a][b]hstack,realtime")
    source.open()
    frame = read_one(source)
    assert frame.pixels.shape == (120, 320, 3)
    assert not frame.pixels.flags.writeable
    for row, column, colour in (
        (20, 20, (255, 0, 0)),
        (20, 300, (0, 0, 255)),
        (100, 20, (80, 0, 0)),
        (100, 300, (0, 0, 80)),
    ):
        assert np.abs(frame.pixels[row, column].astype(int) - colour).max() < 12
    later = read_one(source)
    assert later.index == frame.index + 1
    assert frame.captured_at < later.captured_at <= time.monotonic_ns()
    assert source.status()["size"] == "320x120"
    assert source.status()["declared_fps"] == 30
    source.close()
    source.close()


@pytest.mark.usefixtures("drawn_camera")
def test_newest_frame_is_read():
    """Each frame's brightness is its number; frames that nobody reads are dropped."""
    source = CameraSource("nullsrc=s=64x64:r=50,format=gray,geq=lum=mod(N\\,200),realtime")
    source.open()
    first = read_one(source).pixels[0, 0, 0]
    time.sleep(0.5)
    second = read_one(source).pixels[0, 0, 0]
    assert second > int(first) + 5
    assert source.status()["dropped"] > 5
    source.close()


@pytest.mark.usefixtures("drawn_camera")
def test_lost_camera_is_reopened():
    source = CameraSource("testsrc2=s=64x64:r=30:d=0.3,realtime")
    source.open()
    assert "has ended" in read_error(source)
    source.close()
    source.open()
    assert read_one(source).index == 0
    source.close()


@pytest.mark.usefixtures("drawn_camera")
def test_refusal_names_the_camera():
    with pytest.raises(BridgeUnavailable, match="The camera nosuchfilter cannot be opened"):
        CameraSource("nosuchfilter").open()


@pytest.mark.skipif(sys.platform != "linux", reason="it is about Video4Linux")
def test_missing_device_is_refused():
    with pytest.raises(BridgeUnavailable, match=r"There is no camera /dev/video987\. Plug it in"):
        make_source("camera:987").open()


@pytest.mark.skipif(sys.platform != "linux", reason="it is about Video4Linux")
def test_device_that_is_no_camera(tmp_path):
    with pytest.raises(BridgeUnavailable, match="The camera /dev/null cannot be opened"):
        CameraSource("/dev/null", size=(640, 480)).open()


class StuckInput:
    """An input that behaves as a driver that hangs."""

    def __init__(self):
        self.release = threading.Event()
        self.opened = 0

    def open(self, *arguments):
        self.opened += 1
        self.release.wait(60)
        raise OSError(errno.EIO, "Input/output error")


def test_hanging_driver_costs_one_thread(monkeypatch):
    stuck = StuckInput()
    monkeypatch.setattr(camera, "_OPEN_SECONDS", 0.2)
    monkeypatch.setattr(camera, "open_camera", stuck.open)
    monkeypatch.setattr(camera, "find_camera", lambda wanted: wanted)
    source = CameraSource("0")
    with pytest.raises(BridgeError, match="does not open within"):
        source.open()
    for _ in range(3):
        source.close()
        with pytest.raises(BridgeUnavailable, match="Unplug it and plug it in again"):
            source.open()
    assert stuck.opened == 1
    stuck.release.set()
    source.close()
    with pytest.raises(BridgeError, match="Input/output error"):
        source.open()
    assert stuck.opened == 2


def test_silent_camera_is_an_error(monkeypatch):
    monkeypatch.setattr(camera, "_STALL_SECONDS", 0.1)
    monkeypatch.setattr(FrameGrabber, "take", lambda self, timeout: time.sleep(timeout))
    monkeypatch.setitem(camera.DEVICE_FORMATS, sys.platform, "lavfi")
    monkeypatch.setattr(camera, "find_camera", lambda wanted: wanted)
    source = CameraSource("testsrc2=s=64x64:r=30,realtime")
    source.open()
    assert "gives no frames" in read_error(source)
    source.close()


@pytest.fixture
def two_webcams(monkeypatch, tmp_path):
    """The folder of the kernel's class, as two webcams with a metadata node each make it."""
    nodes = {
        "video0": ("HD Webcam", 0),
        "video1": ("HD Webcam", 1),
        "video2": ("Cam Link 4K", 0),
        "video10": ("Tühü", 0),
    }
    for node, (name, index) in nodes.items():
        (tmp_path / node).mkdir()
        (tmp_path / node / "name").write_text(f"{name}\n", encoding="utf-8")
        (tmp_path / node / "index").write_text(f"{index}\n")
    (tmp_path / "video3").mkdir()  # Unplugged: its files are gone.
    monkeypatch.setattr(camera_devices.sys, "platform", "linux")
    monkeypatch.setattr(camera_devices, "_LINUX_CLASS", tmp_path)
    monkeypatch.setattr(camera_devices.cameras, "__defaults__", (tmp_path,))
    return tmp_path


@pytest.mark.usefixtures("two_webcams")
def test_linux_cameras_are_listed():
    assert cameras() == [
        CameraDevice("HD Webcam", "/dev/video0"),
        CameraDevice("Cam Link 4K", "/dev/video2"),
        CameraDevice("Tühü", "/dev/video10"),
    ]
    assert available() == ["camera:HD Webcam", "camera:Cam Link 4K", "camera:Tühü"]


@pytest.mark.usefixtures("two_webcams")
@pytest.mark.parametrize(
    ("wanted", "address"),
    [
        ("", "/dev/video0"),
        ("2", "/dev/video2"),
        ("/dev/video7", "/dev/video7"),
        ("Cam Link 4K", "/dev/video2"),
        ("cam link 4k", "/dev/video2"),
    ],
)
def test_cameras_are_found(wanted, address):
    assert find_camera(wanted) == address


@pytest.mark.usefixtures("two_webcams")
def test_unknown_camera_lists_the_known():
    with pytest.raises(BridgeUnavailable, match=r"no camera Nikon\. There are: HD Webcam, Cam Link 4K, Tühü"):
        find_camera("Nikon")


def test_twins_are_listed_by_address(two_webcams):
    (two_webcams / "video2" / "name").write_text("HD Webcam\n")
    assert available() == ["camera:/dev/video0", "camera:/dev/video2", "camera:Tühü"]
    for uri in available():
        assert find_camera(uri.partition(":")[2])


def test_no_camera_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(camera_devices.sys, "platform", "linux")
    monkeypatch.setattr(camera_devices.cameras, "__defaults__", (tmp_path,))
    assert available() == []
    with pytest.raises(BridgeUnavailable, match="no camera on this machine"):
        find_camera("")


@pytest.mark.parametrize(("platform", "first"), [("win32", "video=@device_pnp_a"), ("darwin", "0")])
def test_devices_of_other_systems(monkeypatch, platform, first):
    """PyAV's answers, in the form that its documentation gives."""
    listed = {
        "dshow": [("@device_pnp_a", "USB Camera: 2", ["video"]), ("@device_cm_b", "Microphone", ["audio"])],
        "avfoundation": [
            ("0", "FaceTime HD Camera", ["video"]),
            ("1", "Capture screen 0", ["video"]),
            ("0", "Mic", ["audio"]),
        ],
    }
    monkeypatch.setattr(camera_devices.sys, "platform", platform)
    monkeypatch.setattr(
        camera_devices.av,
        "enumerate_input_devices",
        lambda format: [av.device.DeviceInfo(name, text, False, types) for name, text, types in listed[format]],
    )
    (found,) = cameras()
    assert found.address == first
    for wanted in ("", "0", found.name, found.name.upper(), found.address):
        assert find_camera(wanted) == first
    assert available() == [f"camera:{found.name}"]


def test_modes_are_tried_in_order(monkeypatch):
    monkeypatch.setattr(camera.sys, "platform", "linux")
    assert CameraSource("", size=(1280, 720), fps=30)._modes() == [
        {"video_size": "1280x720", "framerate": "30", "input_format": "mjpeg"},
        {"video_size": "1280x720", "framerate": "30"},
    ]
    assert CameraSource("")._modes() == [{}]
    monkeypatch.setattr(camera.sys, "platform", "darwin")
    assert CameraSource("")._modes()[0] == {"framerate": "30"}
    assert CameraSource("", fps=24)._modes() == [{"framerate": "24"}]
