"""The WebSocket ``/ws/input``: the frames that the model redraws, as small JPEGs, while a page shows them."""

import asyncio
from collections.abc import Callable

from starlette.websockets import WebSocket

from io_bridges.frames import Pixels
from io_bridges.pixels import bounded, jpeg
from io_bridges.web.sockets import messages_of, run_until_gone

PICTURES_PER_SECOND = 10
"""Most pictures a second. They are for comparing, and the output has the processor."""
LONGEST = 480
"""Most pixels of a side."""


class InputPreview:
    """JPEG of the newest frame, made once for all pages and only when one asks. For the web thread."""

    def __init__(self, newest: Callable[[], Pixels | None]) -> None:
        """`newest` returns the newest frame, uint8 ``[H, W, 3 or 4]``, or None before the first."""
        self._newest = newest
        self._pixels: Pixels | None = None
        self._jpeg = b""

    def picture(self) -> bytes | None:
        """Return the newest frame as a JPEG; None before the first. The same frame gives the same object."""
        pixels = self._newest()
        if pixels is None:
            return None
        if pixels is not self._pixels:
            self._jpeg = jpeg(bounded(pixels, LONGEST)[..., :3])
            self._pixels = pixels
        return self._jpeg


async def send_input(socket: WebSocket, preview: InputPreview) -> None:
    """Send frames over an accepted `socket` until the page is gone. Any message from the page asks for the next."""
    page_ready = asyncio.Event()
    page_ready.set()
    await run_until_gone(_receive(socket, page_ready), _send(socket, preview, page_ready))


async def _receive(socket: WebSocket, page_ready: asyncio.Event) -> None:
    async for _ in messages_of(socket):
        page_ready.set()


async def _send(socket: WebSocket, preview: InputPreview, page_ready: asyncio.Event) -> None:
    sent: bytes | None = None
    while True:
        await page_ready.wait()
        picture = preview.picture()
        if picture is not None and picture is not sent:
            page_ready.clear()
            await socket.send_bytes(picture)
            sent = picture
        await asyncio.sleep(1 / PICTURES_PER_SECOND)
