"""`Peers`: the browsers that get the preview, as connections of aiortc."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

from aioice import ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from av.packet import Packet

from io_bridges.webrtc.messages import PeerReport, PeerRequest
from io_bridges.webrtc.packet_track import PacketTrack

_page_address: ContextVar[str] = ContextVar("page_address")


def use_page_address() -> None:
    """Let aioice open its ports at the page's address alone.

    Its own list has the addresses of every network of this machine, and leaves out loopback.
    """
    ice.get_host_addresses = lambda use_ipv4, use_ipv6: [_page_address.get()]


class Peer:
    """One browser."""

    def __init__(self, number: int, want_whole: Callable[[], None], changed: Callable[["Peer"], None]) -> None:
        """`changed` is called when the state of the connection has changed."""
        self.number = number
        self.is_over = False
        self.since = time.monotonic()
        # Without servers of its own it asks none of aiortc's.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._track = PacketTrack(want_whole)
        self._connection.on("connectionstatechange", lambda: changed(self))

    @property
    def state(self) -> str:
        """State of the connection, as WebRTC names it."""
        return self._connection.connectionState

    async def answer(self, offer: str, address: str) -> str:
        """Return the answer to an offer, with one port at `address`. aiortc raises all kinds of errors."""
        _page_address.set(address)
        transceiver = self._connection.addTransceiver(self._track, direction="sendonly")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([each for each in codecs if each.mimeType in ("video/VP8", "video/rtx")])
        await self._connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self._connection.setLocalDescription()
        return self._connection.localDescription.sdp

    def put(self, packet: "Packet[Any]") -> None:
        """Send a picture if the browser is connected."""
        if self.state == "connected":
            self._track.put(packet)

    async def close(self) -> None:
        """Close the connection and its port."""
        self.is_over = True
        await self._connection.close()


class Peers:
    """All browsers. One event loop uses it."""

    def __init__(
        self,
        report: Callable[[PeerReport], None],
        want_whole: Callable[[], None],
        watched: Callable[[bool], None],
        patience: float,
    ) -> None:
        """Set what is told.

        Args:
            report: Gets what becomes of each peer.
            want_whole: Asks for a picture that stands alone.
            watched: Gets whether any browser is connected.
            patience: Seconds that a browser may take to connect after the answer.
        """
        self._report = report
        self._want_whole = want_whole
        self._watched = watched
        self._patience = patience
        self._peers: dict[int, Peer] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, request: PeerRequest) -> None:
        """Answer an offer, or end a peer."""
        if request.sdp:
            peer = self._peers[request.number] = Peer(request.number, self._want_whole, self._changed)
            self._begin(self._answer(peer, request))
        elif request.number in self._peers:
            self._end(self._peers[request.number], "ended", "The page has ended it.")

    def deliver(self, packet: "Packet[Any]") -> None:
        """Send a picture to every browser that is connected."""
        for peer in self._peers.values():
            peer.put(packet)

    def look(self) -> None:
        """End the peers that take too long to connect."""
        due = time.monotonic() - self._patience
        for peer in [*self._peers.values()]:
            if peer.state != "connected" and peer.since < due:
                self._end(peer, "ended", f"The browser has not connected within {self._patience:.0f} s.")

    async def _answer(self, peer: Peer, request: PeerRequest) -> None:
        (answer,) = await asyncio.gather(peer.answer(request.sdp, request.address), return_exceptions=True)
        if peer.is_over:
            return
        if isinstance(answer, BaseException):
            self._end(peer, "refused", f"The offer can't be answered: {type(answer).__name__}: {answer}"[:300])
        elif not _is_at(answer, request.address):
            self._end(peer, "refused", f"No port can be opened at {request.address}.")
        else:
            self._report(PeerReport(peer.number, "answered", answer))

    def _changed(self, peer: Peer) -> None:
        if peer.state == "connected":
            self._report(PeerReport(peer.number, "connected"))
            self._want_whole()
        elif peer.state in ("failed", "closed"):
            self._end(peer, "ended", "The connection is lost.")
        self._tell_watched()

    def _end(self, peer: Peer, state: str, text: str) -> None:
        if self._peers.pop(peer.number, None) is None:
            return
        self._report(PeerReport(peer.number, "refused" if state == "refused" else "ended", text))
        self._tell_watched()
        self._begin(peer.close())

    def _tell_watched(self) -> None:
        self._watched(any(peer.state == "connected" for peer in self._peers.values()))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # the loop holds tasks weakly
        task.add_done_callback(self._tasks.discard)


def _is_at(answer: str, address: str) -> bool:
    """Return True if an answer names ports at this address, and at no other one."""
    hosts = {line.split()[4] for line in answer.splitlines() if line.startswith("a=candidate:")}
    return hosts == {address}
