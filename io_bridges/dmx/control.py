"""`DmxControl`: a lighting desk controls the show over Art-Net and sACN. docs/dmx.md describes it."""

import socket
import struct
import time
from collections import defaultdict

from io_bridges.dmx.packets import ARTNET_PORT, LONGEST_PACKET, SACN_PORT, DmxPacket, parse_artnet, parse_sacn
from io_bridges.dmx.universe import DmxUniverse
from io_bridges.local_network import ANY_HOST
from io_bridges.osc.udp_socket import bind_udp
from io_bridges.show_control import ShowControl
from io_bridges.wakeup_socket import WakeupSocket, wait_until_readable
from presets.dmx_file import DmxSetup, DmxTrigger
from presets.errors import BridgeError
from presets.midi_mapping import MidiTarget

ROUND = 0.01
"""Least seconds between two rounds: desks send 44 times a second, and a flood gets no more of the processor."""
MOST_PACKETS = 256
"""Packets of a protocol that are read in one round. The system keeps some more and drops the rest."""
_MIDDLE = 0.5
"""Level, as a share, from which on a switch is on and a button is pressed."""


class DmxControl:
    """A `Control` for DMX. `status` and `problems` may be called from any thread."""

    def __init__(self, setup: DmxSetup, artnet_port: int = ARTNET_PORT, sacn_port: int = SACN_PORT) -> None:
        """Take a mapping and the address to listen on. A port of 0 takes a free one."""
        self._setup = setup
        self._ports = {"artnet": artnet_port, "sacn": sacn_port}
        self._sockets: dict[str, socket.socket] = {}
        self._wake: WakeupSocket | None = None
        self._stopping = False
        self._by_channel: dict[tuple[int, int], list[DmxTrigger]] = defaultdict(list)
        channels: dict[int, set[int]] = defaultdict(set)
        for trigger in setup.targets:
            for channel in (trigger.channel, trigger.fine) if trigger.fine else (trigger.channel,):
                self._by_channel[trigger.universe, channel].append(trigger)
                channels[trigger.universe].add(channel)
        self._universes = {universe: DmxUniverse(used) for universe, used in channels.items()}
        self._down: dict[DmxTrigger, bool] = {}
        self._counts = {"packets": 0, "accepted": 0, "refused": 0, "ignored": 0}
        self._told: list[dict[str, object]] = []
        self._lost: list[int] = []

    def open(self, show: ShowControl) -> None:
        """Bind both ports. Raises `BridgeUnavailable`, which names the port if it is taken."""
        self._show = show
        self._stopping = False
        host = self._setup.host
        try:
            for protocol, port in self._ports.items():
                names = {"artnet": "Art-Net", "sacn": "sACN"}
                bound = bind_udp(host, port, names[protocol], "another address with --dmx-host", host in ANY_HOST)
                self._sockets[protocol] = bound
        except BridgeError:
            self.close()
            raise
        if host in ANY_HOST:
            self._join_groups(self._sockets["sacn"])
        self._wake = WakeupSocket()

    def serve(self) -> None:
        """Apply what comes until `stop`. Raises `BridgeError` if it is not open."""
        if self._wake is None:
            raise BridgeError("DMX is not open")
        while not self._stopping:
            waiting: list[WakeupSocket | socket.socket] = [self._wake, *self._sockets.values()]
            wait_until_readable(waiting, 0.5)
            moved: dict[DmxTrigger, bool] = {}
            now = time.monotonic()
            for protocol, bound in self._sockets.items():
                self._read(protocol, bound, now, moved)
            for trigger, pressed in moved.items():
                self._apply(trigger, pressed)
            self._tell(now)
            wait_until_readable([self._wake], ROUND)

    def stop(self) -> None:
        """Make `serve` return soon. Called from any thread."""
        self._stopping = True
        if (wake := self._wake) is not None:
            wake.call()

    def close(self) -> None:
        """Release the ports. Never raises; may be called twice."""
        for bound in self._sockets.values():
            bound.close()
        self._sockets = {}
        if self._wake is not None:
            self._wake.close()
            self._wake = None

    def status(self) -> dict[str, object]:
        """Return the ports, the sources of each universe, and counters."""
        ports = {name: bound.getsockname()[1] for name, bound in self._sockets.copy().items() if bound.fileno() >= 0}
        where = ", ".join(f"{name} {self._setup.host}:{port}" for name, port in ports.items())
        return {"address": where, "ports": ports, "sources": self._told, **self._counts}

    def problems(self) -> list[str]:
        """Return a sentence for each universe that was heard and is silent now."""
        return [f"universe {universe} is silent; its last levels hold" for universe in self._lost]

    def _join_groups(self, bound: socket.socket) -> None:
        """Join the multicast groups of the universes, on the interface that the system chooses."""
        for universe in self._universes:
            group = struct.pack("!4B", 239, 255, universe >> 8, universe & 0xFF)
            try:
                bound.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + socket.inet_aton("0.0.0.0"))
            except OSError:  # there is no network: what is sent to this machine alone is heard
                return

    def _read(self, protocol: str, bound: socket.socket, now: float, moved: dict[DmxTrigger, bool]) -> None:
        for _ in range(MOST_PACKETS):
            try:
                data, sender = bound.recvfrom(LONGEST_PACKET)
            except BlockingIOError:
                return
            except OSError:  # Windows reports a port of the sender's that is closed
                continue
            self._counts["packets"] += 1
            packet = parse_artnet(data, str(sender[0])) if protocol == "artnet" else parse_sacn(data)
            universe = None if packet is None else self._universes.get(packet.universe)
            if packet is None or universe is None:
                self._counts["ignored"] += 1
                continue
            self._take(packet, universe, now, moved)

    def _take(self, packet: DmxPacket, universe: DmxUniverse, now: float, moved: dict[DmxTrigger, bool]) -> None:
        """Note what a packet moves, and the buttons that it presses. A press is noted however soon it is let go."""
        for channel in universe.take(packet, now):
            for trigger in self._by_channel[packet.universe, channel]:
                down = self._share(trigger, universe) >= _MIDDLE
                # A button that is down when a desk is heard first was not pressed now.
                pressed = down and not self._down.get(trigger, True)
                self._down[trigger] = down
                moved[trigger] = moved.get(trigger, False) or pressed

    def _apply(self, trigger: DmxTrigger, pressed: bool) -> None:
        target, universe = self._setup.targets[trigger], self._universes[trigger.universe]
        call: tuple[str, list[object]] | None
        if target == MidiTarget(to="/preset"):
            number = universe.levels[trigger.channel]
            call = ("/preset", [number]) if number else None
        else:
            call = target.arguments("cc", self._share(trigger, universe), pressed)
        if call is not None:
            reply = self._show.apply(call[0], call[1], f"dmx:{trigger}")
            self._counts["accepted" if reply.accepted else "refused"] += 1

    def _share(self, trigger: DmxTrigger, universe: DmxUniverse) -> float:
        coarse = universe.levels.get(trigger.channel, 0)
        if not trigger.fine:
            return coarse / 255
        return (coarse << 8 | universe.levels.get(trigger.fine, 0)) / 65535

    def _tell(self, now: float) -> None:
        """Keep what `status` and `problems` return on other threads."""
        told: list[dict[str, object]] = []
        lost: list[int] = []
        for number, universe in self._universes.items():
            sources = universe.sources(now)
            if universe.heard_at is not None and not sources:
                lost.append(number)
            told += [
                {
                    "universe": number,
                    "protocol": source.protocol,
                    "name": source.name,
                    "priority": source.priority,
                    "leads": source.leads,
                }
                for source in sources
            ]
        self._told, self._lost = told, lost
