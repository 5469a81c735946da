"""`ZmqControl`: JSON requests over a ZeroMQ ROUTER socket, and changes pushed to the clients that watch.

The protocol is in docs/control.md. `zmq_requests` handles each request; this module has the socket and the watchers.
"""

import time
from collections import deque
from functools import partial

import zmq
from zmq.utils.monitor import recv_monitor_message

from io_bridges.peer_guard import PeerGuard
from io_bridges.show_control import ShowControl, Subscription
from io_bridges.wakeup_socket import WakeupSocket
from io_bridges.zmq_endpoint import HANDSHAKE_MS
from io_bridges.zmq_keys import CurveLock, lock_open_socket
from io_bridges.zmq_requests import Answer, Follow, Handler, JsonReply, Request, RequestHandler, ZmqClient, encode
from presets.errors import BridgeError, BridgeUnavailable

MAX_RECEIVED_BYTES = 1 << 20
"""Largest message part. libzmq disconnects a peer that sends a larger one, before it allocates memory for it."""
PUSH_INTERVAL = 0.02
"""Seconds between two pushes to one watcher."""
MAX_MESSAGE_BYTES = 4 << 20
"""Bytes that may come from a client after its last whole request. Then its connection ends."""
MAX_WATCHERS = 64
LOOK_MS = 250
"""Most milliseconds between two looks at what clients do."""
_BATCH = 256
"""Requests answered before pushes and `stop` get their turn."""


