"""The table of URI schemes: one row for each source and sink, and the options that they take.

To add a bridge, add a row to `SCHEMES`. `io_bridges.bridges` says what the class must look like.
"""

from io_bridges.scheme import Kind, Scheme

SCHEMES: tuple[Scheme, ...] = (
    Scheme(
        name="card",
        kind="source",
        description="an animated test card without symmetry",
        example="card:?size=640x480&fps=30",
        target="io_bridges.builtin_sources:CardSource",
        location="none",
        options=("size", "fps"),
    ),
    Scheme(
        name="file",
        kind="source",
        description="a clip, looped at its own rate, or a still image",
        example="file:clip.mp4?loop=0",
        target="io_bridges.clip_source:ClipSource",
        location="path",
        options=("loop", "fps"),
        package="av",
        extra="video",
    ),
    Scheme(
        name="none",
        kind="source",
        description="no frames: text-to-image",
        example="none:",
        target="io_bridges.builtin_sources:EmptySource",
        location="none",
    ),
    Scheme(
        name="zmq",
        kind="source",
        description="ZeroMQ array messages; senders connect here",
        example="zmq:tcp://127.0.0.1:5555",
        target="io_bridges.zmq_source:BindingZmqSource",
        location="bind",
        default="tcp://127.0.0.1:5555",
    ),
    Scheme(
        name="zmq+connect",
        kind="source",
        description="ZeroMQ array messages from a sender that binds, such as imagezmq",
        example="zmq+connect:tcp://127.0.0.1:5556",
        target="io_bridges.zmq_source:ConnectingZmqSource",
        location="connect",
    ),
    Scheme(
        name="shm",
        kind="source",
        description="shared memory of a program on this machine, also in TouchDesigner's layout",
        example="shm:visuals",
        target="io_bridges.shared_memory.source:SharedMemorySource",
        location="name",
        options=("format", "flip"),
    ),
    Scheme(
        name="spout",
        kind="source",
        description="a texture of a Spout sender, of the active one without a name (untested on hardware)",
        example="spout:TDSyphonSpoutOut",
        target="io_bridges.spout.source:SpoutSource",
        location="name",
        unnamed="the active sender",
        options=("flip",),
        package="SpoutGL",
        extra="spout",
        system="win32",
        python_below=(3, 14),
        finder="io_bridges.spout.source:available",
    ),
    Scheme(
        name="zmq",
        kind="sink",
        description="ZeroMQ array messages; receivers connect here",
        example="zmq:tcp://127.0.0.1:5556",
        target="io_bridges.zmq_sink:BindingZmqSink",
        location="bind",
        default="tcp://127.0.0.1:5556",
    ),
    Scheme(
        name="zmq+connect",
        kind="sink",
        description="ZeroMQ array messages to a receiver that binds",
        example="zmq+connect:tcp://192.168.0.7:5555?size=512x512",
        target="io_bridges.zmq_sink:ConnectingZmqSink",
        location="connect",
    ),
    Scheme(
        name="shm",
        kind="sink",
        description="shared memory for programs on this machine, also in TouchDesigner's layout",
        example="shm:visuals?format=touchdesigner",
        target="io_bridges.shared_memory.sink:SharedMemorySink",
        location="name",
        options=("format", "flip"),
    ),
    Scheme(
        name="spout",
        kind="sink",
        description="a Spout sender (untested on hardware)",
        example="spout:streamflow",
        target="io_bridges.spout.sink:SpoutSink",
        location="name",
        options=("flip",),
        package="SpoutGL",
        extra="spout",
        system="win32",
        python_below=(3, 14),
    ),
    Scheme(
        name="png",
        kind="sink",
        description="every distinct frame as a numbered PNG in a folder",
        example="png:frames?every=10&max=2000",
        target="io_bridges.png_folder:PngFolder",
        location="path",
        options=("every", "max"),
    ),
)


def schemes(kind: Kind) -> dict[str, Scheme]:
    """Return the rows of one kind by name."""
    return {scheme.name: scheme for scheme in SCHEMES if scheme.kind == kind}
