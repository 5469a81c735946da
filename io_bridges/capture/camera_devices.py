"""Cameras of this machine, as FFmpeg's capture devices name them. Listing is untested on Windows and macOS."""

import sys
from dataclasses import dataclass
from pathlib import Path

import av

from io_bridges.scheme import write_uri
from presets.errors import BridgeUnavailable

DEVICE_FORMATS = {"linux": "v4l2", "win32": "dshow", "darwin": "avfoundation"}
"""FFmpeg's capture device by ``sys.platform``."""

_LINUX_CLASS = Path("/sys/class/video4linux")
_SCREEN = "capture screen"


@dataclass(frozen=True, slots=True)
class CameraDevice:
    """A camera."""

    name: str
    """Name for people, such as ``HD Webcam``. Two cameras may have the same one."""
    address: str
    """Text that FFmpeg opens."""


def available() -> list[str]:
    """Return the URIs of the cameras of this machine, by name, or by address for a name that two have."""
    found = cameras()
    names = [camera.name for camera in found]
    return [
        write_uri("camera", camera.name if camera.name and names.count(camera.name) == 1 else camera.address)
        for camera in found
    ]


def find_camera(wanted: str) -> str:
    """Return what FFmpeg opens for an empty text (the first camera), a number, a name or a device.

    Raises `BridgeUnavailable`, which lists the cameras.
    """
    if wanted.startswith(("/dev/", "video=")):
        return wanted
    found = cameras()
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 4 else None
    if number is not None and sys.platform != "win32":
        return f"/dev/video{number}" if sys.platform == "linux" else str(number)
    if not wanted or number is not None:
        chosen = found[number or 0 : (number or 0) + 1]
    else:
        chosen = [camera for camera in found if wanted in (camera.name, camera.address)]
        chosen += [camera for camera in found if camera.name.casefold() == wanted.casefold()]
    if chosen:
        return chosen[0].address
    names = ", ".join(camera.name or camera.address for camera in found)
    raise BridgeUnavailable(
        f"There is no camera {wanted or 'on this machine'}. "
        + (f"There are: {names}" if names else "Plug one in, and run: streamflow-live sources")
    )


def cameras(linux_class: Path = _LINUX_CLASS) -> list[CameraDevice]:
    """Return the cameras of this machine in the system's order. Raises `BridgeUnavailable` on other systems."""
    if sys.platform == "linux":
        return _linux_cameras(linux_class)
    if sys.platform not in DEVICE_FORMATS:
        raise BridgeUnavailable(f"Cameras cannot be opened on {sys.platform}")
    if not hasattr(av, "enumerate_input_devices"):
        raise BridgeUnavailable("This PyAV cannot list cameras. Run: pip install --upgrade av")
    try:
        devices = av.enumerate_input_devices(DEVICE_FORMATS[sys.platform])
    except (OSError, ValueError, av.error.FFmpegError) as error:
        raise BridgeUnavailable(f"The cameras cannot be listed: {error}") from error
    prefix = "video=" if sys.platform == "win32" else ""
    return [
        CameraDevice(device.description, prefix + device.name)
        for device in devices
        if (not device.media_types or "video" in device.media_types)
        and not device.description.casefold().startswith(_SCREEN)
    ]


def _linux_cameras(linux_class: Path) -> list[CameraDevice]:
    """Return the first node of each camera: the others carry metadata."""
    found = []
    for node in linux_class.glob("video*"):
        number = node.name.removeprefix("video")
        try:
            index = (node / "index").read_text().strip()
            name = (node / "name").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:  # Unplugged a moment ago.
            continue
        if index == "0" and number.isdigit():
            found.append((int(number), CameraDevice(name, f"/dev/{node.name}")))
    return [camera for _, camera in sorted(found, key=lambda each: each[0])]
