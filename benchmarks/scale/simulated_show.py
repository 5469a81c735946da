"""`simulate`: one show over many renderers in simulated time. The dealer and the order of pictures are the real ones.

Simulated are the clock, the network, the time that the stage takes for a message, and the renderers. The stage's link
is one thread, which takes one message after another. Its network port is one line in each direction.
"""

import heapq
import itertools
import random
import statistics
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from daemon.link.answers import Answer
from daemon.link.dealer import Connection, Dealer, Sharing
from daemon.link.messages import Ask
from daemon.link.renderer_report import DeliveryStats, RendererReport
from daemon.shared.clock import NS
from daemon.supervision.picture_order import PictureOrder
from io_bridges.frames import Frame

PHASE = 0.37
"""Place of a tick between two frames of the source, as a share of the period."""


class Plant(NamedTuple):
    """Machines, rates and costs that a show is played with."""

    renderers: int
    picture_seconds: float
    """Mean time that a renderer takes for a picture."""
    jitter: float
    """Standard deviation of that time, as a share of it."""
    picture_bytes: int
    link_seconds: float
    """Processor time of the stage for a picture, there and back."""
    bits_a_second: float
    """Rate of the stage's network port in each direction."""
    delay: float
    """Seconds from machine to machine, one way."""
    source_fps: float
    output_fps: float


class Outcome(NamedTuple):
    """Figures of a simulated show."""

    fps: float
    """New pictures a second at the output's ticks. Of two that come within one tick the earlier is not shown."""
    drawn: float
    """Pictures a second that come back."""
    late_share: float
    """Share of these that came after a later one."""
    latency: float
    """Median seconds from the capture of a frame to the tick that shows it."""
    latency_p99: float
    link_share: float
    """Share of a core that the stage's link takes."""
    mbit: float
    """Megabits a second in each direction."""


class _Simulation:
    """One show. It is the clock and the responder of the real parts."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.time = NS
        self.newest: tuple[Frame | None, int] = (None, 0)
        self.revision = 1
        self.dealer, self.order = Dealer(self), PictureOrder(self)
        self.connections = [Connection(RendererReport(str(n), NS)) for n in range(plant.renderers)]
        self.random = random.Random(1)
        self.events: list[tuple[int, int, Callable[[], None]]] = []
        self.numbers = itertools.count()
        self.link_free = self.out_free = self.in_free = 0
        self.shown: tuple[int, int] | None = None
        """Turn and capture time of the newest picture that was taken."""
        self.aired = 0
        self.drawn = 0
        self.latencies: list[float] = []
        self.busy = 0
        self.next_look = 0
        self.pixels = np.zeros((1, 1, 3), np.uint8)

    # Methods that the dealer and the order call.

    def now(self) -> int:
        return self.time

    def sleep_until(self, moment: int) -> None:
        raise NotImplementedError("simulated time is not slept")

    def resolved_frame(self) -> tuple[int, bytes]:
        return 1, b""

    def newest_frame(self, width: int, height: int) -> tuple[Frame | None, int]:
        return self.newest

    def draws_from_text(self) -> bool:
        return False

    def sharing(self) -> Sharing:
        return Sharing()

    # The show.

    def at(self, moment: float, event: Callable[[], None]) -> None:
        heapq.heappush(self.events, (round(moment), next(self.numbers), event))

    def run(self, seconds: float) -> Outcome:
        plant, end = self.plant, NS + seconds * NS
        for place, connection in enumerate(self.connections):
            self.at(NS + place, lambda connection=connection: self.ask(connection))  # type: ignore[misc]
        self.every(NS / plant.source_fps, self.frame, 0.0)
        self.every(NS / plant.output_fps, self.tick, PHASE)
        while self.events and self.events[0][0] < end:
            self.time, _, event = heapq.heappop(self.events)
            event()
        late = self.order.late / self.drawn if self.drawn else 0.0
        ordered = sorted(self.latencies) or [0.0]
        return Outcome(
            len(self.latencies) / seconds,
            self.drawn / seconds,
            late,
            statistics.median(ordered),
            ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)],
            self.busy / (seconds * NS),
            self.drawn * plant.picture_bytes * 8 / seconds / 1e6,
        )

    def every(self, period: float, event: Callable[[], None], phase: float) -> None:
        def again() -> None:
            event()
            self.at(self.time + period, again)

        self.at(NS + period * (1 + phase), again)

    def frame(self) -> None:
        serial = self.newest[1] + 1
        self.newest = Frame(self.pixels, serial, self.time), serial
        self.deal()

    def tick(self) -> None:
        if self.shown is not None and self.shown[0] > self.aired:
            self.aired = self.shown[0]
            self.latencies.append((self.time - self.shown[1]) / NS)

    def ask(self, connection: Connection) -> None:
        connection.asks(Ask(1, 1, 0.1), self.time)
        self.deal()

    def deal(self) -> None:
        plant = self.plant
        for connection, answer in self.dealer.answers(self.connections, self.time):
            if isinstance(answer, Answer) and answer.pixels is not None and answer.is_new:
                handled = self.handle(plant.link_seconds / 2)
                self.out_free = max(self.out_free, handled) + self.transfer()
                there = self.out_free + plant.delay * NS
                drawn = there + max(self.random.gauss(1.0, plant.jitter), 0.1) * plant.picture_seconds * NS
                stamps = connection, answer.turn, answer.captured_at
                self.at(drawn + plant.delay * NS, lambda stamps=stamps: self.comes_in(*stamps))  # type: ignore[misc]
            else:
                again = self.time + 2 * plant.delay * NS + 1
                self.at(again, lambda connection=connection: self.ask(connection))  # type: ignore[misc]
        look = self.dealer.next_look(self.connections, self.time) + 1
        if look < self.next_look or self.next_look <= self.time:
            self.next_look = look
            self.at(look, self.deal)

    def comes_in(self, connection: Connection, turn: int, captured_at: int) -> None:
        self.in_free = max(self.in_free, self.time) + self.transfer()
        self.at(self.in_free, lambda: self.arrives(connection, turn, captured_at))

    def arrives(self, connection: Connection, turn: int, captured_at: int) -> None:
        handled = self.handle(self.plant.link_seconds / 2)
        self.drawn += 1
        report = connection.report
        report.deliveries = DeliveryStats(turn=turn)
        if self.order.takes(report, 1):
            self.shown = turn, captured_at
        self.at(handled, lambda: self.ask(connection))

    def handle(self, seconds: float) -> int:
        """Return the time at which the stage has handled a message that comes now."""
        self.link_free = max(self.link_free, self.time) + round(seconds * NS)
        self.busy += round(seconds * NS)
        return self.link_free

    def transfer(self) -> int:
        return round(self.plant.picture_bytes * 8 / self.plant.bits_a_second * NS)


def simulate(plant: Plant, seconds: float = 20.0) -> Outcome:
    """Play a show for so many simulated seconds, and return its figures."""
    return _Simulation(plant).run(seconds)
