"""`ControlSocket`: the WebSocket ``/ws`` between one page and the show. Messages are JSON objects in both directions.

To the page: ``{"declaration": […], "actions": […]}`` once, ``{"values": {address: value}}`` for changes, at most 30
times a second, ``{"status": {…}}`` twice a second, and ``{"words": {kind: [word, …]}}``, the words that the model
knows, when they change; it is empty for a model that takes any text. ``{"looks": {preset: version}}`` names the presets
that have a picture at ``/looks/PRESET.jpg``, when a picture is new. While the show hears sound, ``{"meters": {"level":
0.5, …}}`` comes 15 times a second.

From the page: ``{"set": address, "value": v}`` and ``{"do": address, "value": v}`` (value optional), each answered by
``{"answer": {address, accepted, value, note}}``, and by another answer later if it has ``pending``. ``{"find":
"sources"}`` is answered by ``{"found": {sources: [uri, …], failures: {scheme: reason}}}`` after some seconds. Any other
message is answered by ``{"refused": sentence}``.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from starlette.websockets import WebSocket

from io_bridges.show_control import ControlReply, ShowControl, Subscription
from io_bridges.web.json_messages import (
    KnownWordsByKind,
    MalformedJson,
    Meters,
    declaration,
    decode,
    encode,
    reply_json,
    sources_json,
    status,
)
from io_bridges.web.small_pictures import LookPicturesByName, versions
from io_bridges.web.sockets import messages_of, run_until_gone, send_text, waker
from presets.parameter_table import Value

STATUS_PERIOD = 0.5
"""Seconds between two status messages."""
PUSH_PERIOD = 1 / 30
"""Least seconds between two messages of changed values."""
METER_PERIOD = 1 / 15
"""Seconds between two messages of meters."""
MOST_LATE = 64
"""Answers that come later and wait to be sent. The oldest of more is dropped."""


class ControlSocket:
    """The conversation with one page over an accepted socket."""

    def __init__(
        self,
        socket: WebSocket,
        show: ShowControl,
        sender: str,
        words: KnownWordsByKind,
        looks: LookPicturesByName = dict,
        meters: Meters = dict,
    ) -> None:
        """`sender` is the name of this page. No other page's name may start with it."""
        self._socket = socket
        self._show = show
        self._sender = sender
        self._words = words
        self._meters = meters
        self._page_words: object = None
        self._looks = looks
        self._page_looks: object = None
        self._page_values: dict[str, Value] = {}
        self._changed = asyncio.Event()
        self._late: deque[dict[str, object]] = deque(maxlen=MOST_LATE)
        self._wake: Callable[[], None] = lambda: None

    async def run(self) -> None:
        """Exchange messages until the page is gone."""
        self._wake = waker(self._changed)
        subscription = self._show.subscribe(self._sender, self._wake)
        try:
            await run_until_gone(self._receive_messages(), self._send_messages(subscription))
        finally:
            subscription.close()

    async def _receive_messages(self) -> None:
        async for message in messages_of(self._socket):
            reply = self._reply(message.get("text") or message.get("bytes") or "")
            if reply is not None:
                await self._send(reply)

    def _reply(self, text: str | bytes) -> dict[str, object] | None:
        try:
            request = decode(text)
            if request == {"find": "sources"}:
                self._show.find_sources(lambda found: self._put_late({"found": sources_json(found)}))
                return None
            reply = self._apply(request)
        except MalformedJson as error:
            self._show.refused(self._sender, str(error))
            return {"refused": str(error)}
        if reply.accepted and reply.value is not None:
            self._page_values[reply.address] = reply.value
        # A preset or an action changes other values too, and the subscription omits the page's own changes.
        self._changed.set()
        return {"answer": reply_json(reply)}

    def _apply(self, message: dict[str, object]) -> ControlReply:
        def later(reply: ControlReply) -> None:
            self._put_late({"answer": reply_json(reply)})

        match message:
            case {"set": str(address), "value": value}:
                return self._show.apply(address, (value,), self._sender, later)
            case {"do": str(address), "value": value}:
                return self._show.apply(address, (value,), self._sender, later)
            case {"do": str(address)}:
                return self._show.apply(address, (), self._sender, later)
        raise MalformedJson('{"set": address, "value": value} or {"do": address} is expected')

    def _put_late(self, message: dict[str, object]) -> None:
        """Have a message sent soon. Any thread may call it."""
        self._late.append(message)
        self._wake()

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
            while self._late:
                await self._send(self._late.popleft())
            if loop.time() >= status_due:
                await self._send({"status": status(self._show)})
                if (words := self._words()) != self._page_words:
                    self._page_words = words
                    await self._send({"words": words})
                if (looks := versions(self._looks())) != self._page_looks:
                    self._page_looks = looks
                    await self._send({"looks": looks})
                status_due = loop.time() + STATUS_PERIOD
            next_due = status_due
            if meters := self._meters():
                await self._send({"meters": meters})
                next_due = min(status_due, loop.time() + METER_PERIOD)
            await asyncio.sleep(PUSH_PERIOD)  # limits the messages under a flood of changes
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_due):
                    await self._changed.wait()

    async def _send(self, message: dict[str, object]) -> None:
        await send_text(self._socket, encode(message))
