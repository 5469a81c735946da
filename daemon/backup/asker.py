"""`Asker`: asks the control port of a show, one question at a time, over any failure of the network."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import zmq

from io_bridges.zmq_keys import ClientKey, is_open, read_client_key
from presets.errors import BridgeError, SettingsError

MOST_BYTES = 1 << 20
"""Largest report that is read."""


class FirstAddress(NamedTuple):
    """Control port of the first show."""

    endpoint: str
    """ZeroMQ endpoint to connect to."""
    key: ClientKey | None = None
    """Keys for a port that is open to a network; None on this machine."""


def first_address(endpoint: str, key: Path | None) -> FirstAddress:
    """Return the address of a first show. Raises `SettingsError` for a network without keys, or a damaged file."""
    if key is not None:
        return FirstAddress(endpoint, read_client_key(key))
    if is_open(endpoint):
        raise SettingsError(
            f"--backup {endpoint}: a show on another machine wants keys. Make them there by 'streamflow-live keys make"
            " backup', copy backup.key_secret to this machine, and name it by --backup-key"
        )
    return FirstAddress(endpoint)


class Asker:
    """A socket that is made anew when no answer comes. One thread only."""

    def __init__(self, first: FirstAddress) -> None:
        self._first = first
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None

    def send(self, message: Mapping[str, object]) -> None:
        """Send a question. An answer to an earlier one that did not come is never read."""
        if self._socket is None:
            self._socket = self._connected()
        body = json.dumps({"do": "follow", **message}, ensure_ascii=False, allow_nan=False).encode()
        try:
            self._socket.send(body, zmq.NOBLOCK)
        except zmq.Again:  # the other side takes nothing any more
            self.renew()

    def receive(self, seconds: float) -> dict[str, object] | None:
        """Return the answer; None if it does not come in time. Raises `BridgeError` for one that is no JSON object."""
        if self._socket is None or not self._socket.poll(round(seconds * 1000)):
            return None
        try:
            answer = json.loads(self._socket.recv(zmq.NOBLOCK))
        except (zmq.ZMQError, ValueError, RecursionError) as error:
            raise BridgeError(f"{self._first.endpoint} answers no JSON: {str(error)[:100]}") from error
        if not isinstance(answer, dict):
            raise BridgeError(f"{self._first.endpoint} answers no JSON object")
        return answer

    def renew(self) -> None:
        """Drop the connection, so that the next question makes another."""
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = None

    def close(self) -> None:
        """Drop the connection for good. What was sent last has a moment to leave."""
        if self._socket is not None:
            self._socket.close(linger=200)
            self._socket = None
        self._context.term()

    def _connected(self) -> "zmq.Socket[bytes]":
        socket = self._context.socket(zmq.DEALER)
        socket.linger = 0
        socket.maxmsgsize = MOST_BYTES
        socket.sndhwm = socket.rcvhwm = 4
        socket.ipv6 = "[" in self._first.endpoint
        # A machine that is off answers no connection attempt, and the system would wait for minutes.
        socket.connect_timeout = 1000
        if (key := self._first.key) is not None:
            socket.curve_publickey, socket.curve_secretkey, socket.curve_serverkey = key
        try:
            socket.connect(self._first.endpoint)
        except zmq.ZMQError as error:
            socket.close(linger=0)
            raise BridgeError(f"Cannot connect to {self._first.endpoint}: {error.strerror}") from error
        return socket
