"""`ListenerSocket`: the WebSocket side of OSCQuery for one client.

The client sends ``{"COMMAND": "LISTEN", "DATA": "/strength"}`` or ``IGNORE`` as text, and OSC packets as bytes. The
server sends the values of what it listens to as OSC packets, and refusals as ``{"COMMAND": "REFUSED", "DATA": ...}``.
"""

import asyncio
import contextlib

from pythonosc.osc_message_builder import OscMessageBuilder
from starlette.websockets import WebSocket

from io_bridges.osc.packets import Fault, Message, decode_packet, encode_message
from io_bridges.osc.surface_requests import PINGS, PONG, echoed
from io_bridges.oscquery.address_space import MEASURED, AddressSpace
from io_bridges.show_control import MAX_UNKNOWN, ShowControl, Subscription, is_known
from io_bridges.web.json_messages import MalformedJson, decode, encode
from io_bridges.web.sockets import messages_of, run_until_gone, send_bytes, send_text, waker
from presets.parameter_table import Value

PUSH_PERIOD = 1 / 60
"""Seconds between two sends of changed values."""
MEASURED_PERIOD = 1.0
"""Seconds between two sends of what is measured."""


class ListenerSocket:
    """The conversation with one client."""

    def __init__(self, socket: WebSocket, show: ShowControl, space: AddressSpace, sender: str) -> None:
        """`sender` names the client, for refusals and so that its own changes are not sent back."""
        self._socket = socket
        self._show = show
        self._space = space
        self._sender = sender
        self._listened: set[str] = set()
        self._new: set[str] = set()
        """Paths that it listens to since the last send, whose values it does not have."""
        self._measured: dict[str, Value] = {}
        """Measured values that it has."""
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Exchange messages until the client is gone."""
        subscription = self._show.subscribe(self._sender, waker(self._changed))
        try:
            await run_until_gone(self._receive(), self._push(subscription))
        finally:
            subscription.close()

    async def _receive(self) -> None:
        async for message in messages_of(self._socket):
            packet = message.get("bytes")
            if packet is None:
                problems = self._command(message.get("text") or "")
            else:
                faults: list[Fault] = []
                messages = decode_packet(packet, faults)
                for ping in (each for each in messages if each.address in PINGS):
                    await send_bytes(self._socket, encode_message(PONG, *echoed(ping)))
                problems = self._apply([each for each in messages if each.address not in PINGS], faults)
            for problem in problems:
                await send_text(self._socket, encode({"COMMAND": "REFUSED", "DATA": problem}))
            self._changed.set()

    def _command(self, text: str) -> list[str]:
        """Take a command. Return why it was refused, if so."""
        try:
            match decode(text):
                case {"COMMAND": "LISTEN", "DATA": str(path)} if path in self._space:
                    self._new.update(set(self._space.methods(path)) - self._listened)
                    self._listened |= self._new
                case {"COMMAND": "IGNORE", "DATA": str(path)} if path in self._space:
                    self._listened.difference_update(self._space.methods(path))
                    self._new &= self._listened
                    self._measured = {each: value for each, value in self._measured.items() if each in self._listened}
                case {"COMMAND": "LISTEN" | "IGNORE", "DATA": str(path)}:
                    raise MalformedJson(f"{path[:100]} is no address of this show")
                case _:
                    raise MalformedJson('{"COMMAND": "LISTEN" or "IGNORE", "DATA": address} is expected')
        except MalformedJson as error:
            self._show.refused(self._sender, str(error))
            return [str(error)]
        return []

    def _apply(self, messages: list[Message], faults: list[Fault]) -> list[str]:
        """Apply messages, and count the faults beside them. Return why messages were refused, at most `MAX_UNKNOWN`."""
        problems = [f"malformed OSC: {fault.reason}" for fault in faults[:MAX_UNKNOWN]]
        for problem in problems:
            self._show.refused(self._sender, problem)
        for address, arguments in messages:
            if len(problems) >= MAX_UNKNOWN and not is_known(self._show, address):
                continue  # the suggestion for an unknown address is slow to find
            reply = self._show.apply(address, arguments, self._sender)
            if not reply.accepted:
                problems.append(f"{address[:60]}: {reply.note}")
        return problems[:MAX_UNKNOWN]

    async def _push(self, subscription: Subscription) -> None:
        loop = asyncio.get_running_loop()
        measured_due = loop.time()
        while True:
            self._changed.clear()
            values = subscription.take()
            if self._new:
                values |= {path: value for path, value in self._space.values().items() if path in self._new}
                self._new.clear()
            if loop.time() >= measured_due:
                values |= {} if self._listened.isdisjoint(MEASURED) else self._space.measured()
                measured_due = loop.time() + MEASURED_PERIOD
            for path, value in values.items():
                if path not in self._listened or self._measured.get(path) == value:
                    continue
                if path in MEASURED:
                    self._measured[path] = value
                await send_bytes(self._socket, typed_message(path, value))
            await asyncio.sleep(PUSH_PERIOD)  # limits the messages under a flood of changes
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(measured_due):
                    await self._changed.wait()


def typed_message(path: str, value: Value) -> bytes:
    """Return an OSC message whose argument has the type that the node's ``TYPE`` names: a bool is ``T`` or ``F``."""
    builder = OscMessageBuilder(path)
    builder.add_arg(value)
    return bytes(builder.build().dgram)
