"""The table of URI schemes: every way in and out for pictures, imported only when it is chosen.

A bridge's class is called with what stands between the scheme and the ``?``, and its options as keyword arguments.
Another bridge is another row here.
"""

from dataclasses import dataclass
from typing import Literal

from io_bridges.extras import missing

Kind = Literal["source", "sink"]


@dataclass(frozen=True, slots=True)
class Scheme:
    """One row: a scheme, in or out."""

    name: str
    """What stands before the colon."""
    kind: Kind
    description: str
    example: str
    target: str
    """``module:Class``."""
    place: Literal["none", "required", "optional"]
    """Whether a path or an address stands after the colon."""
    options: tuple[str, ...] = ()
    """Names in `io_bridges.uri.OPTIONS` that the class takes; a sink's ``size`` is the stage's to honour."""
    package: str = ""
    """What it imports that not every installation has, and ..."""
    extra: str = ""
    """... the extra that brings it."""

    def unavailable(self) -> str:
        """Why it can't be opened here and what to do, or an empty string. Nothing is imported."""
        return missing(self.package, self.extra) if self.package else ""


SCHEMES: tuple[Scheme, ...] = (
    Scheme(
        name="card",
        kind="source",
        description="an animated test card without symmetry",
        example="card:?size=640x480&fps=30",
        target="io_bridges.card:CardSource",
        place="none",
        options=("size", "fps"),
    ),
    Scheme(
        name="file",
        kind="source",
        description="a clip in a loop at its own rate, or a still picture",
        example="file:clip.mp4?loop=0",
        target="io_bridges.clip_source:ClipSource",
        place="required",
        options=("loop", "fps"),
        package="av",
        extra="video",
    ),
    Scheme(
        name="none",
        kind="source",
        description="no picture comes in: text-to-image",
        example="none:",
        target="io_bridges.empty:EmptySource",
        place="none",
    ),
    Scheme(
        name="zmq",
        kind="source",
        description="ZeroMQ array messages; senders connect here",
        example="zmq:tcp://127.0.0.1:5555",
        target="io_bridges.zmq_source:BindingZmqSource",
        place="optional",
    ),
    Scheme(
        name="zmq+connect",
        kind="source",
        description="ZeroMQ array messages from a sender that binds (imagezmq too)",
        example="zmq+connect:tcp://127.0.0.1:5556",
        target="io_bridges.zmq_source:ConnectingZmqSource",
        place="required",
    ),
    Scheme(
        name="zmq",
        kind="sink",
        description="ZeroMQ array messages; readers connect here",
        example="zmq:tcp://127.0.0.1:5556",
        target="io_bridges.zmq_sink:BindingZmqSink",
        place="optional",
        options=("size",),
    ),
    Scheme(
        name="zmq+connect",
        kind="sink",
        description="ZeroMQ array messages to a reader that binds",
        example="zmq+connect:tcp://192.168.0.7:5555?size=512x512",
        target="io_bridges.zmq_sink:ConnectingZmqSink",
        place="required",
        options=("size",),
    ),
    Scheme(
        name="png",
        kind="sink",
        description="every distinct picture as a numbered PNG in a folder",
        example="png:frames?every=10&max=2000",
        target="io_bridges.png_folder:PngFolder",
        place="required",
        options=("size", "every", "max"),
    ),
)


def schemes(kind: Kind) -> dict[str, Scheme]:
    """The rows of one kind by scheme."""
    return {scheme.name: scheme for scheme in SCHEMES if scheme.kind == kind}
