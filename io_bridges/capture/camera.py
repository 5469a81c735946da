"""``camera:`` source: the newest frame of a camera, through FFmpeg's capture devices.

The devices are Video4Linux on Linux, DirectShow on Windows and AVFoundation on macOS: PyAV's wheels carry them. They
are written against FFmpeg's documentation and untested on hardware.
"""

import errno
import sys
import threading
import time
from functools import partial

import av
from av.container.input import InputContainer

from io_bridges.capture.camera_devices import DEVICE_FORMATS, find_camera
from io_bridges.capture.grabbed_source import GrabbedSource
from io_bridges.capture.grabber import FrameGrabber
from io_bridges.frames import Frame
from presets.errors import BridgeError, BridgeUnavailable

_OPEN_SECONDS = 4.5
_STALL_SECONDS = 5.0
_MAC_RATES = (30.0, 25.0, 24.0, 15.0, 60.0)
"""Rates that are tried on macOS, where a camera refuses every other rate than its own."""

_BUSY = (errno.EBUSY, errno.EACCES, errno.EPERM)


class CameraSource(GrabbedSource):
    """A source that captures a camera. A camera that is pulled out is opened again when it is back."""

    def __init__(self, location: str, size: tuple[int, int] | None = None, fps: float | None = None) -> None:
        """Set the camera: its number, name or device. `size` in pixels and `fps` in Hz choose one of its modes."""
        super().__init__()
        self._wanted = location
        self._size = size
        self._fps = fps
        self._address = ""
        self._last_at = 0.0

    def open(self) -> None:
        """Open the camera.

        Raises `BridgeUnavailable` if it is missing, in use, without the mode, or hangs since it was open before.
        """
        self.close()
        if self._grabber is not None:
            raise BridgeUnavailable(f"The camera {self._address} does not answer. Unplug it and plug it in again")
        self._address = find_camera(self._wanted)
        grabber = FrameGrabber(f"The camera {self._address}", partial(open_camera, self._address, self._modes()))
        self._start(grabber)
        grabber.wait_until_open(_OPEN_SECONDS)
        self._last_at = time.monotonic()

    def read(self, timeout: float) -> Frame | None:
        """Wait at most `timeout` seconds for a frame. Return the newest one, or None.

        Raises `BridgeError` if the camera is gone or gives nothing for five seconds.
        """
        if self._grabber is None:
            raise BridgeError(f"The camera {self._wanted} was read before it was open")
        frame = self._next_frame(self._grabber, timeout)
        now = time.monotonic()
        if frame is not None:
            self._last_at = now
        elif now - self._last_at > _STALL_SECONDS:
            raise BridgeError(f"The camera {self._address} gives no frames for {_STALL_SECONDS:.0f} s")
        return frame

    def status(self) -> dict[str, object]:
        """Return the device, the size of its frames, and counts of frames read, dropped and damaged."""
        return {"source": "camera", "device": self._address or self._wanted, **self._counts()}

    def _modes(self) -> list[dict[str, str]]:
        """Return options of the device, in the order in which they are tried."""
        mode = {} if self._size is None else {"video_size": f"{self._size[0]}x{self._size[1]}"}
        if self._fps is not None:
            mode["framerate"] = f"{self._fps:g}"
        elif sys.platform == "darwin":
            return [mode | {"framerate": f"{rate:g}"} for rate in _MAC_RATES]
        if sys.platform == "linux" and self._size is not None:
            # Uncompressed, a large picture has a low rate.
            return [mode | {"input_format": "mjpeg"}, mode]
        return [mode]


def open_camera(address: str, modes: list[dict[str, str]], stopping: threading.Event) -> InputContainer:
    """Open a camera in the first mode that it has. Raises `BridgeUnavailable`."""
    reason: OSError | None = None
    for mode in modes:
        if stopping.is_set():
            break
        try:
            container: InputContainer = av.open(address, format=DEVICE_FORMATS[sys.platform], options=mode)
        except (OSError, av.error.FFmpegError) as error:
            reason = error
            if error.errno == errno.ENOENT or error.errno in _BUSY:
                break
        else:
            return container
    code = reason.errno if reason else None
    if code == errno.ENOENT:
        raise BridgeUnavailable(f"There is no camera {address}. Plug it in") from reason
    if code in _BUSY:
        raise BridgeUnavailable(
            f"The camera {address} cannot be opened: another program has it, or this program may not use cameras"
        ) from reason
    wanted = " at ".join(f"{value}" for key, value in modes[-1].items() if key != "input_format")
    text = f" It may lack the mode {wanted}." if wanted else ""
    raise BridgeUnavailable(f"The camera {address} cannot be opened: {reason and reason.strerror}.{text}") from reason
