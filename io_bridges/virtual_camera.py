"""``virtualcam:`` sink: the output as a camera of this machine, for video calls and streaming programs.

It needs the extra ``virtualcam``: pyvirtualcam, which is under the GPL-2 and therefore never installed by default. It
is written against pyvirtualcam 0.15 and untested on hardware.
"""

import sys
from typing import Protocol

import numpy as np

from io_bridges.frames import Pixels, RenderedFrame, Tick
from io_bridges.lazy_imports import import_extra
from presets.errors import BridgeError, BridgeUnavailable

_REMEDIES = {
    "linux": "Load the kernel's module: sudo modprobe v4l2loopback exclusive_caps=1",
    "win32": "Install OBS, which brings a virtual camera, and close the program that uses it",
    "darwin": "Install OBS, start and stop its virtual camera once, and close OBS",
}


class VirtualCameraDevice(Protocol):
    """The part of `pyvirtualcam.Camera` that is used."""

    @property
    def device(self) -> str: ...

    @property
    def backend(self) -> str: ...

    def send(self, frame: Pixels) -> None: ...

    def close(self) -> None: ...


class VirtualCameraSink:
    """A sink that is a virtual camera: v4l2loopback on Linux, OBS or Unity Capture on Windows, OBS on macOS."""

    def __init__(self, location: str) -> None:
        """Set the device, such as ``/dev/video10`` or ``OBS Virtual Camera``. Empty is the first one."""
        self._wanted = location
        self._camera: VirtualCameraDevice | None = None
        self._device = ""
        self._backend = ""
        self._written = 0

    def open(self, width: int, height: int, fps: float) -> None:
        """Take the device. Raises `BridgeUnavailable` with the remedy if there is none, or another program has it."""
        self.close()
        package = import_extra("pyvirtualcam", "virtualcam")
        try:
            camera: VirtualCameraDevice = package.Camera(
                width, height, fps, fmt=package.PixelFormat.RGB, device=self._wanted or None
            )
        except (RuntimeError, ValueError, OSError) as error:
            remedy = _REMEDIES.get(sys.platform, "It runs on Linux, Windows and macOS")
            raise BridgeUnavailable(f"There is no virtual camera: {_one_line(error)}. {remedy}") from error
        self._camera, self._device, self._backend = camera, camera.device, camera.backend

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Show one frame. Raises `BridgeError` if the device is gone."""
        if self._camera is None:
            raise BridgeError("The virtual camera was written to before it was open")
        try:
            self._camera.send(np.ascontiguousarray(frame.host_pixels()))
        except (RuntimeError, ValueError, OSError) as error:
            raise BridgeError(f"The virtual camera {self._device} takes no frames: {_one_line(error)}") from error
        self._written += 1

    def close(self) -> None:
        """Release the device."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def status(self) -> dict[str, object]:
        """Return the device, pyvirtualcam's backend and the number of frames shown."""
        return {
            "sink": "virtualcam",
            "device": self._device or self._wanted,
            "backend": self._backend,
            "pictures": self._written,
        }


def _one_line(error: Exception) -> str:
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip()).rstrip(".")
