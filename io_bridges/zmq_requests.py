"""The JSON requests of ZeroMQ control: read under limits, checked, done on the desk, answered in strict JSON.

Every request has an answer: ``{"ok": true, …}``, or ``{"ok": false, "error": "a sentence"}``. See docs/control.md.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, NoReturn

from io_bridges.show_control import ControlReply, ShowControl
from presets.errors import BridgeError

LARGEST_REQUEST = 64 << 10
"""Bytes; what is larger is answered with an error."""
LONGEST_ID = 256

Request = Mapping[str, object]
JsonReply = dict[str, object]


class ZmqClient(NamedTuple):
    """Who asks."""

    identity: bytes
    """ZeroMQ's routing id."""
    enveloped: bool
    """True for a REQ socket, or one that speaks as REQ does: an empty part before each message."""

    @property
    def surface(self) -> str:
        """Its name on the desk. The bracket ends it, so that no client's name begins with another's."""
        return f"zmq:[{self.identity.hex()}]"


Deed = Callable[[Request, ZmqClient], JsonReply]


class Requests:
    """What each ``do`` does on a desk."""

    def __init__(self, desk: ShowControl, more: Mapping[str, Deed]) -> None:
        """`more` are the deeds that need the socket."""
        self._desk = desk
        self._deeds: dict[str, Deed] = {
            "get": self._get,
            "set": self._set,
            "list": self._list,
            "act": self._act,
            "load": lambda request, peer: self._named("/preset", request, peer),
            "save": lambda request, peer: self._named("/save", request, peer),
            "looks": lambda request, peer: {"looks": self._desk.looks()},
            "status": lambda request, peer: {"status": self._desk.status()},
            **more,
        }

    def answer(self, body: bytes, peer: ZmqClient) -> JsonReply:
        """The answer to one request; never raises for what came."""
        request: Request = {}
        try:
            request = _read(body)
            do = request.get("do")
            if not isinstance(do, str) or do not in self._deeds:
                raise BridgeError(f"'do' is one of {', '.join(self._deeds)}; {_shown(do)} came")
            if "id" in request and not _can_be_echoed(request["id"]):
                raise BridgeError(f"'id' is null, a finite number or a text of at most {LONGEST_ID} characters")
            answer = {"ok": True, **self._deeds[do](request, peer)}
        except BridgeError as error:
            answer = self.refusal(str(error), peer)
        if "id" in request and _can_be_echoed(request["id"]):
            answer["id"] = request["id"]
        return answer

    def refusal(self, reason: str, peer: ZmqClient) -> JsonReply:
        """The answer to what is no request; the desk counts it."""
        self._desk.refused(peer.surface, reason)
        return {"ok": False, "error": reason}

    def _get(self, request: Request, peer: ZmqClient) -> JsonReply:
        values = self._desk.values()
        if "address" in request:
            wanted = [_address(request["address"])]
        elif "addresses" in request:
            listed = request["addresses"]
            if not isinstance(listed, list):
                raise BridgeError("'addresses' is a list of addresses; without it, all values are told")
            wanted = [_address(address) for address in listed]
        else:
            wanted = list(values)
        for address in wanted:
            if address not in values:
                raise BridgeError(f"no parameter is called {_shown(address)}; ask for the list")
        return {"values": {address: values[address] for address in wanted}}

    def _set(self, request: Request, peer: ZmqClient) -> JsonReply:
        values = request.get("values")
        if values is None and "address" in request and "value" in request:
            values = {_address(request["address"]): request["value"]}
        if not isinstance(values, dict):
            raise BridgeError("set takes 'values', an object of values by address, or 'address' and 'value'")
        answers = [self._desk.apply(_address(address), [value], peer.surface) for address, value in values.items()]
        # In the answer each stands under the address that the client wrote.
        told = dict(zip(values, map(_told, answers), strict=True))
        refused = [f"{answer.address}: {answer.note}" for answer in answers if not answer.accepted]
        return {"answers": told} if not refused else {"ok": False, "error": "; ".join(refused[:3]), "answers": told}

    def _act(self, request: Request, peer: ZmqClient) -> JsonReply:
        address = _address(request.get("address"))
        arguments = request.get("arguments", [])
        if address not in self._desk.actions:
            raise BridgeError(f"an action is one of {', '.join(self._desk.actions)}; {_shown(address)} came")
        if not isinstance(arguments, list):
            raise BridgeError("'arguments' is a list")
        return _alone(self._desk.apply(address, arguments, peer.surface))

    def _named(self, address: str, request: Request, peer: ZmqClient) -> JsonReply:
        name = request.get("name")
        if not isinstance(name, str):
            raise BridgeError(f"'name' is the name of a look; {_shown(name)} came")
        return _alone(self._desk.apply(address, [name], peer.surface))

    def _list(self, request: Request, peer: ZmqClient) -> JsonReply:
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
            for parameter in self._desk.parameters.values()
        ]
        actions = [
            {"address": action.address, "description": action.description, "argument": action.argument}
            for action in self._desk.actions.values()
        ]
        return {"parameters": parameters, "actions": actions}


def encode(message: Mapping[str, object]) -> bytes:
    """Strict JSON: what JSON has no word for becomes null, or its text."""
    return json.dumps(_plain(message), allow_nan=False, separators=(",", ":")).encode("ascii")


def _read(body: bytes) -> Request:
    if len(body) > LARGEST_REQUEST:
        raise BridgeError(f"a request of {len(body)} bytes; {LARGEST_REQUEST} is the most")
    try:
        request = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except RecursionError:
        raise BridgeError("a request nested too deep") from None
    except ValueError as error:  # what json and UTF-8 raise are both
        raise BridgeError(f"a request is JSON in UTF-8: {error}") from None
    if not isinstance(request, dict):
        raise BridgeError('a request is an object like {"do": "get", "address": "/strength"}')
    return request


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _can_be_echoed(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_ID
    return value is None or (isinstance(value, int | float) and -(2**63) <= value < 2**63)


def _address(value: object) -> str:
    if not isinstance(value, str):
        raise BridgeError(f"an address is a text like '/strength'; {_shown(value)} came")
    return value if value.startswith("/") else f"/{value}"


def _told(answer: ControlReply) -> JsonReply:
    return {"accepted": answer.accepted, "value": answer.value, "note": answer.note}


def _alone(answer: ControlReply) -> JsonReply:
    told: JsonReply = {"ok": answer.accepted, "note": answer.note}
    return told if answer.accepted else {**told, "error": answer.note}


def _shown(value: object) -> str:
    return repr(value[:60]) if isinstance(value, str) else "nothing" if value is None else type(value).__name__


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
