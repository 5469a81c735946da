"""Looks that wait for the beat: what waits, for how long, in which order, and what becomes of it."""

from collections.abc import Callable

import pytest
from hand_clock import HandClock

from daemon.shared.clock import NS
from daemon.stage.change_timing import ChangeTimes
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.quantised_show import MOST_HELD, QuantisedShow
from daemon.stage.tempo_clock import TempoClock
from io_bridges.show_control import ControlReply, LateReplies, ShowControl
from presets.library import Library

OSC = "osc:127.0.0.1:9"


class QuantisedRig:
    """A show with 120 beats a minute, and timers that the test fires."""

    def __init__(self, library: Library) -> None:
        self.clock = HandClock()
        self.store = ParameterStore(library, tempo=TempoClock(self.clock))
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.show = QuantisedShow(self.store, self.timer)
        self.show.beside = lambda work: work()
        self.late: list[ControlReply] = []

    def timer(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        self.timers.append(entry := (seconds, call))
        return lambda: self.timers.remove(entry)

    def lead(self, seconds: float) -> None:
        """Have pictures take so long to the output, with a change made as much earlier."""
        tempo, ns = self.store.tempo, round(seconds * NS)
        tempo.lead, tempo.change_times = lambda: seconds, lambda beat, now: ChangeTimes(beat - ns, beat - ns)

    def wait(self, seconds: float) -> None:
        self.clock.time += round(seconds * NS)

    def send(self, address: str, *arguments: object) -> ControlReply:
        return self.show.apply(address, arguments, OSC, self.late.append)

    def fire(self) -> None:
        """Fire all timers."""
        timers, self.timers = self.timers, []
        for _, call in timers:
            call()

    @property
    def preset(self) -> object:
        return self.show.values()["/preset"]


@pytest.fixture
def rig(library: Library) -> QuantisedRig:
    return QuantisedRig(library)


def test_it_is_a_show_control(rig: QuantisedRig) -> None:
    control: ShowControl = rig.show
    assert control.parameters is rig.store.parameters
    assert control.actions is rig.store.actions
    assert control.preset_names() == rig.store.preset_names()
    assert control.status()["held"] == 0


def test_everything_passes_when_it_is_off(rig: QuantisedRig) -> None:
    assert rig.send("/preset", "fire").accepted
    assert rig.preset == "fire"
    assert not rig.timers


@pytest.mark.parametrize(("quantise", "seconds"), [("beat", 0.3), ("bar", 1.8)])
def test_look_waits_for_its_beat(rig: QuantisedRig, quantise: str, seconds: float) -> None:
    rig.send("/quantise", quantise)
    rig.wait(0.2)
    reply = rig.send("/preset", "fire")
    assert (reply.accepted, reply.pending) == (True, True)
    assert quantise in reply.note
    assert rig.timers[0][0] == pytest.approx(seconds)
    assert rig.preset != "fire"
    assert rig.show.status()["held"] == 1
    rig.fire()
    assert rig.preset == "fire"
    assert [(late.address, late.accepted) for late in rig.late] == [("/preset", True)]
    assert rig.show.status()["held"] == 0


def test_it_is_applied_one_lead_early(rig: QuantisedRig) -> None:
    rig.lead(0.1)
    rig.send("/quantise", "beat")
    rig.wait(0.2)
    rig.send("/next")
    assert rig.timers[-1][0] == pytest.approx(0.2)
    rig.wait(0.25)  # too late for the beat at 0.5 s
    rig.send("/next")
    assert rig.timers[-1][0] == pytest.approx(0.45)


def test_it_is_applied_and_woken_at_its_times(rig: QuantisedRig) -> None:
    tempo = rig.store.tempo
    tempo.lead = lambda: 0.05
    tempo.change_times = lambda beat, now: ChangeTimes(beat - 120_000_000, beat - 100_000_000)
    woken: list[float] = []
    rig.store.watch_revision(lambda: woken.append(rig.clock.now()))
    rig.send("/quantise", "beat")
    rig.wait(0.2)
    rig.send("/next")
    assert rig.timers[-1][0] == pytest.approx(0.18)
    rig.wait(0.18)
    rig.fire()
    assert tempo.quiet_until - rig.clock.now() == pytest.approx(0.02 * NS), "a renderer that waits is left waiting"
    assert [seconds for seconds, _ in rig.timers] == [pytest.approx(0.02)]
    woken.clear()
    rig.fire()
    assert woken, "and woken in time"
    rig.wait(0.03)  # too late to be early, in time for the beat at 0.5 s
    rig.send("/next")
    assert rig.timers[-1][0] == 0.0
    rig.send("/panic")
    assert tempo.quiet_until <= rig.clock.now(), "panic waits for nothing"


def test_message_on_the_beat_does_not_wait(rig: QuantisedRig) -> None:
    rig.send("/quantise", "bar")
    rig.wait(2.001)
    rig.send("/next")
    assert rig.timers[-1][0] == 0


def test_held_look_follows_the_tempo(rig: QuantisedRig) -> None:
    rig.send("/quantise", "bar")
    rig.wait(0.2)
    rig.send("/preset", "fire")
    for address, sent, seconds in (("/bpm", 240.0, 0.9), ("/bpm/norm", 0.0, 10.8), ("/bpm/120", 1, 1.8)):
        assert rig.send(address, sent).accepted
        assert [each for each, _ in rig.timers] == [pytest.approx(seconds)], "one timer, at the moment of its beat"
    rig.send("/tap")  # now, at 0.4, is beat 0
    assert [each for each, _ in rig.timers] == [pytest.approx(2.0)]
    rig.wait(0.4)
    rig.send("/tap")
    assert [each for each, _ in rig.timers] == [pytest.approx(1.2)], "three beats at 150 a minute"
    rig.fire()
    assert rig.preset == "fire"


def test_held_look_takes_the_next_bar_after_a_resync(rig: QuantisedRig) -> None:
    rig.lead(0.1)
    rig.send("/quantise", "bar")
    rig.wait(20.2)
    rig.send("/preset", "fire")
    ((_, late),) = rig.timers
    rig.send("/resync", 0)  # the button's release
    assert [each for each, _ in rig.timers] == [pytest.approx(1.7)]
    rig.send("/resync")
    assert [each for each, _ in rig.timers] == [pytest.approx(1.9)], "bar 1 of the new count, not bar 11"
    late()  # it fired while it was cancelled
    assert rig.preset != "fire"
    rig.fire()
    assert rig.preset == "fire"


def test_order_of_messages_stays(rig: QuantisedRig) -> None:
    first, second, third = rig.show.preset_names()[:3]
    rig.send("/preset", first)
    rig.send("/quantise", "beat")
    rig.wait(0.1)
    for _ in range(2):
        rig.send("/next", 1)
        rig.send("/next", 0)  # the button's release
    assert len({first, second, third}) == 3
    rig.fire()
    assert rig.preset == third


def test_messages_of_the_next_beat_wait_on(rig: QuantisedRig) -> None:
    rig.send("/quantise", "beat")
    rig.wait(0.2)
    rig.send("/preset", "fire")
    rig.wait(0.31)
    rig.send("/preset", "ice-cells")  # before the first timer, which is late, has fired
    (_, first), (_, second) = rig.timers
    first()
    assert rig.preset == "fire"
    second()
    assert rig.preset == "ice-cells"


@pytest.mark.parametrize("address", ["/preset/fire", "/Preset/", "/PROMPT", "/prompt/ice", "/previous"])
def test_every_form_of_a_look_waits(rig: QuantisedRig, address: str) -> None:
    rig.send("/quantise", "beat")
    rig.wait(0.2)
    assert rig.send(address, "fire" if "/pr" in address.lower() else 1).pending
    assert rig.send("/strength", 0.25).value == 0.25, "a fader acts at once"


def test_refusal_comes_with_the_beat(rig: QuantisedRig) -> None:
    rig.send("/quantise", "beat")
    rig.wait(0.2)
    assert rig.send("/preset", "no such look").accepted
    rig.fire()
    assert [late.accepted for late in rig.late] == [False]
    assert "no such look" in rig.late[0].note


def test_panic_drops_what_waits(rig: QuantisedRig) -> None:
    rig.send("/quantise", "bar")
    rig.wait(0.2)
    rig.send("/preset", "fire")
    assert rig.send("/panic").accepted
    assert [(late.accepted, late.note) for late in rig.late] == [(False, "dropped by /panic")]
    rig.send("/preset", "ice-cells")
    assert len(rig.timers) == 1
    rig.fire()
    assert rig.preset == "ice-cells"


def test_flood_of_looks_is_bounded(rig: QuantisedRig) -> None:
    rig.send("/quantise", "bar")
    rig.wait(0.2)
    for _ in range(1000):
        rig.send("/next")
    assert rig.show.status()["held"] == MOST_HELD
    assert len(rig.late) == 1000 - MOST_HELD
    assert len(rig.timers) == 1, "a timer is a thread"
    rig.fire()
    assert len(rig.late) == 1000


def test_outcome_has_the_address_that_was_sent(rig: QuantisedRig) -> None:
    rig.send("/quantise", "beat")
    rig.wait(0.2)
    late = LateReplies()
    reply = rig.show.apply("/preset/fire", [1], OSC, late.add)
    outcome: list[ControlReply] = []
    assert late.when_complete([reply], lambda replies: outcome.extend(replies.values()))
    rig.fire()
    assert [(each.address, each.accepted) for each in outcome] == [("/preset/fire", True)], "a request by HTTP ends"
    assert rig.preset == "fire"


def test_release_of_panic_drops_nothing(rig: QuantisedRig) -> None:
    rig.send("/quantise", "bar")
    rig.wait(0.2)
    rig.send("/preset", "fire")
    rig.send("/panic", 0)
    assert rig.show.status()["held"] == 1
    rig.send("/panic", 1)
    assert rig.show.status()["held"] == 0


@pytest.mark.parametrize(
    ("address", "arguments", "texts"),
    [
        ("/prompt", ["golden", "rings"], ("golden rings",)),
        ("/prompt", ["dog", 0.25, "cat", 0.75], ("dog", "cat")),
        ("/prompt/2/text", ["moss"], ("moss",)),
        ("/preset/fire", [], None),
        ("/preset", [1], None),
        ("/next", [], None),
        ("/preset", ["no such preset"], ()),
    ],
)
def test_texts_are_announced_while_it_waits(
    rig: QuantisedRig, address: str, arguments: list[object], texts: tuple[str, ...] | None
) -> None:
    woken: list[tuple[str, ...]] = []
    rig.store.watch_revision(lambda: woken.append(rig.store.coming))
    rig.send("/quantise", "beat")
    rig.wait(0.2)
    woken.clear()
    rig.send(address, *arguments)
    coming = rig.store.coming
    assert woken == ([coming] if coming else []), "a renderer is told at once"
    if texts is not None:
        assert coming == texts
    rig.fire()
    assert rig.store.coming == ()
    if texts is None:
        assert coming == tuple(prompt.text for prompt in rig.store.snapshot()[1].prompt)


def test_panic_announces_nothing(rig: QuantisedRig) -> None:
    rig.send("/quantise", "beat")
    rig.wait(0.2)
    rig.send("/prompt", "moss")
    assert rig.store.coming == ("moss",)
    rig.send("/panic")
    assert rig.store.coming == ()
