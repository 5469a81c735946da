"""The control WebSocket, ``/ws``: one page and the desk, in JSON, both ways.

To the page: ``{"declaration": […], "actions": […]}`` once, ``{"values": {address: value}}`` for what changed, at most
30 times a second, ``{"status": {…}}`` twice a second. From the page: ``{"set": address, "value": v}`` and
``{"do": address, "value": v}`` (value optional), each answered by ``{"answer": {address, accepted, value, note}}``.
What is no such message is answered by ``{"refused": sentence}``.
"""

import asyncio
import contextlib

from starlette.websockets import WebSocket

from io_bridges.show_control import ControlReply, ShowControl, Subscription
from io_bridges.web.json_messages import MalformedJson, answer_of, declaration, decode, encode, status
from io_bridges.web.sockets import send_text, until_gone, waker
from presets.parameter_table import Value

STATUS_PERIOD = 0.5
PUSH_PERIOD = 1 / 30


class ControlSocket:
    """One page's conversation over an accepted socket."""

    def __init__(self, socket: WebSocket, desk: ShowControl, sender: str) -> None:
        """`sender` names this page alone; no other page's name may start with it."""
        self._socket = socket
        self._desk = desk
        self._sender = sender
        self._shown: dict[str, Value] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Speak and listen until the page goes."""
        subscription = self._desk.subscribe(self._sender, waker(self._changed))
        try:
            await until_gone(self._listen(), self._tell(subscription))
        finally:
            subscription.close()

    async def _listen(self) -> None:
        while (message := await self._socket.receive())["type"] != "websocket.disconnect":
            await self._send(self._reply(message.get("text") or message.get("bytes") or ""))

    def _reply(self, text: str | bytes) -> dict[str, object]:
        try:
            answer = self._obey(decode(text))
        except MalformedJson as error:
            self._desk.refused(self._sender, str(error))
            return {"refused": str(error)}
        if answer.accepted and answer.value is not None:
            self._shown[answer.address] = answer.value
        # A preset or an action moves other values, and the subscription does not tell us of our own doings.
        self._changed.set()
        return {"answer": answer_of(answer)}

    def _obey(self, message: dict[str, object]) -> ControlReply:
        match message:
            case {"set": str(address), "value": value}:
                return self._desk.apply(address, (value,), self._sender)
            case {"do": str(address), "value": value}:
                return self._desk.apply(address, (value,), self._sender)
            case {"do": str(address)}:
                return self._desk.apply(address, (), self._sender)
        raise MalformedJson('{"set": address, "value": value} or {"do": address} is expected')

    async def _tell(self, subscription: Subscription) -> None:
        await self._send(declaration(self._desk))
        loop = asyncio.get_running_loop()
        beat = loop.time()
        while True:
            self._changed.clear()
            # The subscription says when; what to send is the difference to what the page shows, so that nothing
            # is lost and nothing is echoed, whoever moved it.
            subscription.take()
            values = self._desk.values()
            changes = {address: value for address, value in values.items() if self._shown.get(address) != value}
            if changes:
                self._shown.update(changes)
                await self._send({"values": changes})
            if loop.time() >= beat:
                await self._send({"status": status(self._desk)})
                beat = loop.time() + STATUS_PERIOD
            await asyncio.sleep(PUSH_PERIOD)  # a flood of OSC must not become a flood here
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(beat):
                    await self._changed.wait()

    async def _send(self, message: dict[str, object]) -> None:
        await send_text(self._socket, encode(message))
