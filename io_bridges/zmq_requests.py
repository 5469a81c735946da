"""The JSON requests of ZeroMQ control: parsed under limits, applied to the show, answered in strict JSON.

Every request has one reply: ``{"ok": true, …}``, or ``{"ok": false, "error": "a sentence"}``. See docs/control.md.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, NoReturn

from io_bridges.show_control import ControlReply, FoundSources, LateReplies, ShowControl, apply_values, with_outcome
from presets.errors import BridgeError

MAX_REQUEST_BYTES = 64 << 10
"""Largest request. A larger one is answered with an error."""
MAX_ID = 256
"""Most characters of an ``id``."""

Request = Mapping[str, object]
JsonReply = dict[str, object]


class ZmqClient(NamedTuple):
    """The client that sent a request."""

    identity: bytes
    """Routing id of ZeroMQ."""
    enveloped: bool
    """True for a REQ socket, which puts an empty part before each message."""

    @property
    def surface(self) -> str:
        """Name of the client in `ShowControl`. The closing bracket keeps one name from being the prefix of another."""
        return f"zmq:[{self.identity.hex()}]"


Answer = Callable[[JsonReply], None]
"""Takes a reply that comes later. Called from any thread."""
Handler = Callable[[Request, ZmqClient, Answer], JsonReply | None]
"""Returns the reply, or None if it comes later."""

Follow = Callable[[Request], JsonReply]
"""Returns the report to a show that follows this one. Raises `BridgeError`."""


class RequestHandler:
    """Handles each kind of request, named by its ``do`` key."""

    def __init__(self, show: ShowControl, more: Mapping[str, Handler]) -> None:
        """Take the handlers that need the socket in `more`."""
        self._show = show
        self._handlers: dict[str, Handler] = {
            "get": self._get,
            "set": self._set,
            "list": self._list,
            "act": self._act,
            "load": lambda *asked: self._apply_name("/preset", *asked),
            "save": lambda *asked: self._apply_name("/save", *asked),
            "presets": lambda *_: {"presets": self._show.preset_names()},
            "source": lambda *asked: self._apply_name("/source", *asked),
            "sources": self._sources,
            "status": lambda *_: {"status": self._show.status()},
            **more,
        }
        self._names = ", ".join(self._handlers)
        # Older clients ask for "looks".
        self._handlers["looks"] = lambda *_: {"looks": self._show.preset_names()}

    def reply(self, body: bytes, client: ZmqClient, later: Answer) -> JsonReply | None:
        """Return the reply to one request; None if `later` gets it. No request makes it raise."""
        request: Request = {}
        try:
            request = _parse(body)
            do = request.get("do")
            if not isinstance(do, str) or do not in self._handlers:
                raise BridgeError(f"'do' must be one of {self._names}, not {_shorten(do)}")
            if "id" in request and not _can_echo(request["id"]):
                raise BridgeError(f"'id' must be null, a finite number or a text of at most {MAX_ID} characters")
            id_of = {"id": request["id"]} if "id" in request else {}
            content = self._handlers[do](request, client, lambda late: later({"ok": True, **late, **id_of}))
            if content is None:
                return None
            reply = {"ok": True, **content}
        except BridgeError as error:
            reply = self.refuse(str(error), client)
        if "id" in request and _can_echo(request["id"]):
            reply["id"] = request["id"]
        return reply

    def refuse(self, reason: str, client: ZmqClient) -> JsonReply:
        """Count a malformed request and return the reply to it."""
        self._show.refused(client.surface, reason)
        return {"ok": False, "error": reason}

    def _get(self, request: Request, client: ZmqClient, answer: Answer) -> JsonReply:
        values = self._show.values()
        if "address" in request:
            wanted = [_address(request["address"])]
        elif "addresses" in request:
            listed = request["addresses"]
            if not isinstance(listed, list):
                raise BridgeError("'addresses' must be a list of addresses. Leave it out to get all values")
            wanted = [_address(address) for address in listed]
        else:
            wanted = list(values)
        for address in wanted:
            if address not in values:
                if address in self._show.actions:
                    raise BridgeError(f"{_shorten(address)} is an action and has no value. Send 'act'")
                raise BridgeError(f"There is no parameter {_shorten(address)}. Send 'list' for all of them")
        return {"values": {address: values[address] for address in wanted}}

    def _set(self, request: Request, client: ZmqClient, answer: Answer) -> JsonReply | None:
        values = request.get("values")
        if values is None and "address" in request and "value" in request:
            values = {_address(request["address"]): request["value"]}
        if not isinstance(values, dict):
            raise BridgeError("'set' needs 'values', an object of values by address, or 'address' and 'value'")
        late = LateReplies()
        replies, omitted = apply_values(self._show, values, client.surface, late.add)
        if late.when_complete(
            replies.values(), lambda outcome: answer(_several(with_outcome(replies, outcome), omitted))
        ):
            return None
        return _several(replies, omitted)

    def _act(self, request: Request, client: ZmqClient, answer: Answer) -> JsonReply | None:
        address = _address(request.get("address"))
        arguments = request.get("arguments", [])
        if address not in self._show.actions:
            if address in self._show.parameters:
                raise BridgeError(f"{_shorten(address)} is a parameter. Send 'set' with 'address' and 'value'")
            raise BridgeError(f"The actions are {', '.join(self._show.actions)}. There is no {_shorten(address)}")
        if not isinstance(arguments, list):
            raise BridgeError("'arguments' must be a list")
        return self._apply(address, arguments, client, answer)

    def _apply_name(self, address: str, request: Request, client: ZmqClient, answer: Answer) -> JsonReply | None:
        key, kind = ("uri", "address of a source") if address == "/source" else ("name", "name of a preset")
        if not isinstance(request.get(key), str):
            raise BridgeError(f"{key!r} must be the {kind}, not {_shorten(request.get(key))}")
        return self._apply(address, [request[key]], client, answer)

    def _apply(self, address: str, arguments: Sequence[object], client: ZmqClient, answer: Answer) -> JsonReply | None:
        late = LateReplies()
        reply = self._show.apply(address, arguments, client.surface, late.add)
        if late.when_complete([reply], lambda outcome: answer(_single(outcome[reply.address]))):
            return None
        return _single(reply)

    def _sources(self, request: Request, client: ZmqClient, answer: Answer) -> None:
        def found(sources: FoundSources) -> None:
            answer({"sources": list(sources.uris), "failures": dict(sources.failures)})

        self._show.find_sources(found)

    def _list(self, request: Request, client: ZmqClient, answer: Answer) -> JsonReply:
        parameters = [
            {
                "address": parameter.address,
                "type": parameter.kind,
                "default": parameter.default,
                "min": parameter.minimum,
                "max": parameter.maximum,
                "multiple_of": parameter.multiple_of,
                "choices": list(parameter.choices),
                "unit": parameter.unit,
                "description": parameter.description,
                "effect": parameter.effect.value,
            }
            for parameter in self._show.parameters.values()
        ]
        actions = [
            {"address": action.address, "description": action.description, "argument": action.argument}
            for action in self._show.actions.values()
        ]
        return {"parameters": parameters, "actions": actions}


def encode(message: Mapping[str, object]) -> bytes:
    """Return strict JSON. Infinity and NaN become null, other objects their text."""
    return json.dumps(_plain(message), allow_nan=False, separators=(",", ":")).encode("ascii")


def _parse(body: bytes) -> Request:
    if len(body) > MAX_REQUEST_BYTES:
        raise BridgeError(f"The request has {len(body)} bytes; the limit is {MAX_REQUEST_BYTES}")
    try:
        request = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except RecursionError:
        raise BridgeError("The request is nested too deep") from None
    except ValueError as error:  # Both json and the UTF-8 decoder raise it.
        raise BridgeError(f"A request must be JSON in UTF-8: {error}") from None
    if not isinstance(request, dict):
        raise BridgeError('A request must be an object like {"do": "get", "address": "/strength"}')
    return request


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _can_echo(value: object) -> bool:
    """Return True if an ``id`` is short and finite enough to be repeated in the reply."""
    if isinstance(value, str):
        return len(value) <= MAX_ID
    return value is None or (isinstance(value, int | float) and -(2**63) <= value < 2**63)


def _address(value: object) -> str:
    if not isinstance(value, str):
        raise BridgeError(f"An address must be a text like '/strength', not {_shorten(value)}")
    return value if value.startswith("/") else f"/{value}"


def _entry(reply: ControlReply) -> JsonReply:
    return {"accepted": reply.accepted, "value": reply.value, "note": reply.note}


def _single(reply: ControlReply) -> JsonReply:
    entry: JsonReply = {"ok": reply.accepted, "note": reply.note}
    return entry if reply.accepted else {**entry, "error": reply.note}


def _several(replies: Mapping[str, ControlReply], omitted: int) -> JsonReply:
    reply: JsonReply = {"answers": {address: _entry(each) for address, each in replies.items()}}
    refused = [f"{each.address}: {each.note}" for each in replies.values() if not each.accepted]
    if omitted:
        reply["omitted"] = omitted
        refused[3:] = []
        refused.append(f"{omitted} more unknown addresses")
    return reply if not refused else {"ok": False, "error": "; ".join(refused[:4]), **reply}


def _shorten(value: object) -> str:
    return repr(value[:60]) if isinstance(value, str) else "nothing" if value is None else type(value).__name__


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
