"""The WebSocket ``/ws/picture``: one JPEG, then nothing until the page reports that it has drawn it.

A slow page gets fewer pictures, each the newest of its time, and no queue can grow. A page in a hidden tab draws
nothing, reports nothing, and costs nothing. The preview says when the next picture is due: the more pages there are and
the more a picture costs, the later.
"""

import asyncio
import time

from starlette.websockets import WebSocket

from io_bridges.web.preview import WebPreview
from io_bridges.web.sockets import run_until_gone, waker


async def send_pictures(socket: WebSocket, preview: WebPreview) -> None:
    """Send pictures over an accepted `socket` until the page is gone. Any message from the page asks for the next."""
    new_picture, page_ready = asyncio.Event(), asyncio.Event()
    new_picture.set()
    page_ready.set()
    wake = waker(new_picture)
    preview.watch(wake)
    try:
        await run_until_gone(_receive(socket, page_ready), _send(socket, preview, new_picture, page_ready))
    finally:
        preview.unwatch(wake)


async def _receive(socket: WebSocket, page_ready: asyncio.Event) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        page_ready.set()


async def _send(socket: WebSocket, preview: WebPreview, new_picture: asyncio.Event, page_ready: asyncio.Event) -> None:
    sent = 0
    while True:
        await page_ready.wait()
        await new_picture.wait()
        new_picture.clear()
        picture = preview.paced()
        if picture is not None and picture.version == sent and not preview.is_newest(picture):
            await asyncio.sleep(preview.wait())
            picture = preview.paced()
        if picture is None or picture.version == sent:
            continue
        sent = picture.version
        page_ready.clear()
        began = time.thread_time()
        await socket.send_bytes(picture.data)
        preview.pace.sent(time.thread_time() - began)
        if not preview.is_newest(picture):
            new_picture.set()
