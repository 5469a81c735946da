"""`OscControl`: OSC over one UDP socket, in and back.

What a surface may send, and what it is told, is in docs/control.md; who hears of which change, in `osc.surfaces`.
"""

import errno
import math
import selectors
import socket
import sys
import time
from collections.abc import Sequence

from io_bridges.desk import Desk
from io_bridges.osc.packets import Impulse, MalformedPacket, Message, encode, walk
from io_bridges.osc.patterns import AddressBook, MalformedPattern, is_pattern
from io_bridges.osc.surfaces import MOST_SUBSCRIBERS, Endpoint, Surfaces
from io_bridges.wake import Wake
from presets.coercion import as_number
from presets.errors import BridgeError, BridgeUnavailable, ParameterRefused
from presets.live import Value

RECEIVE_BUFFER = 4 << 20
"""Bytes asked of the system for datagrams that wait: some seconds of the busiest desk."""
FEEDBACK_INTERVAL = 0.02
"""Seconds between two values sent for one address."""
STATUS_INTERVAL = 1.0
BATCH_TIME = 0.005
"""Seconds of a flood that are worked off before `stop` and feedback have their turn."""
MOST_COSTLY = 64
"""Patterns, polls and unknown addresses taken from one datagram; of plain values, any number is."""


class OscControl:
    """A `Control` that takes OSC 1.0 on one UDP port (IPv4) and sends feedback from it.

    `host` and `port` are what it binds (port 0 takes any free one); `feedback` are surfaces that are always told of
    changes, beside those that send ``/subscribe``, whose subscription ends `lease` seconds after it was last asked for.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 9000,
        feedback: Sequence[tuple[str, int]] = (),
        lease: float = 600.0,
    ) -> None:
        self._wanted = (host, port)
        self._feedback = tuple(feedback)
        self._lease = lease
        self._wake: Wake | None = None
        self._stopping = False
        self._socket: socket.socket | None = None
        self._address: Endpoint | None = None
        self._counts = dict.fromkeys(("datagrams", "messages", "accepted", "refused", "malformed", "sent", "unsent"), 0)

    @property
    def address(self) -> Endpoint:
        """The host and port that are bound. Raises `BridgeError` before `open`."""
        if self._address is None:
            raise BridgeError("OSC control is not open yet, so it has no port")
        return self._address

    def open(self, desk: Desk) -> None:
        """Bind. Raises `BridgeUnavailable` for a port that is taken, a host that is unknown, feedback to itself."""
        targets = [(_resolve(host), port) for host, port in self._feedback]
        self._socket = self._bind()
        self._address = self._socket.getsockname()
        for host, port in targets:
            if self._is_own((host, port)) or not 1 <= port <= 65_535:
                self.close()
                raise BridgeUnavailable(
                    f"OSC feedback can't go to {host}:{port}: give the port that the surface listens on,"
                    f" not {self._address[1]}, which is our own"
                )
        self._stopping = False
        self._wake = Wake()
        self._desk = desk
        self._book = AddressBook(desk.parameters, outside_patterns=desk.actions)
        self._surfaces = Surfaces(desk, self._wake.call)
        for target in targets:
            self._surfaces.add(target)

    def serve(self) -> None:
        """Take messages and send feedback until `stop`. Raises `BridgeError` if the socket itself fails."""
        if self._socket is None or self._wake is None:
            raise BridgeError("OSC control is not open")
        next_feedback = next_status = 0.0
        due = True  # the first values of the configured targets
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while not self._stopping:
                now = time.monotonic()
                if now >= next_status:
                    next_status = now + STATUS_INTERVAL
                    self._surfaces.expire(now)
                    due |= self._note_status()
                if due and now >= next_feedback:
                    next_feedback = now + FEEDBACK_INTERVAL
                    due = False
                    self._send_feedback()
                ready = selector.select(max(0.0, min(next_status, next_feedback if due else math.inf) - now))
                for key, _ in ready:
                    if key.fileobj is self._wake:
                        self._wake.clear()
                        due = True
                    else:
                        due |= self._drain(self._socket, until=time.monotonic() + BATCH_TIME)

    def stop(self) -> None:
        """Make `serve` return soon; from any thread."""
        self._stopping = True
        wake = self._wake
        if wake is not None:
            wake.call()

    def close(self) -> None:
        """Give the port back; never raises, may be called twice."""
        if self._wake is not None:
            self._surfaces.close()
            self._wake.close()
            self._wake = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def status(self) -> dict[str, object]:
        """Counters, the endpoint and the number of surfaces that are told of changes."""
        return {
            "address": None if self._address is None else f"osc.udp://{self._address[0]}:{self._address[1]}",
            "targets": 0 if self._wake is None else len(self._surfaces),
            **self._counts,
        }

    def _bind(self) -> socket.socket:
        host, port = self._wanted
        address = _resolve(host)
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.setblocking(False)
        if sys.platform == "win32":  # there another program could otherwise share the port, and take what comes
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        try:
            bound.bind((address, port))
        except OSError as error:
            bound.close()
            if error.errno == errno.EADDRINUSE:
                why = "is in use; end the program that has it, or choose another port with --osc"
            else:
                why = f"can't be opened: {error.strerror or error}"
            raise BridgeUnavailable(f"OSC port {port} (UDP, {host}) {why}") from error
        except OverflowError as error:
            bound.close()
            raise BridgeUnavailable(f"OSC port {port} can't be: ports go from 0 to 65535") from error
        return bound

    def _is_own(self, endpoint: Endpoint) -> bool:
        host, port = self.address
        return endpoint[1] == port and (endpoint[0] == host or (host == "0.0.0.0" and endpoint[0].startswith("127.")))

    def _drain(self, bound: socket.socket, until: float) -> bool:
        """Work off what has come. True if something is to be sent back."""
        due = False
        while True:
            try:
                datagram, sender = bound.recvfrom(65_535)
            except BlockingIOError:
                return due
            except ConnectionResetError:  # Windows: nobody heard an earlier feedback datagram
                continue
            except OSError as error:
                raise BridgeError(f"the OSC port {self.address[1]} failed: {error.strerror or error}") from error
            self._counts["datagrams"] += 1
            due |= self._datagram(datagram, sender)
            if time.monotonic() >= until:
                return due

    def _datagram(self, datagram: bytes, sender: Endpoint) -> bool:
        surface = f"osc:{sender[0]}:{sender[1]}"
        try:
            messages = walk(datagram)
        except MalformedPacket as error:
            self._counts["malformed"] += 1
            self._desk.refused(surface, f"malformed OSC: {error}")
            return self._tell_refusal(sender, f"malformed OSC: {error}")
        parameters = self._desk.parameters
        due = False
        costly = 0
        for message in messages:
            self._counts["messages"] += 1
            poll = message.arguments == ["?"]
            if poll or message.address not in parameters:
                costly += 1
                if costly > MOST_COSTLY:
                    continue
            due |= self._message(message, poll, sender, surface)
        if costly > MOST_COSTLY:
            due |= self._refuse(
                sender, surface, f"more than {MOST_COSTLY} patterns, polls and unknown addresses in one datagram"
            )
        return due

    def _message(self, message: Message, poll: bool, sender: Endpoint, surface: str) -> bool:
        address, arguments = message
        if address in ("/subscribe", "/unsubscribe"):
            return self._subscription(address == "/subscribe", arguments, sender, surface)
        try:
            found = self._book.find(address)
        except MalformedPattern as error:
            return self._refuse(sender, surface, f"{address[:60]}: {error}")
        if not found and is_pattern(address):
            return self._refuse(sender, surface, f"{address[:60]} matches no parameter")
        if poll:
            return self._answer_poll(found or (address,), sender, surface)
        due = False
        for known in found or (address,):  # the desk knows best what to say of an address that it does not know
            # A bang is how some surfaces press a button: for an action, it is no argument.
            is_bang = known in self._desk.actions and arguments == [Impulse.IMPULSE]
            answer = self._desk.apply(known, [] if is_bang else arguments, surface)
            if answer.accepted:
                self._counts["accepted"] += 1
                if answer.value is not None:
                    self._surfaces.relay(sender, answer.address)
                    due = True
            else:
                self._counts["refused"] += 1
                due |= self._tell_refusal(sender, f"{known[:60]}: {answer.note}")
        return due

    def _refuse(self, sender: Endpoint, surface: str, reason: str) -> bool:
        self._counts["refused"] += 1
        self._desk.refused(surface, reason)
        return self._tell_refusal(sender, reason)

    def _tell_refusal(self, sender: Endpoint, reason: str) -> bool:
        # Only to surfaces that asked for feedback, and only the newest: a refusal must not become a flood of its own.
        told = self._surfaces.known(sender)
        for target in told:
            target.note("/streamflow/refused", reason)
        return bool(told)

    def _subscription(self, wanted: bool, arguments: list[object], sender: Endpoint, surface: str) -> bool:
        try:
            number = as_number(arguments[0]) if arguments and arguments != [Impulse.IMPULSE] else float(sender[1])
        except ParameterRefused as error:
            return self._refuse(sender, surface, f"/subscribe takes the port to send feedback to: {error}")
        if not (number.is_integer() and 1024 <= number <= 65_535) or self._is_own((sender[0], int(number))):
            # Below 1024 it is a button's 1, or somebody else's service.
            return self._refuse(sender, surface, f"/subscribe: no feedback can be sent to port {number:g}")
        endpoint = (sender[0], int(number))
        if not wanted:
            self._surfaces.unsubscribe(sender, endpoint)
        elif not self._surfaces.subscribe(sender, endpoint, time.monotonic() + self._lease):
            return self._refuse(sender, surface, f"/subscribe: {MOST_SUBSCRIBERS} surfaces are subscribed already")
        return wanted

    def _answer_poll(self, addresses: tuple[str, ...], sender: Endpoint, surface: str) -> bool:
        values = self._desk.values()
        endpoints = [target.endpoint for target in self._surfaces.known(sender)] or [sender]
        for address in addresses:
            if address not in values:
                return self._refuse(sender, surface, f"{address[:60]} has no value to ask for")
            for endpoint in endpoints:
                self._send(address, values[address], endpoint)
        return False

    def _note_status(self) -> bool:
        if not len(self._surfaces):
            return False
        status = self._desk.status()
        due = False
        for address, key in (("/streamflow/fps", "fps"), ("/streamflow/latency", "latency_ms")):
            number = status.get(key)
            if isinstance(number, int | float) and math.isfinite(number):
                due = True
                for target in self._surfaces.targets():
                    target.note(address, float(number))
        return due

    def _send_feedback(self) -> None:
        for target in self._surfaces.targets():
            for address, value in target.take(self._desk.values).items():
                self._send(address, value, target.endpoint)

    def _send(self, address: str, value: Value, endpoint: Endpoint) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(encode(address, value), endpoint)
        except OSError:  # no way to that host, or its buffer is full: feedback is only ever the newest value
            self._counts["unsent"] += 1
        else:
            self._counts["sent"] += 1


def _resolve(host: str) -> str:
    """The IPv4 address of a host. Raises `BridgeUnavailable`."""
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise BridgeUnavailable(f"OSC: no IPv4 host is called {host!r}") from error
    return str(found[0][4][0])
