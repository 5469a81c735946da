"""The live picture's WebSocket, ``/ws/picture``: one JPEG, then nothing until the page says that it has drawn it.

A slow page so gets fewer pictures, each the newest of its moment, and no queue can grow. A page in a hidden tab draws
nothing, says nothing, and costs nothing.
"""

import asyncio

from starlette.websockets import WebSocket

from io_bridges.web.preview import WebPreview
from io_bridges.web.sockets import until_gone, waker

PICTURES_A_SECOND = 30


async def show(socket: WebSocket, preview: WebPreview) -> None:
    """Send pictures over an accepted `socket` until the page goes. Any message from the page asks for the next."""
    fresh, drawn = asyncio.Event(), asyncio.Event()
    fresh.set()
    drawn.set()
    wake = waker(fresh)
    preview.watch(wake)
    try:
        await until_gone(_listen(socket, drawn), _send(socket, preview, fresh, drawn))
    finally:
        preview.unwatch(wake)


async def _listen(socket: WebSocket, drawn: asyncio.Event) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        drawn.set()


async def _send(socket: WebSocket, preview: WebPreview, fresh: asyncio.Event, drawn: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    seen = 0
    # A tenth of slack: an output of exactly this rate must not lose every second picture to jitter.
    period = 0.9 / PICTURES_A_SECOND
    while True:
        await drawn.wait()
        await fresh.wait()
        fresh.clear()
        picture = preview.live()
        if picture is None or picture.version == seen:
            continue
        seen = picture.version
        drawn.clear()
        due = loop.time() + period
        await socket.send_bytes(picture.data)
        await asyncio.sleep(due - loop.time())
