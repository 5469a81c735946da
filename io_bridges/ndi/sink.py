"""``ndi:`` sink: every tick to all NDI receivers on the network, under a name and size that stay the same.

The sender announces itself by mDNS and listens on every network of this machine, as NDI does. Naming the sink opens it.
"""

from fractions import Fraction

import numpy as np
from cyndilib.audio_frame import AudioSendFrame
from cyndilib.sender import Sender
from cyndilib.video_frame import VideoSendFrame
from cyndilib.wrapper.ndi_structs import FourCC

from io_bridges.frames import Pixels, RenderedFrame, Tick
from io_bridges.lazy_imports import opencv
from presets.errors import BridgeError, BridgeUnavailable

_OPAQUE = 255


class NdiSink:
    """A sink that is an NDI sender, without alpha."""

    def __init__(self, location: str) -> None:
        """Set the name of the sender. Receivers see it as ``MACHINE (name)``."""
        self._name = location
        self._sender: Sender | None = None
        self._full_name = ""
        self._rgbx: Pixels = np.empty((0, 0, 4), np.uint8)
        self._readers = 0
        self._written = 0

    def open(self, width: int, height: int, fps: float) -> None:
        """Announce the sender. Raises `BridgeUnavailable` if another sender of this machine has its name."""
        self.close()
        video = VideoSendFrame()
        video.set_resolution(width, height)
        video.set_frame_rate(Fraction(fps).limit_denominator(1001))
        video.set_fourcc(FourCC.RGBX)
        sender = Sender(self._name, clock_video=False, clock_audio=False)
        sender.set_video_frame(video)
        # Never sent. Without it cyndilib 0.1.3 crashes the process when the name is taken.
        sender.set_audio_frame(AudioSendFrame())
        try:
            sender.open()
        except MemoryError as error:  # The library's only answer is a null pointer.
            raise BridgeUnavailable(
                f"NDI refuses the sender name {self._name!r}: another sender on this machine has it, or it is too "
                "long. Choose another: ndi:NAME"
            ) from error
        self._full_name = sender.name
        self._rgbx = np.full((height, width, 4), _OPAQUE, np.uint8)
        self._sender = sender

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Send one frame. The library compresses it on a thread of its own."""
        sender = self._sender
        if sender is None:
            raise BridgeError(f"The NDI sender {self._name} was written to before it was open")
        cv2 = opencv()
        cv2.cvtColor(frame.host_pixels(), cv2.COLOR_RGB2RGBA, dst=self._rgbx)
        sender.write_video_async(self._rgbx.reshape(-1))  # It copies the frame first.
        self._readers = sender.get_num_connections(0)
        self._written += 1

    def close(self) -> None:
        """Take the sender off the network."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None
        self._readers = 0

    def status(self) -> dict[str, object]:
        """Return the name that receivers see, the number of receivers and the number of frames sent."""
        return {
            "sink": "ndi",
            "name": self._full_name or self._name,
            "readers": self._readers,
            "pictures": self._written,
        }
