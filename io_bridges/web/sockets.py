"""Functions that the page's two WebSockets share: the limit of open ones, wake-ups across threads, the end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from typing import Generic, TypeVar

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from io_bridges.show_control import ControlReply, LateReplies, with_outcome

TRY_AGAIN_LATER = 1013
"""WebSocket close code for a socket above the limit."""


class SocketLimit:
    """Number of open WebSockets of one kind, and the most that are accepted."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.open = 0

    async def run(self, socket: WebSocket, conversation: Callable[[], Awaitable[None]]) -> None:
        """Accept the socket and run the conversation, or close the socket if the limit is reached."""
        if self.open >= self.most:
            await socket.close(TRY_AGAIN_LATER)
            return
        self.open += 1
        try:
            await socket.accept()
            await conversation()
        finally:
            self.open -= 1


def waker(event: asyncio.Event) -> Callable[[], None]:
    """Return a function that sets `event` from any thread. It does nothing after the running loop has ended."""
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # "Event loop is closed"
            loop.call_soon_threadsafe(event.set)

    return wake


T = TypeVar("T")


class LoopReceiver(Generic[T]):
    """A future of the running event loop whose value comes from another thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()

    def take(self, value: T) -> None:
        """Set the value. Any thread may call it; after the end of the loop it does nothing."""
        with contextlib.suppress(RuntimeError):  # "Event loop is closed"
            self._loop.call_soon_threadsafe(self._put, value)

    def _put(self, value: T) -> None:
        if not self.future.done():  # the client may be gone
            self.future.set_result(value)


async def messages_of(socket: WebSocket) -> AsyncIterator[Message]:
    """Yield the messages of a client until it is gone. All others get their turn after each one."""
    while (message := await socket.receive())["type"] != "websocket.disconnect":
        yield message
        await asyncio.sleep(0)  # neither `receive` nor `send` waits in a flood


async def send_text(socket: WebSocket, text: str) -> None:
    """Send, waiting while the client does not read. Raises `WebSocketDisconnect` if it is gone."""
    _check_open(socket)
    await socket.send_text(text)


async def send_bytes(socket: WebSocket, data: bytes) -> None:
    """Send, waiting while the client does not read. Raises `WebSocketDisconnect` if it is gone."""
    _check_open(socket)
    await socket.send_bytes(data)


def _check_open(socket: WebSocket) -> None:
    # Starlette raises an error of its own after another task has found the client gone.
    if socket.application_state is not WebSocketState.CONNECTED:
        raise WebSocketDisconnect(1006)


async def run_until_gone(*coroutines: Coroutine[None, None, None]) -> None:
    """Run both directions of a conversation until one of them ends or the page is gone."""
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


async def outcome(replies: Mapping[str, ControlReply], late: LateReplies) -> Mapping[str, ControlReply]:
    """Return the replies once none is pending."""
    receiver = LoopReceiver[Mapping[str, ControlReply]]()
    return (
        with_outcome(replies, await receiver.future) if late.when_complete(replies.values(), receiver.take) else replies
    )
