"""`OscControl`: OSC over one UDP socket, in and back.

What a surface may send, and what it is told, is in docs/control.md. Here is the socket and the rhythm of feedback; what
a message does is in `osc.dispatch`, who hears of which change in `osc.surfaces`, how a flood is borne in `osc.newest`
and `osc.moderation`.
"""

import errno
import math
import selectors
import socket
import sys
import time
from collections.abc import Sequence

from io_bridges.osc.dispatcher import OscDispatcher
from io_bridges.osc.flood_limiter import FloodLimiter
from io_bridges.osc.packets import encode
from io_bridges.osc.surfaces import Endpoint, Surfaces
from io_bridges.show_control import ShowControl
from io_bridges.wakeup_socket import WakeupSocket
from presets.errors import BridgeError, BridgeUnavailable
from presets.parameter_table import Value

RECEIVE_BUFFER = 4 << 20
"""Bytes asked of the system for datagrams that wait: some seconds of the busiest desk."""
FEEDBACK_INTERVAL = 0.02
"""Seconds between two values sent for one address."""
STATUS_INTERVAL = 1.0
BATCH_TIME = 0.004
"""Seconds of a flood that are worked off before `stop` and feedback have their turn."""


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
        self._wake: WakeupSocket | None = None
        self._stopping = False
        self._socket: socket.socket | None = None
        self._address: Endpoint | None = None
        self._dispatch: OscDispatcher | None = None
        self._counts = {"sent": 0, "unsent": 0}

    @property
    def address(self) -> Endpoint:
        """The host and port that are bound. Raises `BridgeError` before `open`."""
        if self._address is None:
            raise BridgeError("OSC control is not open yet, so it has no port")
        return self._address

    def open(self, desk: ShowControl) -> None:
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
        self._wake = WakeupSocket()
        self._desk = desk
        self._surfaces = Surfaces(desk, self._wake.call)
        self._dispatch = OscDispatcher(desk, self._surfaces, self._send, self._lease, self._is_own)
        for target in targets:
            self._surfaces.add(target)

    def serve(self) -> None:
        """Take messages and send feedback until `stop`. Raises `BridgeError` if the socket itself fails."""
        if self._socket is None or self._wake is None or self._dispatch is None:
            raise BridgeError("OSC control is not open")
        moderation = FloodLimiter()
        next_feedback = next_status = rest = 0.0
        changed = False
        with selectors.DefaultSelector() as everything, selectors.DefaultSelector() as wake_only:
            everything.register(self._socket, selectors.EVENT_READ)
            everything.register(self._wake, selectors.EVENT_READ)
            wake_only.register(self._wake, selectors.EVENT_READ)
            while not self._stopping:
                now = time.monotonic()
                if now >= next_status:
                    next_status = now + STATUS_INTERVAL
                    self._surfaces.expire(now)
                    self._note_status()
                due = changed or self._surfaces.owe_something()
                if due and now >= next_feedback:
                    next_feedback = now + FEEDBACK_INTERVAL
                    changed = due = False
                    self._send_feedback()
                resting = now < rest
                until = min(next_status, next_feedback if due else math.inf, rest if resting else math.inf)
                selector = wake_only if resting else everything
                ready = {key.fileobj for key, _ in selector.select(max(0.0, until - now))}
                if self._wake in ready:
                    self._wake.clear()
                    changed = True
                began = time.monotonic()
                if self._socket in ready or (resting and began >= rest):  # after a rest there is surely something
                    rest = moderation.rest(began, self._drain(self._socket, self._dispatch, began + BATCH_TIME))

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
            "targets": 0 if self._dispatch is None else len(self._surfaces),
            **({} if self._dispatch is None else self._dispatch.counts),
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

    def _drain(self, bound: socket.socket, dispatch: OscDispatcher, until: float) -> int:
        """Work off what has come, for so long at most; returns how many datagrams."""
        found = 0
        try:
            while True:
                try:
                    datagram, sender = bound.recvfrom(65_535)
                except BlockingIOError:
                    return found
                except ConnectionResetError:  # Windows: nobody heard an earlier feedback datagram
                    continue
                except OSError as error:
                    raise BridgeError(f"the OSC port {self.address[1]} failed: {error.strerror or error}") from error
                found += 1
                dispatch.datagram(datagram, sender)
                if time.monotonic() >= until:
                    return found
        finally:
            dispatch.flush()

    def _note_status(self) -> None:
        if not len(self._surfaces):
            return
        status = self._desk.status()
        for address, key in (("/streamflow/fps", "fps"), ("/streamflow/latency", "latency_ms")):
            number = status.get(key)
            if isinstance(number, int | float) and math.isfinite(number):
                for target in self._surfaces.targets():
                    target.note(address, float(number))

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
