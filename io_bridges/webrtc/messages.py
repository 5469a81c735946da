"""Messages between the stage and the process of WebRTC: `PeerRequest` lines to it, `PeerReport` lines from it."""

import json
from dataclasses import asdict, dataclass
from typing import Literal, get_args

PeerState = Literal["answered", "connected", "refused", "ended"]


@dataclass(frozen=True, slots=True)
class PeerRequest:
    """The offer of a browser, or the end of it."""

    number: int
    """Number of the peer, chosen by the stage."""
    sdp: str = ""
    """Checked offer; empty to end the peer."""
    address: str = ""
    """Address of this machine at which the browser has opened the page."""

    def encode(self) -> bytes:
        """Return the request as a line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> "PeerRequest":
        """Return the request that `encode` wrote."""
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True)
class PeerReport:
    """State of a peer."""

    number: int
    state: PeerState
    """``refused`` and ``ended`` are the last report of a peer."""
    text: str = ""
    """Answer to the offer, or a sentence about a peer that was refused or has ended."""

    def encode(self) -> bytes:
        """Return the report as a line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> "PeerReport | None":
        """Return the report in a line, or None for the words of a native library."""
        try:
            report = cls(**json.loads(line))
        except (ValueError, TypeError):
            return None
        return report if report.state in get_args(PeerState) else None
