"""``stream:`` source: the newest frame of a network stream: RTSP, RTMP, HLS, MPEG-TS, MJPEG over HTTP."""

import threading
import time

import av
from av.container.input import InputContainer
from av.video.frame import VideoFrame

from io_bridges.capture.grabbed_source import GrabbedSource
from io_bridges.capture.grabber import FrameGrabber
from io_bridges.capture.stream_protocols import is_paced, stream_protocol
from io_bridges.frames import Frame
from io_bridges.scheme import without_password
from presets.errors import BridgeError, BridgeUnavailable

_ANALYSIS_MICROSECONDS = "1000000"
_LISTEN_SECONDS = 10.0
_JUMP_SECONDS = 10.0
"""Largest step of a stream's time that is waited for."""


class StreamSource(GrabbedSource):
    """A source that plays a network stream. A stream that is lost is opened again."""

    def __init__(self, location: str, transport: str = "tcp", listen: bool = False) -> None:
        """Set the address. `transport` is how RTSP sends frames; with `listen` a sender connects to this machine.

        Raises `SettingsError` for what is not a stream's address.
        """
        super().__init__()
        self._protocol = stream_protocol(location)
        self._address = location
        self._name = f"The stream {without_password(location)}"
        self._transport = transport
        self._listen = listen
        self._pace = _Pace()

    def open(self) -> None:
        """Start to connect. A stream that cannot be opened is reported by `read`."""
        self.close()
        if self._grabber is not None:
            raise BridgeUnavailable(f"{self._name} is still being closed")
        self._pace = _Pace()
        self._start(FrameGrabber(self._name, self._connect, self._pace.until_due))

    def read(self, timeout: float) -> Frame | None:
        """Wait at most `timeout` seconds for a frame. Return the newest one, or None.

        Raises `BridgeError` if the stream cannot be opened, has ended, or does not answer.
        """
        if self._grabber is None:
            raise BridgeError(f"{self._name} was read before it was open")
        return self._next_frame(self._grabber, timeout)

    def status(self) -> dict[str, object]:
        """Return the address without its password, the size, and counts of frames read, dropped and damaged."""
        return {"source": "stream", "address": without_password(self._address), **self._counts()}

    def _connect(self, stopping: threading.Event) -> InputContainer:
        """Open the stream, for the grabber's thread. Raises `BridgeError`."""
        while not stopping.is_set():
            try:
                container: InputContainer = av.open(self._address, options=self._options(), timeout=self._timeouts())
            except av.error.ExitError as error:
                if self._listen:  # Nobody has connected yet.
                    continue
                raise BridgeError(f"{self._name} does not answer within {self._protocol.patience:.0f} s") from error
            except av.error.ProtocolNotFoundError as error:
                kind = self._address.partition(":")[0]
                raise BridgeError(f"{self._name}: this build of FFmpeg does not speak {kind}") from error
            except (OSError, av.error.FFmpegError) as error:
                raise BridgeError(f"{self._name} cannot be opened: {error.strerror}") from error
            self._pace.is_needed = is_paced(container.format.name, container.duration)
            return container
        raise BridgeError(f"{self._name} is closed")

    def _timeouts(self) -> tuple[float, float]:
        return (_LISTEN_SECONDS if self._listen else self._protocol.patience, self._protocol.patience)

    def _options(self) -> dict[str, str]:
        options = {
            "protocol_whitelist": self._protocol.protocols,
            "format_whitelist": self._protocol.formats,
            "analyzeduration": _ANALYSIS_MICROSECONDS,
            "rtsp_transport": self._transport,
        }
        if self._listen:
            options["listen"] = "1"
        return options | dict(self._protocol.options)


class _Pace:
    """The clock of a stream that comes faster than it is shown. A late frame moves the clock."""

    def __init__(self) -> None:
        self.is_needed = False
        self._start: float | None = None

    def until_due(self, frame: VideoFrame, stopping: threading.Event) -> bool:
        """Wait until the frame shall be shown. Return True if it came early."""
        if not self.is_needed or frame.time is None:
            return False
        now = time.monotonic()
        if self._start is None:
            self._start = now - frame.time
        early = self._start + frame.time - now
        if not 0 < early < _JUMP_SECONDS:
            self._start = now - frame.time
            return False
        stopping.wait(early)
        return True