class ZmqControl:
    """A `Control` with a ROUTER socket. REQ clients send requests; DEALER clients may also watch changes."""

    def __init__(self, address: str = "tcp://127.0.0.1:5557", follow: Follow | None = None) -> None:
        """Set the ZeroMQ endpoint to bind. Port ``*`` or 0 takes any free port. `follow` answers a backup."""
        self._wanted = address
        self._bound: str | None = None
        self._wake: WakeupSocket | None = None
        self._stopping = False
        self._lock: CurveLock | None = None
        self._guard = PeerGuard(MAX_MESSAGE_BYTES)
        self._watchers: dict[bytes, Subscription] = {}
        self._more: dict[str, Handler] = {} if follow is None else {"follow": lambda request, *_: follow(request)}
        self._late: deque[tuple[list[bytes], JsonReply]] = deque()
        self._counts = dict.fromkeys(("requests", "errors", "pushed", "unsent", "watchers_dropped"), 0)

    @property
    def address(self) -> str:
        """The bound endpoint with its port. Raises `BridgeError` before `open`."""
        if self._bound is None:
            raise BridgeError("ZeroMQ control is not open yet")
        return self._bound

    def open(self, show: ShowControl) -> None:
        """Bind. Raises `BridgeUnavailable` if the address is in use or not valid."""
        context = zmq.Context()
        router = context.socket(zmq.ROUTER)
        router.linger = 0
        router.ipv6 = "[" in self._wanted
        router.maxmsgsize = MAX_RECEIVED_BYTES
        router.rcvhwm = 1000
        router.sndhwm = 64
        router.router_mandatory = 1  # Sending to a lost or full peer raises instead of dropping silently.
        # TCP drops an unplugged peer after 15 seconds. ZeroMQ's own heartbeat aborts the process (libzmq 4.3.5)
        # if it is due while the requests of a client that has died wait.
        router.tcp_keepalive, router.tcp_keepalive_cnt = 1, 2
        router.tcp_keepalive_idle = router.tcp_keepalive_intvl = 5
        router.tcp_maxrt = 15_000
        router.handshake_ivl = HANDSHAKE_MS
        self._guard = PeerGuard(MAX_MESSAGE_BYTES)
        monitor = router.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)
        try:
            self._lock = lock_open_socket(context, router, self._wanted)
            router.bind(self._wanted)
        except BridgeUnavailable:
            context.destroy(linger=0)
            raise
        except zmq.ZMQError as error:
            self._unlock()
            context.destroy(linger=0)
            raise BridgeUnavailable(_explain(self._wanted, error)) from error
        self._context, self._router, self._monitor = context, router, monitor
        self._bound = router.getsockopt_string(zmq.LAST_ENDPOINT)
        self._show = show
        self._requests = RequestHandler(show, {"watch": self._watch, "unwatch": self._unwatch, **self._more})
        self._stopping = False
        self._wake = WakeupSocket()

    def serve(self) -> None:
        """Answer requests and push changes until `stop`."""
        if self._wake is None:
            raise BridgeError("ZeroMQ control is not open")
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._wake, zmq.POLLIN)
        next_push, due = 0.0, False
        while not self._stopping:
            wait = max(0.0, next_push - time.monotonic()) if due else None
            # Rounded up, because polling for 0 ms again and again would be a busy loop.
            ready = dict(poller.poll(LOOK_MS if wait is None else min(int(wait * 1000) + 1, LOOK_MS)))
            if self._wake.fileno() in ready:
                self._wake.clear()
                self._send_late()
                due = True
            if self._router in ready:
                self._drain()
            self._guard_peers()
            now = time.monotonic()
            if due and now >= next_push:
                next_push, due = now + PUSH_INTERVAL, False
                self._push()

    def stop(self) -> None:
        """Make `serve` return soon. May be called from any thread."""
        self._stopping = True
        wake = self._wake
        if wake is not None:
            wake.call()

    def close(self) -> None:
        """Release the port. Never raises; may be called twice."""
        if self._wake is not None:
            for identity in list(self._watchers):
                self._remove_watcher(identity)
            self._unlock()
            self._router.disable_monitor()
            self._context.destroy(linger=0)
            self._wake.close()
            self._wake = None

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def status(self) -> dict[str, object]:
        """Return the endpoint, the number of watchers and the counters."""
        ended = self._guard.turned_away + self._guard.endless
        return {"address": self._bound, "watchers": len(self._watchers), "ended": ended, **self._counts}

    def _drain(self) -> None:
        for _ in range(_BATCH):
            try:
                parts = self._receive()
            except zmq.Again:
                return
            self._counts["requests"] += 1
            identity, *envelope, body = parts
            client = ZmqClient(identity, envelope == [b""])
            route = [identity, b""] if envelope[:1] == [b""] else [identity]
            reply: JsonReply | None
            if envelope and not client.enveloped:
                reply = self._requests.refuse("A request must have one part, after the empty part of a REQ", client)
            else:
                reply = self._requests.reply(body, client, partial(self._put_late, route))
            if reply is not None:
                self._answer(route, reply)

    def _guard_peers(self) -> None:
        """Bound the clients, and what each sends."""
        while self._monitor.poll(0):
            message = recv_monitor_message(self._monitor, zmq.NOBLOCK)
            is_new = message["event"] == zmq.EVENT_ACCEPTED
            (self._guard.opened if is_new else self._guard.closed)(int(message["value"]))
        self._guard.look()

    def _answer(self, route: list[bytes], reply: JsonReply) -> None:
        self._counts["errors"] += not reply["ok"]
        identity, *delimiter = route
        if not self._send(identity, [*delimiter, encode(reply)]):
            self._counts["unsent"] += 1

    def _put_late(self, route: list[bytes], reply: JsonReply) -> None:
        """Keep a reply for the thread that owns the socket. Any thread may call it."""
        self._late.append((route, reply))
        wake = self._wake
        if wake is not None:
            wake.call()

    def _send_late(self) -> None:
        while self._late:
            self._answer(*self._late.popleft())

    def _receive(self) -> list[bytes]:
        """Return the parts of one message, at most four: one more than any valid message. Raises `zmq.Again`."""
        parts = [self._router.recv(zmq.NOBLOCK)]
        while self._router.getsockopt(zmq.RCVMORE):
            part = self._router.recv(copy=False)
            if len(parts) == 1:
                self._guard.delivered(int(part.get(zmq.SRCFD)))
            if len(parts) < 4:
                parts.append(part.bytes)
        return parts if len(parts) > 1 else [*parts, b""]

    def _watch(self, request: Request, client: ZmqClient, answer: Answer) -> JsonReply:
        if client.enveloped:
            # A REQ socket would take a push for the reply to its next request.
            raise BridgeError("Changes are pushed at any time. Watch with a DEALER socket and requests of one part")
        if client.identity not in self._watchers and self._wake is not None:
            if len(self._watchers) >= MAX_WATCHERS:
                self._push(even_empty=True)  # Finds and drops the clients that have left.
            if len(self._watchers) >= MAX_WATCHERS:
                raise BridgeError(f"The limit of {MAX_WATCHERS} watching clients is reached")
            self._watchers[client.identity] = self._show.subscribe(client.surface, self._wake.call)
        return {"values": self._show.values()}

    def _unwatch(self, request: Request, client: ZmqClient, answer: Answer) -> JsonReply:
        self._remove_watcher(client.identity)
        return {}

    def _remove_watcher(self, identity: bytes) -> None:
        subscription = self._watchers.pop(identity, None)
        if subscription is not None:
            subscription.close()

    def _push(self, even_empty: bool = False) -> None:
        for identity, subscription in list(self._watchers.items()):
            changed = subscription.take()
            if not changed and not even_empty:
                continue
            if self._send(identity, [encode({"changed": changed})]):
                self._counts["pushed"] += 1
            else:
                # The client has left, or reads so slowly that it would miss changes without knowing.
                self._remove_watcher(identity)
                self._counts["watchers_dropped"] += 1

    def _send(self, identity: bytes, parts: list[bytes]) -> bool:
        """Send without blocking. Return False if the client has left or its queue is full."""
        try:
            self._router.send_multipart([identity, *parts], zmq.NOBLOCK)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True


def _explain(address: str, error: zmq.ZMQError) -> str:
    if error.errno == zmq.EADDRINUSE:
        return (
            f"The ZeroMQ control address {address} is in use. "
            "Stop the program that uses it, or choose another address with --control"
        )
    return f"Cannot open the ZeroMQ control address {address}: {error.strerror}. Write it like tcp://127.0.0.1:5557"
