"""`PacketTrack`: encoded pictures for one peer, in a queue that is emptied when it is full."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.packet import Packet

MOST_PACKETS = 8
"""Pictures that wait for a sender."""


class PacketTrack(MediaStreamTrack):
    """A track of pictures that are encoded once for all peers.

    A picture builds on the one before it. So after a loss nothing is sent until a picture that stands alone.
    """

    kind = "video"

    def __init__(self, want_whole: Callable[[], None]) -> None:
        """`want_whole` asks for a picture that stands alone."""
        super().__init__()
        self._want_whole = want_whole
        self._packets: asyncio.Queue[Packet[Any]] = asyncio.Queue(MOST_PACKETS)
        self._waits = True

    def put(self, packet: "Packet[Any]") -> None:
        """Add the newest picture. A full queue is emptied."""
        if self._packets.full():
            while not self._packets.empty():
                self._packets.get_nowait()
            self._waits = True
        if self._waits and not packet.is_keyframe:
            self._want_whole()
            return
        self._waits = False
        self._packets.put_nowait(packet)

    async def recv(self) -> "Packet[Any]":
        """Return the next picture. Raises `MediaStreamError` after the end."""
        if self.readyState != "live":
            raise MediaStreamError
        return await self._packets.get()
