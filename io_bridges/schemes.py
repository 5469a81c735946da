"""The table of URI schemes: one row for each source and sink, and the options that they take.

To add a source, add a row to `SOURCES`; to add a sink, add one to `io_bridges.sink_schemes.SINKS`. `io_bridges.bridges`
says what the class must look like.
"""

import sys

from io_bridges.scheme import Kind, Scheme
from io_bridges.sink_schemes import SINKS

SOURCES: tuple[Scheme, ...] = (
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
        description="a clip, looped at its own rate, a still image, a folder of pictures or a numbered sequence",
        example="file:clip.mp4?loop=0",
        target="io_bridges.clip_source:ClipSource",
        location="path",
        options=("loop", "fps", "matte", "alpha"),
        package="av",
        extra="video",
    ),
    Scheme(
        name="folder",
        kind="source",
        description="the pictures of a folder, in a loop, while files come and go",
        example="folder:pictures?fps=0.5",
        target="io_bridges.clip_source:FolderSource",
        location="path",
        options=("loop", "fps", "matte", "alpha"),
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
        example="zmq:tcp://127.0.0.1:5555?socket=rep",
        target="io_bridges.zmq_source:BindingZmqSource",
        options=("socket", "alpha"),
        location="bind",
        default="tcp://127.0.0.1:5555",
    ),
    Scheme(
        name="zmq+connect",
        kind="source",
        description="ZeroMQ array messages from a sender that binds, such as imagezmq",
        example="zmq+connect:tcp://127.0.0.1:5556",
        target="io_bridges.zmq_source:ConnectingZmqSource",
        options=("socket", "alpha"),
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
        # Windows and macOS do not list their segments.
        finder="io_bridges.shared_memory.listing:available" if sys.platform == "linux" else "",
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
        name="ndi",
        kind="source",
        description="an NDI sender on the network, by its name",
        example="ndi:STAGE-PC (Resolume)",
        target="io_bridges.ndi.source:NdiSource",
        location="name",
        package="cyndilib",
        extra="ndi",
        finder="io_bridges.ndi.names:available",
    ),
    Scheme(
        name="syphon",
        kind="source",
        description="a texture of a Syphon server, of the first one without a name (untested on hardware)",
        example="syphon:Arena - Composition",
        target="io_bridges.syphon.source:SyphonSource",
        location="name",
        unnamed="the first server",
        options=("flip",),
        package="syphon",
        extra="syphon",
        system="darwin",
        finder="io_bridges.syphon.source:available",
    ),
    Scheme(
        name="camera",
        kind="source",
        description="a camera by number, name or device (untested on hardware)",
        example="camera:0?size=1280x720&fps=30",
        target="io_bridges.capture.camera:CameraSource",
        location="device",
        unnamed="the first camera",
        options=("size", "fps"),
        package="av",
        extra="video",
        finder="io_bridges.capture.camera_devices:available",
    ),
    Scheme(
        name="stream",
        kind="source",
        description="a network stream: RTSP, RTMP, HLS, MPEG-TS, MJPEG over HTTP",
        example="stream:rtsp://192.168.0.20/live?transport=udp",
        target="io_bridges.capture.network_stream:StreamSource",
        location="url",
        options=("transport", "listen"),
        package="av",
        extra="video",
    ),
    Scheme(
        name="screen",
        kind="source",
        description="a monitor, or a region of one",
        example="screen:1?region=640x480+100+50",
        target="io_bridges.screen:ScreenSource",
        location="device",
        unnamed="the first monitor",
        options=("region", "fps"),
        package="mss",
        extra="screen",
        finder="io_bridges.screen:available",
    ),
)

SCHEMES = (*SOURCES, *SINKS)


def schemes(kind: Kind) -> dict[str, Scheme]:
    """Return the rows of one kind by name."""
    return {scheme.name: scheme for scheme in SCHEMES if scheme.kind == kind}
