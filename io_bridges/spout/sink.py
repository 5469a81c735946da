"""``spout:`` sink: every tick as a Spout sender. Written against SpoutGL, untested on hardware."""

import contextlib

import numpy as np

from io_bridges.frames import Pixels, RenderedFrame, Tick
from io_bridges.lazy_imports import opencv
from io_bridges.spout.api import GL_RGBA, SpoutSending, bind_context, check_name, load_spout, spout_errors
from presets.errors import BridgeError, BridgeUnavailable


class SpoutSink:
    """A sender whose name and size stay as they are: Resolume binds a clip to both."""

    def __init__(self, location: str, flip: bool = False) -> None:
        """Set the sender's name. `flip` turns the pictures upside down."""
        self._name = check_name(location)
        self._flip = flip
        self._sender: SpoutSending | None = None
        self._rgba: Pixels = np.empty((0, 0, 4), np.uint8)
        self._named = False
        self._written = 0

    def open(self, width: int, height: int, fps: float) -> None:
        """Bind an OpenGL context to this thread and take the name.

        Raises `BridgeUnavailable`: Spout can't run here, or another sender has the name.
        """
        self.close()
        sender = load_spout().SpoutSender()
        bind_context(sender)
        self._sender = sender
        with spout_errors():
            running = sender.getSenderInfo(self._name)
            if running is not None:
                raise BridgeUnavailable(
                    f"A Spout sender named {self._name!r} is running ({running.width}x{running.height}). "
                    "Close it, or choose another name"
                )
            # The name of a crashed sender stays in the list: the first call gives us another one and removes it.
            sender.setSenderName(self._name)
            sender.setSenderName(self._name)
        self._named = False
        self._rgba = np.empty((height, width, 4), np.uint8)

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Send one picture, opaque. Raises `BridgeError` if Spout does not take it."""
        sender = self._sender
        if sender is None:
            raise BridgeError(f"spout:{self._name} was written to before it was open")
        cv2 = opencv()
        cv2.cvtColor(frame.host_pixels(), cv2.COLOR_RGB2RGBA, dst=self._rgba)
        height, width = self._rgba.shape[:2]
        with spout_errors():
            if not sender.sendImage(self._rgba, width, height, GL_RGBA, self._flip, 0):
                raise BridgeError(
                    "Spout did not take the picture. On a laptop with two GPUs, use one for both programs"
                )
            sender.setFrameSync(self._name)
            if not self._named:
                self._check_name(sender)
        self._written += 1

    def close(self) -> None:
        """Close the sender and its context, on the thread that opened them."""
        sender, self._sender = self._sender, None
        if sender is not None:
            with contextlib.suppress(BridgeError), spout_errors():
                sender.releaseSender()
                sender.closeOpenGL()

    def status(self) -> dict[str, object]:
        """Return the name, the size and the number of pictures sent."""
        height, width = self._rgba.shape[:2]
        return {"sink": "spout", "name": self._name, "size": f"{width}x{height}", "pictures": self._written}

    def _check_name(self, sender: SpoutSending) -> None:
        """Raise `BridgeError` if the sender runs under another name: two programs took it at the same moment."""
        if sender.getSenderInfo(self._name) is None:
            raise BridgeError(f"Spout gave the sender another name than {self._name!r}. Choose another name")
        self._named = True
