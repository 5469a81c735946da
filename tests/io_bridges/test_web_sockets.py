"""Messages of a WebSocket: a client that floods leaves the others their turn."""

import asyncio
from typing import cast

from starlette.types import Message
from starlette.websockets import WebSocket

from io_bridges.web.sockets import messages_of


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
