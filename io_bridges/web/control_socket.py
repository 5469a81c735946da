"""`ControlSocket`: the WebSocket ``/ws`` between one page and the show. Messages are JSON objects in both directions.

To the page: ``{"declaration": […], "actions": […]}`` once, ``{"values": {address: value}}`` for changes, at most 30
times a second, ``{"status": {…}}`` twice a second, and ``{"words": {kind: [word, …]}}``, the words that the model
knows, when they change; it is empty for a model that takes any text.

From the page: ``{"set": address, "value": v}`` and ``{"do": address, "value": v}`` (value optional), each answered by
``{"answer": {address, accepted, value, note}}``. Any other message is answered by ``{"refused": sentence}``.
"""

import asyncio
import contextlib

from starlette.websockets import WebSocket

from io_bridges.show_control import ControlReply, ShowControl, Subscription
from io_bridges.web.json_messages import (
    KnownWordsByKind,
    MalformedJson,
    declaration,
    decode,
    encode,
    reply_json,
    status,
)
from io_bridges.web.sockets import run_until_gone, send_text, waker
from presets.parameter_table import Value

STATUS_PERIOD = 0.5
"""Seconds between two status messages."""
PUSH_PERIOD = 1 / 30
"""Least seconds between two messages of changed values."""


class ControlSocket:
    """The conversation with one page over an accepted socket."""

    def __init__(self, socket: WebSocket, show: ShowControl, sender: str, words: KnownWordsByKind) -> None:
        """`sender` is the name of this page. No other page's name may start with it."""
        self._socket = socket
        self._show = show
        self._sender = sender
        self._words = words
        self._page_words: object = None
        self._page_values: dict[str, Value] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Exchange messages until the page is gone."""
        subscription = self._show.subscribe(self._sender, waker(self._changed))
        try:
            await run_until_gone(self._receive_messages(), self._send_messages(subscription))
        finally:
            subscription.close()

    async def _receive_messages(self) -> None:
        while (message := await self._socket.receive())["type"] != "websocket.disconnect":
            await self._send(self._reply(message.get("text") or message.get("bytes") or ""))

    def _reply(self, text: str | bytes) -> dict[str, object]:
        try:
            reply = self._apply(decode(text))
        except MalformedJson as error:
            self._show.refused(self._sender, str(error))
            return {"refused": str(error)}
        if reply.accepted and reply.value is not None:
            self._page_values[reply.address] = reply.value
        # A preset or an action changes other values too, and the subscription omits the page's own changes.
        self._changed.set()
        return {"answer": reply_json(reply)}

    def _apply(self, message: dict[str, object]) -> ControlReply:
        match message:
            case {"set": str(address), "value": value}:
                return self._show.apply(address, (value,), self._sender)
            case {"do": str(address), "value": value}:
                return self._show.apply(address, (value,), self._sender)
            case {"do": str(address)}:
                return self._show.apply(address, (), self._sender)
        raise MalformedJson('{"set": address, "value": value} or {"do": address} is expected')

    async def _send_messages(self, subscription: Subscription) -> None:
        await self._send(declaration(self._show))
        loop = asyncio.get_running_loop()
        status_due = loop.time()
        while True:
            self._changed.clear()
            # The subscription only wakes. The message is the difference to the page's values, so that no change is
            # lost and none is echoed, whoever made it.
            subscription.take()
            values = self._show.values()
            changes = {address: value for address, value in values.items() if self._page_values.get(address) != value}
            if changes:
                self._page_values.update(changes)
                await self._send({"values": changes})
            if loop.time() >= status_due:
                await self._send({"status": status(self._show)})
                if (words := self._words()) != self._page_words:
                    self._page_words = words
                    await self._send({"words": words})
                status_due = loop.time() + STATUS_PERIOD
            await asyncio.sleep(PUSH_PERIOD)  # limits the messages under a flood of changes
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(status_due):
                    await self._changed.wait()

    async def _send(self, message: dict[str, object]) -> None:
        await send_text(self._socket, encode(message))
