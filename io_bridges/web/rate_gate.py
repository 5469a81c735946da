"""`RateGate`: bounds how many requests and WebSocket messages one client makes a second.

The page makes about a hundred requests when it loads, and next to none from then on. What acts on the output at once
is never held back: panic, blackout and freeze.
"""

import asyncio
import json
import math
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from io_bridges.allowances import Allowances, client_network

BURST, RATE = 1000, 200.0
"""Requests of one client at once, and more of them a second. A page loads with about a hundred."""

MESSAGE_BURST, MESSAGE_RATE = 4000, 2000.0
"""WebSocket messages of one client at once, and more of them a second: 33 faders that move at 60 Hz."""

MOST_CLIENTS = 1024

URGENT = ("/panic", "/blackout", "/freeze")
"""Addresses that act on the output at once."""

URGENT_ONLY = "urgent_only"
"""Key in the state of a request that may set addresses of `URGENT` alone, because the client made too many."""

_VALUES, _ACTIONS = "/api/values", "/api/actions"
_LONGEST_URGENT = 200


class RateGate:
    """ASGI middleware that answers 429 to a client above its rate, and reads its WebSocket messages later."""

    def __init__(self, app: ASGIApp, limited: Callable[[str, str], None]) -> None:
        """`limited` is called with the address of a client that made too many requests, and the reason."""
        self._app = app
        self._limited = limited
        self._requests = Allowances(BURST, RATE, MOST_CLIENTS)
        self._messages = Allowances(MESSAGE_BURST, MESSAGE_RATE, MOST_CLIENTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        address = client[0] if client else ""
        network = client_network(address)
        wait = self._requests.take(network)
        if wait and (scope["type"], scope.get("method"), scope["path"]) == ("http", "PUT", _VALUES):
            scope = {**scope, "state": {**scope.get("state", {}), URGENT_ONLY: math.ceil(wait)}}
        elif wait and scope["path"] not in [_ACTIONS + urgent for urgent in URGENT]:
            self._limited(address, f"more than {RATE:.0f} requests a second")
            await _refuse(scope, send, math.ceil(wait))
            return
        paced = self._paced(receive, network) if scope["type"] == "websocket" else receive
        await self._app(scope, paced, send)

    def _paced(self, receive: Receive, network: str) -> Receive:
        async def receive_in_time() -> Message:
            message = await receive()
            wait = self._messages.borrow(network) if message["type"] == "websocket.receive" else 0.0
            if wait and not _is_urgent(message):
                await asyncio.sleep(wait)
            return message

        return receive_in_time


def _is_urgent(message: Message) -> bool:
    content = message.get("bytes") or (message.get("text") or "").encode()
    return len(content) <= _LONGEST_URGENT and any(address.encode() in content for address in URGENT)


async def _refuse(scope: Scope, send: Send, seconds: int) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1013})  # before the accept, the client gets a 403
        return
    reason = {"error": f"Too many requests: {RATE:.0f} a second are taken from one client."}
    headers = [(b"content-type", b"application/json"), (b"retry-after", str(seconds).encode())]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(reason).encode()})
