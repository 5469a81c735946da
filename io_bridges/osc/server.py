"""`OscControl`: OSC control and feedback over one UDP socket, and over TCP where that is asked for.

docs/control.md says what a surface may send and what it gets back. This module has the socket and the timing of
feedback, `osc.dispatcher` applies the messages, `osc.surfaces` keeps the feedback targets, and `osc.flood_control`
handles floods.
"""

import math
import selectors
import socket
import time
from collections.abc import Sequence

from io_bridges.osc.admission import OscAdmission
from io_bridges.osc.dispatcher import OscDispatcher
from io_bridges.osc.flood_control import FloodLimiter
from io_bridges.osc.monitor import OscMonitor
from io_bridges.osc.packets import encode_message
from io_bridges.osc.program_reports import STATUS_NUMBERS, has_reports, program_reports
from io_bridges.osc.surfaces import Surfaces, UdpAddress
from io_bridges.osc.tcp_connections import TcpConnections
from io_bridges.osc.udp_port import UdpPort
from io_bridges.osc.udp_socket import resolve
from io_bridges.show_control import ShowControl
from io_bridges.wakeup_socket import WakeupSocket
from presets.address_aliases import AliasTable
from presets.errors import BridgeError, BridgeUnavailable
from presets.parameter_table import Value

FEEDBACK_INTERVAL = 0.02
"""Seconds between two values sent for one address."""
STATUS_INTERVAL = 1.0
"""Seconds between two sends of fps and latency."""
BATCH_TIME = 0.004
"""Seconds of reading in a flood before feedback and `stop` get their turn."""


