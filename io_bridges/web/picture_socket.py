"""The WebSocket ``/ws/picture``: one JPEG, then nothing until the page reports that it has drawn it.

A slow page gets fewer pictures, each the newest of its time, and no queue can grow. A page in a hidden tab draws
nothing, reports nothing, and costs nothing.
"""

import asyncio

from starlette.websockets import WebSocket

from io_bridges.web.preview import WebPreview
from io_bridges.web.sockets import run_until_gone, waker

PICTURES_PER_SECOND = 30
"""Most pictures a second that one page gets."""


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
    loop = asyncio.get_running_loop()
    sent = 0
    # With the full period, jitter would drop every second picture of an output at exactly this rate.
    period = 0.9 / PICTURES_PER_SECOND
    while True:
        await page_ready.wait()
        await new_picture.wait()
        new_picture.clear()
        picture = preview.live()
        if picture is None or picture.version == sent:
            continue
        sent = picture.version
        page_ready.clear()
        due = loop.time() + period
        await socket.send_bytes(picture.data)
        await asyncio.sleep(due - loop.time())
