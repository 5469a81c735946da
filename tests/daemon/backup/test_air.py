"""The rules by which one of two shows is on air, played through with kills, stops, cut networks and orders by hand."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.backup.air import FIRST_WORD, BackupAir, FirstAir, TickWatch
from daemon.backup.pair_messages import Question, Report
from daemon.shared.clock import NS

AFTER = 0.8
STEP = NS // 10
RATE = 30


@dataclass
class World:
    """Two shows that talk ten times a second, unless one of them or the network does not."""

    now: int = NS
    runs: int = 1
    is_cut: bool = False
    first_lives: bool = True
    first_stopped: bool = False
    backup_stopped: bool = False
    pending: tuple[Question, int] | None = None
    ticks: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def __post_init__(self) -> None:
        self.first = FirstAir("first-1", False, self.now)
        self.backup = BackupAir(AFTER, self.now)
        self.watches = TickWatch(0.5), TickWatch(0.5)

    def kill_first(self) -> None:
        self.first_lives = self.first_stopped = False

    def start_first(self, asks: bool) -> None:
        if not self.first_lives:
            self.runs += 1
            self.first_lives = True
            self.first = FirstAir(f"first-{self.runs}", asks, self.now)
            self.watches = TickWatch(0.5), self.watches[1]

    def step(self) -> None:
        """Let a tenth of a second pass."""
        self.now += STEP
        for place, stands in enumerate((self.first_stopped or not self.first_lives, self.backup_stopped)):
            self.ticks[place] += 0.0 if stands else RATE / 10
        if not self.backup_stopped:
            self._ask()
            if self.backup.look(self.now):
                self.pending = None  # the connection is made anew
        if self.first_lives and not self.first_stopped:
            self.first.look(self.now)

    def _ask(self) -> None:
        self.watches[1].look(self.now, int(self.ticks[1]), RATE)
        if self.pending is not None and self.now - self.pending[1] > NS:
            self.pending = None
        if self.pending is None:
            known = self.backup.first
            stalled = self.watches[1].has_stalled(self.now)
            of, told, gives = known.run if known else "", self.backup.told, self.backup.releases
            ask = Question("backup", "backup", self.backup.on_air, of, AFTER, told, gives, stalled=stalled)
            self.pending = ask, self.now
        if self.is_cut or self.first_stopped or not self.first_lives:
            return
        ask, _ = self.pending
        watch = self.watches[0]
        watch.look(self.now, int(self.ticks[0]), RATE)
        self.first.hear(ask, watch.has_stalled(self.now), self.now)
        on_air = self.first.on_air and not watch.stands
        report = Report(self.first.run, "first", on_air, takes_over=self.first.gives)
        self.pending = None
        self.backup.hear(report, ask, self.now)

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds * NS / STEP)):
            self.step()

    @property
    def on_air(self) -> list[str]:
        first = self.first_lives and not self.first_stopped and self.first.on_air
        return [name for name, plays in (("first", first), ("backup", self.backup.on_air)) if plays]


def test_killed_first_stays_off_air() -> None:
    for asks in (True, False):
        world = World()
        world.pass_time(1)
        assert world.on_air == ["first"]
        world.kill_first()
        world.pass_time(AFTER + 0.2)
        assert world.on_air == ["backup"]
        world.start_first(asks)
        world.pass_time(10)
        assert world.on_air == ["backup"]
        world.backup.release()
        world.pass_time(0.3)
        assert world.on_air == ["first"]
        assert not world.backup.releases


def test_stopped_first_stays_off_air() -> None:
    for seconds in (0.9, 1.0, 1.1, 1.5, 4.0):
        world = World()
        world.pass_time(1)
        world.first_stopped = True
        world.pass_time(seconds)
        assert world.on_air == ["backup"]
        world.first_stopped = False
        world.pass_time(1.2)
        assert world.on_air == ["backup"], seconds


def test_cut_network_leaves_the_first_on_air() -> None:
    world = World()
    world.pass_time(1)
    world.is_cut = True
    world.pass_time(2)
    assert world.on_air == ["first", "backup"]
    world.is_cut = False
    world.pass_time(0.3)
    assert world.on_air == ["first"]


def test_cut_network_leaves_the_backup_on_air() -> None:
    world = World()
    world.pass_time(1)
    world.backup.take()
    world.pass_time(1)
    assert world.on_air == ["backup"]
    world.is_cut = True
    world.pass_time(2)
    assert world.on_air == ["first", "backup"]
    world.is_cut = False
    world.pass_time(1.2)
    assert world.on_air == ["backup"]


def test_lost_backup_is_replaced_by_the_first() -> None:
    world = World()
    world.pass_time(1)
    world.backup.take()
    world.pass_time(1)
    world.backup_stopped = True
    world.pass_time(AFTER + 0.2)
    assert "first" in world.on_air
    world.backup_stopped = False
    world.pass_time(1.2)
    assert world.on_air == ["first"]


def test_first_alone_waits_a_moment() -> None:
    world = World(is_cut=True)
    world.kill_first()
    world.start_first(asks=True)
    world.pass_time(FIRST_WORD - 0.2)
    assert "first" not in world.on_air
    world.pass_time(0.4)
    assert "first" in world.on_air


EVENTS = ("cut", "mend", "kill", "start", "start asking", "stop", "go on", "stop backup", "wake backup", "take", "give")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.floats(0.05, 3.0)), max_size=8))
def test_one_of_two_is_on_air(events: list[tuple[str, float]]) -> None:
    """Whatever has happened: once both play and hear each other, one is on air, and stays."""
    world = World()
    world.pass_time(1)
    for event, seconds in events:
        match event:
            case "cut" | "mend":
                world.is_cut = event == "cut"
            case "kill":
                world.kill_first()
            case "start" | "start asking":
                world.start_first(event == "start asking")
            case "stop" | "go on":
                world.first_stopped = event == "stop" and world.first_lives
            case "stop backup" | "wake backup":
                world.backup_stopped = event == "stop backup"
            case "take":
                world.backup.take()
            case "give":
                world.backup.release()
        world.pass_time(seconds)
    world.is_cut = world.first_stopped = world.backup_stopped = False
    world.start_first(asks=True)
    world.pass_time(6)
    found = world.on_air
    assert len(found) == 1
    world.pass_time(3)
    assert world.on_air == found