class OscControl:
    """A `Control` for OSC on one UDP port (IPv4), which also sends feedback from that port, and on one TCP port."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 9000,
        feedback: Sequence[tuple[str, int]] = (),
        lease: float = 600.0,
        aliases: AliasTable | None = None,
        tcp: tuple[str, int] | None = None,
        admission: OscAdmission | None = None,
    ) -> None:
        """Set the host and port to bind; port 0 takes any free port.

        `feedback` lists the hosts and ports that always get changes. Surfaces that send ``/subscribe`` get them too,
        for `lease` seconds after each ``/subscribe``. `aliases` are addresses of other programs.
        `tcp` is the host and port of TCP; None for none. `admission` says who is heard, by default this machine alone.
        """
        self._wanted = (host, port)
        self._feedback, self._lease, self._aliases = tuple(feedback), lease, aliases or AliasTable()
        self._admission = admission or OscAdmission()
        self._wanted_tcp = tcp
        self._tcp: TcpConnections | None = None
        self._wake: WakeupSocket | None = None
        self._stopping = False
        self._udp: UdpPort | None = None
        self._dispatcher: OscDispatcher | None = None
        self._counts = {"sent": 0, "unsent": 0, "gone": 0}
        self.monitor = OscMonitor()
        """The last messages. They stay when the control is opened again."""

    @property
    def address(self) -> UdpAddress:
        """The bound host and port. Raises `BridgeError` before `open`."""
        if self._udp is None:
            raise BridgeError("OSC control is not open yet")
        return self._udp.address

    def open(self, show: ShowControl) -> None:
        """Bind. Raises `BridgeUnavailable` for a port in use, an unknown host, or feedback to this control itself."""
        targets = [(resolve(host), port) for host, port in self._feedback]
        self._udp = udp = UdpPort(*self._wanted)
        for host, port in targets:
            if udp.is_own((host, port)) or not 1 <= port <= 65_535:
                self.close()
                raise BridgeUnavailable(
                    f"OSC feedback cannot go to {host}:{port}. Give the port that the surface listens on, "
                    f"not {udp.address[1]}, which this show listens on"
                )
        self._stopping = False
        self._wake = WakeupSocket()
        self._show, self._admission.refused = show, show.refused
        self._surfaces = Surfaces(show, self._wake.call)
        bounded = self._admission.bounded
        self._dispatcher = OscDispatcher(
            show,
            self._surfaces,
            bounded(self._send, self._is_connected),
            self._lease,
            udp.is_own,
            self._wake.call,
            self.monitor,
            self._aliases,
            tell=bounded(self._send, self._is_connected, spares_loopback=False),
        )
        for target in targets:
            self._surfaces.add(target)
        if self._wanted_tcp is not None:
            try:
                self._tcp = TcpConnections(*self._wanted_tcp, self._wake.call, show.refused, self._admission.hears)
            except BridgeUnavailable:
                self.close()
                raise
            self._surfaces.is_connected = self._tcp.knows

    def serve(self) -> None:
        """Apply messages and send feedback until `stop`. Raises `BridgeError` if the socket itself fails."""
        if self._udp is None or self._wake is None or self._dispatcher is None:
            raise BridgeError("OSC control is not open")
        limiter = FloodLimiter()
        next_feedback = next_status = pause_end = 0.0
        changed = False
        with selectors.DefaultSelector() as everything, selectors.DefaultSelector() as wake_only:
            for bound in self._udp.sockets:
                everything.register(bound, selectors.EVENT_READ)
            everything.register(self._wake, selectors.EVENT_READ)
            wake_only.register(self._wake, selectors.EVENT_READ)
            while not self._stopping:
                now = time.monotonic()
                if now >= next_status:
                    next_status = now + STATUS_INTERVAL
                    self._surfaces.expire(now)
                    self._drop_closed(self._udp)
                    self._queue_status()
                due = changed or self._surfaces.any_queued()
                if due and now >= next_feedback:
                    next_feedback = now + FEEDBACK_INTERVAL
                    changed = due = False
                    self._send_feedback()
                pausing = now < pause_end
                until = min(next_status, next_feedback if due else math.inf, pause_end if pausing else math.inf)
                selector = wake_only if pausing else everything
                ready = {key.fileobj for key, _ in selector.select(max(0.0, until - now))}
                if self._wake in ready:
                    self._wake.clear()
                    self._dispatcher.answer_late()
                    self._take_packets(self._dispatcher, time.monotonic() + BATCH_TIME)
                    changed = True
                began = time.monotonic()
                until = began + BATCH_TIME
                # After a pause there are certainly datagrams, so the sockets are read without a select.
                is_over = pausing and began >= pause_end
                if readable := [bound for bound in self._udp.sockets if is_over or bound in ready]:
                    count = sum(self._drain(self._udp, bound, self._dispatcher, until) for bound in readable)
                    pause_end = limiter.pause_until(began, count)

    def stop(self) -> None:
        """Make `serve` return soon. May be called from any thread."""
        self._stopping = True
        wake = self._wake
        if wake is not None:
            wake.call()

    def close(self) -> None:
        """Release the ports. Never raises; may be called twice."""
        if self._tcp is not None:
            self._tcp.close()
            self._tcp = None
        if self._wake is not None:
            self._surfaces.close()
            self._wake.close()
            self._wake = None
        if self._udp is not None:
            self._udp.close()

    def status(self) -> dict[str, object]:
        """Return the address, the number of feedback targets and the counters; ``lost`` is None if it is not told."""
        udp, tcp = self._udp, self._tcp
        return {
            "address": None if udp is None else "osc.udp://{}:{}".format(*udp.address),
            **({} if tcp is None else {"tcp": "osc.tcp://{}:{}".format(*tcp.address), "clients": len(tcp)}),
            "targets": 0 if self._dispatcher is None else len(self._surfaces),
            **({} if self._dispatcher is None else self._dispatcher.counts),
            "lost": None if udp is None else udp.lost(),
            **self._counts,
            **self._admission.counts,
        }

    def _is_connected(self, address: UdpAddress) -> bool:
        return self._tcp is not None and self._tcp.knows(address)

    def _drain(self, udp: UdpPort, bound: socket.socket, dispatcher: OscDispatcher, until: float) -> int:
        """Handle the waiting datagrams until the time `until`. Return the number of datagrams."""
        count = 0
        try:
            while (received := udp.receive(bound)) is not None:
                count += 1
                datagram, sender = received
                if self._admission.hears(sender[0]):
                    dispatcher.receive(datagram, sender)
                if time.monotonic() >= until:
                    return count
        finally:
            dispatcher.flush()
        if not count:  # the socket is ready for another reason: a report about what was sent
            self._drop_closed(udp)
        return count

    def _drop_closed(self, udp: UdpPort) -> None:
        """Drop the subscribers whose ports are closed, as far as the system tells."""
        for address in udp.take_refusing():
            self._counts["gone"] += self._surfaces.drop_unreachable(address, time.monotonic())

    def _take_packets(self, dispatcher: OscDispatcher, until: float) -> None:
        """Handle what came over TCP until the time `until`, and forget the clients that are gone."""
        while self._tcp is not None and (taken := self._tcp.take()) is not None:
            packet, sender = taken
            if packet is not None:
                dispatcher.receive(packet, sender)
            else:
                dispatcher.flush()
                self._surfaces.unsubscribe(sender, sender)
            if time.monotonic() >= until:
                if self._wake is not None:
                    self._wake.call()  # for the rest, after feedback and UDP
                break
        dispatcher.flush()

    def _queue_status(self) -> None:
        if not len(self._surfaces) and not has_reports(self._aliases):
            return
        status = self._show.status()
        for address, value, listener in program_reports(self._aliases, status):
            self._send(address, (value,), listener)
        for address, key in STATUS_NUMBERS:
            number = status.get(key)
            if isinstance(number, int | float) and math.isfinite(number):
                for target in self._surfaces.targets():
                    target.queue_message(address, float(number))

    def _send_feedback(self) -> None:
        for target in self._surfaces.targets():
            for address, value in target.take(self._show.values, self._show.parameters):
                self._send(address, (value,), target.address)

    def _send(self, address: str, values: Sequence[Value], target: UdpAddress) -> None:
        packet = encode_message(address, *values)
        if self._tcp is not None and self._tcp.knows(target):
            is_sent = self._tcp.send(packet, target)
        else:  # Values that are not sent are followed by newer ones with the next feedback.
            is_sent = self._udp is not None and self._udp.send(packet, target)
        self._counts["sent" if is_sent else "unsent"] += 1
