"""`ZmqControl`: JSON requests over a ZeroMQ ROUTER, answered one for one, and changes pushed to those who watch.

The protocol is in docs/control.md. Each request is taken apart in `zmq_requests`; here are the socket and the watchers.
"""

import time

import zmq

from io_bridges.show_control import ShowControl, Subscription
from io_bridges.wakeup_socket import WakeupSocket
from io_bridges.zmq_requests import JsonReply, Request, Requests, ZmqClient, encode
from presets.errors import BridgeError, BridgeUnavailable

LARGEST_RECEIVED = 1 << 20
"""Bytes; libzmq hangs up on a peer that sends a larger part, before it takes memory for it."""
PUSH_INTERVAL = 0.02
"""Seconds between two pushes to one watcher."""
MOST_WATCHERS = 64
_BATCH = 256
"""Requests answered before pushes and `stop` have their turn."""


class ZmqControl:
    """A `Control` that binds a ROUTER: REQ clients ask and are answered, DEALER clients may watch too."""

    def __init__(self, address: str = "tcp://127.0.0.1:5557") -> None:
        """`address` is a ZeroMQ endpoint to bind; port ``*`` or 0 takes any free one."""
        self._wanted = address
        self._bound: str | None = None
        self._wake: WakeupSocket | None = None
        self._stopping = False
        self._watchers: dict[bytes, Subscription] = {}
        self._counts = dict.fromkeys(("requests", "errors", "pushed", "unsent", "watchers_dropped"), 0)

    @property
    def address(self) -> str:
        """The endpoint that is bound, with its port. Raises `BridgeError` before `open`."""
        if self._bound is None:
            raise BridgeError("ZeroMQ control is not open yet, so it has no address")
        return self._bound

    def open(self, desk: ShowControl) -> None:
        """Bind. Raises `BridgeUnavailable` for an address that is taken or can't be."""
        context = zmq.Context()
        router = context.socket(zmq.ROUTER)
        router.linger = 0
        router.ipv6 = "[" in self._wanted
        router.maxmsgsize = LARGEST_RECEIVED
        router.rcvhwm = 1000
        router.sndhwm = 64
        router.router_mandatory = 1  # a peer that is gone or full is an error to see, not silence
        router.heartbeat_ivl = 5_000  # ms; a peer that was unplugged is gone after the timeout
        router.heartbeat_timeout = 15_000
        try:
            router.bind(self._wanted)
        except zmq.ZMQError as error:
            context.destroy(linger=0)
            if error.errno == zmq.EADDRINUSE:
                why = "is in use; end the program that has it, or choose another address with --control"
            else:
                why = f"can't be opened: {error.strerror}; it is written like tcp://127.0.0.1:5557"
            raise BridgeUnavailable(f"the ZeroMQ control address {self._wanted} {why}") from error
        self._context, self._router = context, router
        self._bound = router.getsockopt_string(zmq.LAST_ENDPOINT)
        self._desk = desk
        self._requests = Requests(desk, {"watch": self._watch, "unwatch": self._unwatch})
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
            # Rounded up: a poll of 0 ms over and over would be a busy loop.
            ready = dict(poller.poll(None if wait is None else int(wait * 1000) + 1))
            if self._wake.fileno() in ready:
                self._wake.clear()
                due = True
            if self._router in ready:
                self._drain()
            now = time.monotonic()
            if due and now >= next_push:
                next_push, due = now + PUSH_INTERVAL, False
                self._push()

    def stop(self) -> None:
        """Make `serve` return soon; from any thread."""
        self._stopping = True
        wake = self._wake
        if wake is not None:
            wake.call()

    def close(self) -> None:
        """Give the port back; never raises, may be called twice."""
        if self._wake is not None:
            for identity in list(self._watchers):
                self._forget(identity)
            self._context.destroy(linger=0)
            self._wake.close()
            self._wake = None

    def status(self) -> dict[str, object]:
        """Counters, the endpoint and the number of watchers."""
        return {"address": self._bound, "watchers": len(self._watchers), **self._counts}

    def _drain(self) -> None:
        for _ in range(_BATCH):
            try:
                parts = self._receive()
            except zmq.Again:
                return
            self._counts["requests"] += 1
            identity, *envelope, body = parts
            peer = ZmqClient(identity, envelope == [b""])
            if envelope and not peer.enveloped:
                answer = self._requests.refusal("a request is one part, or REQ's empty part and one", peer)
            else:
                answer = self._requests.answer(body, peer)
            self._counts["errors"] += not answer["ok"]
            delimiter = [b""] if envelope[:1] == [b""] else []
            if not self._send(identity, [*delimiter, encode(answer)]):
                self._counts["unsent"] += 1

    def _receive(self) -> list[bytes]:
        """One message; of its parts no more are kept than show that they are too many. Raises `zmq.Again` for none."""
        parts = [self._router.recv(zmq.NOBLOCK)]
        while self._router.getsockopt(zmq.RCVMORE):
            part = self._router.recv()
            if len(parts) < 4:
                parts.append(part)
        return parts if len(parts) > 1 else [*parts, b""]

    def _watch(self, request: Request, peer: ZmqClient) -> JsonReply:
        if peer.enveloped:
            # A push would reach a REQ socket in the place of its next answer.
            raise BridgeError("changes are pushed at any time: watch with a DEALER socket, requests of one part")
        if peer.identity not in self._watchers and self._wake is not None:
            if len(self._watchers) >= MOST_WATCHERS:
                self._push(even_nothing=True)  # those that left without a word are found out by it
            if len(self._watchers) >= MOST_WATCHERS:
                raise BridgeError(f"{MOST_WATCHERS} clients are watching already")
            self._watchers[peer.identity] = self._desk.subscribe(peer.surface, self._wake.call)
        return {"values": self._desk.values()}

    def _unwatch(self, request: Request, peer: ZmqClient) -> JsonReply:
        self._forget(peer.identity)
        return {}

    def _forget(self, identity: bytes) -> None:
        subscription = self._watchers.pop(identity, None)
        if subscription is not None:
            subscription.close()

    def _push(self, even_nothing: bool = False) -> None:
        for identity, subscription in list(self._watchers.items()):
            changed = subscription.take()
            if not changed and not even_nothing:
                continue
            if self._send(identity, [encode({"changed": changed})]):
                self._counts["pushed"] += 1
            else:
                # It is gone, or has not read for so long that it would miss changes and not know.
                self._forget(identity)
                self._counts["watchers_dropped"] += 1

    def _send(self, identity: bytes, parts: list[bytes]) -> bool:
        """False if the peer is gone, or does not read and its queue is full."""
        try:
            self._router.send_multipart([identity, *parts], zmq.NOBLOCK)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True
