"""`PreviewPeers`: the browsers that get the preview over WebRTC, and the pictures for them in shared memory."""

import asyncio
import contextlib
import logging
import secrets
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import numpy as np

from io_bridges.lazy_imports import missing_extra
from io_bridges.shared_memory.ring_writer import RingWriter
from io_bridges.web.preview import WebPreview
from io_bridges.webrtc.messages import PeerReport, PeerRequest
from io_bridges.webrtc.offers import OfferRefused, checked_offer
from io_bridges.webrtc.process import PeerProcess
from presets.errors import BridgeError

MOST_PEERS = 8
"""Browsers at once. Further ones get JPEGs."""
IDLE_SECONDS = 20.0
"""Time without a browser after which the process ends."""
PAUSE_SECONDS = 5.0
"""Time after the end of a process by itself in which none is started."""

log = logging.getLogger("stage.webrtc")

PeerReports = asyncio.Queue[PeerReport]


class PreviewPeers:
    """Offers and their peers. One event loop uses it; the thread of the preview copies the pictures."""

    def __init__(self, preview: WebPreview, is_on: bool = True) -> None:
        """Refuse every offer unless `is_on`. The process starts with the first offer."""
        self._is_on = is_on
        self._numbers = count(1)
        self._peers: dict[int, tuple[PeerProcess, PeerReports]] = {}
        self._process: PeerProcess | None = None
        self._pictures = PeerPictures(preview)
        self._idle: asyncio.TimerHandle | None = None
        self._paused_until = 0.0

    @property
    def open(self) -> int:
        """Number of peers."""
        return len(self._peers)

    def problem(self) -> str:
        """Return a sentence about why no offer is taken; empty if offers are."""
        if not self._is_on:
            return "The show was started with --no-webrtc."
        if reason := missing_extra("aiortc", "webrtc"):
            return reason
        if self.open >= MOST_PEERS:
            return f"{MOST_PEERS} pages get the picture over WebRTC already. This one gets it as JPEGs."
        return ""

    @asynccontextmanager
    async def peer(self, offer: object, address: str) -> AsyncIterator[PeerReports]:
        """Hold a peer, and yield the queue of its reports. Raises `OfferRefused`, or `BridgeError` without a process.

        Args:
            offer: SDP of the browser.
            address: Address of this machine at which the browser has opened the page.
        """
        if problem := self.problem():
            raise OfferRefused(problem)
        sdp = checked_offer(offer)
        process = self._running()
        number, reports = next(self._numbers), PeerReports()
        self._peers[number] = process, reports
        try:
            await asyncio.to_thread(process.send, PeerRequest(number, sdp, address))
            yield reports
        finally:
            del self._peers[number]
            if process is self._process:
                with contextlib.suppress(BridgeError):
                    await asyncio.to_thread(process.send, PeerRequest(number))
            if not self._peers:
                self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_if_idle)

    def restart(self) -> None:
        """End a process that does not answer."""
        log.warning("the process of the preview over WebRTC does not answer; it is ended")
        self.close()

    def close(self) -> None:
        """End the process and remove the memory. May be called twice, on any thread."""
        process, self._process = self._process, None
        if process is not None:
            process.close()
        self._pictures.close()

    def _running(self) -> PeerProcess:
        loop = asyncio.get_running_loop()
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._process is not None and self._pictures.fit():
            return self._process
        if loop.time() < self._paused_until:
            raise OfferRefused("The process of WebRTC has just ended. Try again in some seconds.")
        self.close()
        memory = self._pictures.open()

        def heard(process: PeerProcess, report: PeerReport | None) -> None:
            with contextlib.suppress(RuntimeError):  # "Event loop is closed"
                loop.call_soon_threadsafe(self._take, process, report)

        self._process = PeerProcess(memory, heard)
        return self._process

    def _take(self, process: PeerProcess, report: PeerReport | None) -> None:
        if report is not None:
            if report.number in self._peers:
                self._peers[report.number][1].put_nowait(report)
            return
        if process is self._process:
            log.warning("the preview's process of WebRTC ended with %s; pages get JPEGs", process.ending())
            self._paused_until = asyncio.get_running_loop().time() + PAUSE_SECONDS
            self.close()
        for number, (owner, reports) in self._peers.items():
            if owner is process:
                reports.put_nowait(PeerReport(number, "ended", "The process of WebRTC has ended."))

    def _end_if_idle(self) -> None:
        self._idle = None
        if not self._peers:
            self.close()


class PeerPictures:
    """Copies the preview's pictures into shared memory. `open` and `close` on any thread, the copies on the sink's."""

    def __init__(self, preview: WebPreview) -> None:
        """Nothing is copied before `open`."""
        self._preview = preview
        self._lock = threading.Lock()
        self._writer: RingWriter | None = None
        self._shape: tuple[int, ...] = ()

    def open(self) -> str:
        """Begin to copy. Return the name of the memory. Raises `OfferRefused` before the first picture."""
        frame = self._preview.newest()
        if frame is None:
            raise OfferRefused("There is no picture yet. Try again in a moment.")
        name = f"webrtc-{secrets.token_hex(8)}"
        self._shape = frame.pixels.shape
        with self._lock:
            self._writer = RingWriter(name, self._shape[1], self._shape[0])
        self._preview.watch(self._copy)
        self._copy()
        return name

    def fit(self) -> bool:
        """Return True if the newest picture has the size of the memory."""
        frame = self._preview.newest()
        return frame is not None and frame.pixels.shape == self._shape

    def close(self) -> None:
        """Stop copying and remove the memory."""
        self._preview.unwatch(self._copy)
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.close()

    def _copy(self) -> None:
        frame = self._preview.newest()
        with self._lock:  # the memory must not go away under the copy
            if self._writer is not None and frame is not None and frame.pixels.shape == self._shape:
                self._writer.write(np.ascontiguousarray(frame.host_pixels()), frame.index, frame.captured_at)
