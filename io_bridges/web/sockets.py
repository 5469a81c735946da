"""What the page's two WebSockets share: waking the web thread from another, and ending when the page has gone."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState


def waker(event: asyncio.Event) -> Callable[[], None]:
    """A function that sets `event` of the running loop from any thread, and does nothing once the loop has ended."""
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # "Event loop is closed": nobody is left to be woken
            loop.call_soon_threadsafe(event.set)

    return wake


async def send_text(socket: WebSocket, text: str) -> None:
    """Send, waiting while the page does not read. Raises `WebSocketDisconnect` if it has gone."""
    if socket.application_state is not WebSocketState.CONNECTED:
        raise WebSocketDisconnect(1006)
    await socket.send_text(text)


async def until_gone(*coroutines: Coroutine[None, None, None]) -> None:
    """Run both sides of a conversation until one ends or the page goes."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        with contextlib.suppress(WebSocketDisconnect):
            task.result()
