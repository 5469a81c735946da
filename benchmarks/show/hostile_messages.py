"""Damaged messages for every port of a show, made of good ones: the same seed gives the same messages."""

import json
import random
import struct
from collections.abc import Sequence

from benchmarks.show.osc_sender import osc_message
from presets.build import REBUILD_KEYS
from presets.declaration import ACTIONS
from presets.parameter_table import PARAMETERS, Value

_LEFT_OUT = ("/save", "/undo_save", "/record", "/play", "/preset", "/next", "/previous", "/cue", "/source")
"""Beginnings of addresses that do much when they are spelled well: other looks and sources, and files."""

_VALUES = {
    address: parameter.default
    for address, parameter in PARAMETERS.items()
    if address[1:] not in REBUILD_KEYS and not address.startswith(_LEFT_OUT)
}
"""Good values by address, those left out that start another renderer: that is no fault of a port."""

_ACTIONS = [action.address for action in ACTIONS if not action.address.startswith(_LEFT_OUT)]

_OSC_SPLICES = (
    b"\0",
    b",",
    b"[",
    b"]",
    b"#bundle\0",
    b"\xff\xff\xff\xfc",
    b"\x7f\xff\xff\xff",
    b"\x7f\xc0\0\0",
    b"*" * 9,
)
_TEXT_SPLICES = (b"{", b"[" * 60, b'"', b"\\ud800", b"1e999", b"NaN", b"null", b"\0", b"\xff\xfe", b"-" * 9, b"9" * 400)
_HTTP_SPLICES = (
    *_TEXT_SPLICES,
    b"\r\n",
    b"\r\n\r\n",
    b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"%00",
    b"../",
)


def _osc_seeds() -> list[bytes]:
    plain = [osc_message(address, value) for address, value in _VALUES.items()]
    plain += [osc_message(address) for address in _ACTIONS]
    plain += [osc_message("/subscribe", 9001, "norm"), osc_message("/ping", 5), osc_message("/strength", "?")]
    bundles = [b"".join(struct.pack(">i", len(each)) + each for each in plain[at : at + 4]) for at in range(0, 40, 8)]
    return [*plain, *(b"#bundle\0" + struct.pack(">Q", 1) + each for each in bundles)]


def _control_seeds() -> list[bytes]:
    requests: list[dict[str, object]] = [{"do": name} for name in ("status", "get", "watch", "describe")]
    requests += [{"do": "set", "address": address, "value": value} for address, value in _VALUES.items()]
    requests += [{"do": "act", "address": address, "arguments": ["x"]} for address in _ACTIONS]
    return [json.dumps(request).encode() for request in requests]


def _requests(port: int) -> list[bytes]:
    head = f"Host: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    paths = [
        "/",
        "/?HOST_INFO",
        "/api/values",
        "/api/status",
        "/api/osc",
        "/output.jpg",
        "/strength?VALUE",
        "/looks/fire.jpg",
    ]
    plain = [f"GET {path} HTTP/1.1\r\n{head}\r\n" for path in paths]
    values: list[dict[str, Value]] = [{address: value} for address, value in _VALUES.items()]
    for body in map(json.dumps, values):
        plain.append(f"PUT /api/values HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}")
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\n{key}"
    frames = [json.dumps({"set": address, "value": value}).encode() for address, value in _VALUES.items()]
    opened = [
        f"GET {path} HTTP/1.1\r\n{head}{upgrade}\r\n".encode() for path in ("/ws", "/", "/ws/picture", "/ws/webrtc")
    ]
    sockets = [
        opened[at % len(opened)] + bytes([0x81, 0x80 | len(each)]) + bytes(4) + each for at, each in enumerate(frames)
    ]
    return [*(each.encode() for each in plain), *(each for each in sockets if len(each) < 1000)]


class HostileMessages:
    """An endless source of damaged messages."""

    def __init__(self, seed: int, web_port: int = 0) -> None:
        """`web_port` is the port of the page, which good requests name."""
        self._chance = random.Random(seed)
        self._osc, self._control, self._web = _osc_seeds(), _control_seeds(), _requests(web_port)

    def datagram(self) -> bytes:
        """Return a damaged OSC datagram. Most faults come after the address, which would be refused long before."""
        data = self._chance.choice(self._osc)
        return self._damaged(data, _OSC_SPLICES, max(data.find(b","), 0))

    def control_request(self) -> list[bytes]:
        """Return the parts of a damaged request to the control port."""
        parts = [
            self._damaged(self._chance.choice(self._control), _TEXT_SPLICES)
            for _ in range(self._chance.choice((1, 1, 1, 2, 9)))
        ]
        return [b"", *parts] if self._chance.random() < 0.9 else parts

    def picture(self) -> list[bytes]:
        """Return the parts of a damaged picture for a source: header, pixels, and sometimes more or fewer."""
        side = self._chance.choice((0, 1, 7, 64, 10**6))
        kind = self._chance.choice(("uint8", "float32", "uint16", "object", "<U9"))
        header = json.dumps(
            {"dtype": kind, "shape": [side, side, self._chance.choice((1, 3, 4))], "captured_at": 1}
        ).encode()
        parts = [header, self._chance.randbytes(self._chance.choice((0, 1, 147, 64 * 64 * 3)))]
        if self._chance.random() < 0.7:
            parts[0] = self._damaged(header, _TEXT_SPLICES)
        return parts[: self._chance.choice((1, 2, 2, 2))] + [b"x"] * self._chance.choice((0, 0, 0, 30))

    def request(self) -> bytes:
        """Return the bytes of a damaged request to the page: plain HTTP, or a WebSocket and a message."""
        return self._damaged(self._chance.choice(self._web), _HTTP_SPLICES)

    def _damaged(self, good: bytes, splices: Sequence[bytes], first: int = 0) -> bytes:
        """Return good bytes with up to four faults: changed, missing, doubled, inserted and cut."""
        data, chance = bytearray(good), self._chance
        for _ in range(chance.randint(0, 4)):
            start = 0 if chance.random() < 0.2 else min(first, len(data))
            at, kind = chance.randint(start, len(data)), chance.randrange(5)
            if kind == 0 and at < len(data):
                data[at] = chance.randrange(256)
            elif kind == 1:
                del data[at : at + chance.randint(1, 6)]
            elif kind == 2:
                data[at:at] = chance.choice(splices)
            elif kind == 3:
                data[at:at] = data[: chance.randint(1, 40)]
            else:
                del data[at:]
        return bytes(data)
