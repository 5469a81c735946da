"""Messages of a WebSocket: a client that floods leaves the others their turn, one that is gone is no fault."""

import asyncio
from typing import cast

import pytest
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from io_bridges.web.sockets import messages_of, send_bytes, send_text


class FloodedSocket:
    """A socket that always has a message waiting, so that `receive` never waits."""

    def __init__(self, messages: int) -> None:
        self.left = messages

    async def receive(self) -> Message:
        self.left -= 1
        return {"type": "websocket.receive" if self.left >= 0 else "websocket.disconnect"}


def test_others_get_their_turn() -> None:
    order: list[str] = []

    async def read(name: str) -> None:
        async for _ in messages_of(cast(WebSocket, FloodedSocket(3))):
            order.append(name)

    async def both() -> None:
        await asyncio.gather(read("one"), read("other"))

    asyncio.run(both())
    assert order == ["one", "other"] * 3


def test_both_directions_find_the_client_gone() -> None:
    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        if message["type"] == "websocket.send":
            raise OSError("reset by peer")

    async def converse() -> None:
        socket = WebSocket({"type": "websocket", "headers": []}, receive, send)
        await socket.accept()
        for _ in range(2):
            with pytest.raises(WebSocketDisconnect):
                await send_bytes(socket, b"/strength")
            with pytest.raises(WebSocketDisconnect):
                await send_text(socket, "{}")

    asyncio.run(converse())
