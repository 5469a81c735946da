"""`LinkServer`: the stage's end of the link. One thread receives messages and answers asks."""

import hmac
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import zmq

from daemon.link.dealer import Connection, Dealer, Responder
from daemon.link.endpoint import bind
from daemon.link.link_lock import LinkLock
from daemon.link.messages import (
    Ask,
    Delivery,
    Description,
    Failed,
    Hello,
    Progress,
    RendererMessage,
    TakesLong,
    decode_message,
)
from daemon.link.renderer_report import RendererReport
from daemon.shared.clock import Clock
from daemon.shared.refusals import Refusals
from daemon.shared.threads import restart_on_crash
from io_bridges.frames import RenderedFrame
from io_bridges.wakeup_socket import WakeupSocket
from presets.build import Build
from presets.errors import RendererError

OnDelivery = Callable[[RendererReport, RenderedFrame, int, int], None]
"""Called with a renderer, its picture, and the place of it, from 0, among so many that one network call finished."""


class LinkServer:
    """Answers each ask once. The methods may be called from any thread."""

    def __init__(self, responder: Responder, clock: Clock, on_delivery: OnDelivery, host: str = "") -> None:
        """Create it without a socket.

        Args:
            responder: Content of the answers.
            clock: Time of the stage.
            on_delivery: See `OnDelivery`.
            host: Address of this machine for renderers on others, which need keys; empty for those of this machine.
        """
        self._dealer = Dealer(responder)
        self._clock = clock
        self._on_delivery = on_delivery
        self._wake = WakeupSocket()
        self._reports: dict[str, RendererReport] = {}
        """Renderers that may say hello, by token."""
        self._connections: dict[bytes, Connection] = {}
        """Renderers that said hello, by the identity of their socket. The link's thread alone changes it."""
        self._stopping = False
        self._rendered = 0
        self.refused = 0
        """Messages that were malformed, or came from a stranger."""
        self._refusals = Refusals()
        self._folder: Path | None = None
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._host = host
        self._lock: LinkLock | None = None
        self.endpoint = ""
        """Address for renderers to connect to; empty before `start`."""
        listen = restart_on_crash("the renderer link", self._run, lambda: self._stopping)
        self._thread = threading.Thread(target=listen, name="renderer-link", daemon=True)

    def start(self) -> None:
        """Bind the socket and start the thread."""
        if self._host:
            self._lock = LinkLock(self._context)
            self._lock.lock(self._socket)
            port = self._socket.bind_to_random_port(f"tcp://{self._host}")
            self.endpoint = f"tcp://{self._host}:{port}"
        else:
            self.endpoint, self._folder = bind(self._socket)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and remove the folder of the socket."""
        self._stopping = True
        self._wake.call()
        if self._thread.is_alive():
            self._thread.join(2.0)
        if self._lock is not None:
            self._lock.close()
        self._context.destroy(linger=0)
        self._wake.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def public_key(self) -> str:
        """Public key of the stage, in Z85, for renderers on other machines; empty without a `host`."""
        return self._lock.public.decode() if self._lock else ""

    def admit(self, key: str) -> None:
        """Let in a renderer of another machine by its public key, in Z85."""
        if self._lock is not None:
            self._lock.admit(key)

    def expect(self, build: Build | None = None) -> RendererReport:
        """Create the token and the report of a renderer of a build that is about to be started."""
        report = RendererReport(os.urandom(16).hex(), self._clock.now(), build)
        self._reports[report.token] = report
        return report

    def forget(self, report: RendererReport) -> None:
        """Ignore a renderer from now on."""
        self._reports.pop(report.token, None)
        if not self._stopping:
            self._wake.call()  # its frame may be another's

    def release(self, report: RendererReport) -> None:
        """Answer the ask of an understudy, and from then on all of them."""
        report.is_held = False
        self.ring()

    def ring(self) -> None:
        """Signal a new frame or a new revision. Returns at once."""
        # Without an ask there is nobody to answer: under a flood of messages each wake-up would cost more than the
        # message. An ask that comes meanwhile is looked at after it has come in, and so finds what is new.
        if self._asks_waiting:
            self._wake.call()

    @property
    def _asks_waiting(self) -> int:
        """Number of asks that a new frame answers."""
        return sum(each.ask is not None and not each.report.is_held for each in list(self._connections.values()))

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._wake.fileno(), zmq.POLLIN)
        while not self._stopping:
            now = self._clock.now()
            soonest = self._dealer.next_look(self._connections.values(), now)
            # Rounded up, or the last millisecond of a wait would be spent spinning.
            poller.poll(max(0, -(-(soonest - now) // 1_000_000)))
            self._wake.clear()
            self._receive()
            self._answer_asks()

    def _receive(self) -> None:
        while True:
            try:
                identity, *parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            try:
                self._take(identity.bytes, decode_message([part.buffer for part in parts]))
            except RendererError as error:
                self.refused += 1
                self._refusals.count("the renderer link", type(error).__name__, str(error))

    def _take(self, identity: bytes, message: RendererMessage) -> None:
        if isinstance(message, Hello):
            self._greet(identity, message.token)
            return
        connection = self._connections.get(identity)
        if connection is None or connection.report.token not in self._reports:
            return
        report = connection.report
        report.heard_at = self._clock.now()
        match message:
            case Ask():
                connection.asks(message, report.heard_at)
            case Delivery():
                if message.stamps.turn > connection.turn:
                    raise RendererError(f"A picture of turn {message.stamps.turn}, which was not given, came.")
                self._deliver(report, message)
            case Progress():
                report.progress = message
            case Description():
                report.description = message
            case TakesLong():
                report.takes_long_at = report.heard_at
                report.takes_long = message
            case Failed():
                report.failure = message

    def _greet(self, identity: bytes, token: str) -> None:
        for known, report in list(self._reports.items()):
            if hmac.compare_digest(known.encode(), token.encode()):
                report.heard_at = self._clock.now()
                self._connections[identity] = Connection(report)
                return
        raise RendererError("A stranger without the token of this run said hello.")

    def _deliver(self, report: RendererReport, delivery: Delivery) -> None:
        stamps = delivery.stamps
        self._rendered += 1
        frame = RenderedFrame(
            delivery.pixels,
            self._rendered,
            stamps.source_index,
            stamps.captured_at,
            stamps.revision,
            min(stamps.given_at, self._clock.now()),
        )
        report.deliveries = report.deliveries.after(delivery)
        report.times.append(self._clock.now())
        self._on_delivery(report, frame, delivery.place, delivery.call.finished)

    def _answer_asks(self) -> None:
        for identity, connection in list(self._connections.items()):
            if connection.report.token not in self._reports:
                self._dealer.lose(self._connections.pop(identity))
        identities = {id(connection): identity for identity, connection in self._connections.items()}
        for connection, answer in self._dealer.answers(self._connections.values(), self._clock.now()):
            parts = [identities[id(connection)], *answer.encode()]
            self._socket.send_multipart(parts, zmq.NOBLOCK, copy=False)
