"""Protocols of network streams, and the limits that FFmpeg opens each with.

A playlist or a redirection comes from the other host. It may name only the protocols of the address's own kind, and
only media formats, so that it can never open a file of this machine.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from io_bridges.scheme import without_password
from presets.errors import SettingsError

_MEDIA = "mpegts,hls,dash,flv,live_flv,mpjpeg,mjpeg,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,avi,h264,hevc,ivf"
_PLAYLISTS = frozenset({"hls", "dash"})


@dataclass(frozen=True, slots=True)
class StreamProtocol:
    """One kind of address."""

    protocols: str
    """Protocols that FFmpeg may use for it, separated by commas."""
    formats: str
    """Formats that it may contain."""
    patience: float = 5.0
    """Seconds without an answer before the stream counts as lost."""
    options: tuple[tuple[str, str], ...] = ()
    """Further options of FFmpeg."""


_HTTP = StreamProtocol("http,https,httpproxy,tcp,tls,crypto", _MEDIA, patience=12.0)  # Segments come every few seconds.
_RTSP = StreamProtocol("rtsp,rtsps,rtp,srtp,udp,tcp,tls,crypto", "rtsp,rtp,sdp,mpegts")
_RTMP = StreamProtocol("rtmp,rtmps,tcp,tls,crypto", "flv,live_flv")
_UDP = StreamProtocol("udp", "mpegts", options=(("overrun_nonfatal", "1"), ("fifo_size", "50000")))
PROTOCOLS: Mapping[str, StreamProtocol] = MappingProxyType(
    {
        "http": _HTTP,
        "https": _HTTP,
        "rtsp": _RTSP,
        "rtsps": _RTSP,
        "rtmp": _RTMP,
        "rtmps": _RTMP,
        "srt": StreamProtocol("srt,udp", "mpegts"),
        "udp": _UDP,
        "tcp": StreamProtocol("tcp", _MEDIA),
    }
)
"""Protocols that `stream:` opens, by the scheme of the address."""

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(\S+)", re.DOTALL)


def stream_protocol(address: str) -> StreamProtocol:
    """Return the protocol of an address such as ``rtsp://host/path``. Raises `SettingsError` for any other."""
    found = _ADDRESS.fullmatch(address)
    protocol = PROTOCOLS.get(found[1].lower()) if found else None
    if protocol is None:
        known = ", ".join(f"{name}://" for name in PROTOCOLS)
        raise SettingsError(f"stream:{without_password(address)} is not a stream's address. It starts with {known}")
    return protocol


def is_paced(format_name: str, duration: int | None) -> bool:
    """Return True for a stream that comes faster than it is shown: a playlist's segments, or a whole clip."""
    return bool(duration) or format_name in _PLAYLISTS
