"""Cues of a set list: called by hand, by name, by themselves, and refused."""

from collections.abc import Callable

import pytest

from daemon.stage.cue_show import FOLLOW_ON, CueShow
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.quantised_show import QuantisedShow
from io_bridges.show_control import ControlReply, LateReplies, ShowControl
from presets.library import Library
from presets.set_list import Cue

OSC = "osc:127.0.0.1:9"
CUES = (
    Cue(preset="fire"),
    Cue(preset="ice-cells", morph=4.0),
    Cue(preset="ink", morph_beats=8.0, after_beats=64.0),
    Cue(preset="fire", after=30.0),
    Cue(preset="infrared", after=5.0),
)


class CueRig:
    """A set list whose timers the test fires."""

    def __init__(self, store: ParameterStore) -> None:
        self.timers: dict[int, tuple[float, Callable[[], None]]] = {}
        self.count = 0
        self.show = CueShow(store, CUES, self.timer)

    def timer(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        self.count = number = self.count + 1
        self.timers[number] = seconds, call
        return lambda: self.timers.pop(number, None) and None

    def send(self, address: str, *arguments: object) -> ControlReply:
        return self.show.apply(address, arguments, OSC)

    def fire(self) -> float:
        """Fire the one timer and return its seconds."""
        ((number, (seconds, call)),) = self.timers.items()
        del self.timers[number]
        call()
        return seconds

    @property
    def state(self) -> tuple[object, object]:
        return self.show.values()["/preset"], self.show.status()["cues"]["place"]  # type: ignore[index]


@pytest.fixture
def rig(store: ParameterStore) -> CueRig:
    return CueRig(store)


def test_it_is_a_show_control(rig: CueRig) -> None:
    control: ShowControl = rig.show
    assert control.status()["cues"] == {"presets": ["fire", "ice-cells", "ink", "fire", "infrared"], "place": 0}
    assert rig.send("/strength", 0.25).value == 0.25


def test_go_and_back(rig: CueRig) -> None:
    reply = rig.send("/cue/go")
    assert (reply.address, reply.accepted, reply.note) == ("/cue/go", True, "cue 1 of 5, fire")
    assert rig.state == ("fire", 1)
    rig.send("/cue/go", 1)
    rig.send("/cue/go", 0)  # the button's release
    assert rig.state == ("ice-cells", 2)
    assert rig.show.values()["/morph"] == 4.0, "not that of the preset"
    rig.send("/cue/back")
    assert rig.state == ("fire", 1)
    assert rig.show.values()["/morph"] != 4.0, "that of the preset"
    assert "no cue comes before" in rig.send("/cue/back").note
    assert rig.state == ("fire", 1)


def test_lengths_in_beats(rig: CueRig) -> None:
    rig.send("/bpm", 240.0)
    rig.send("/cue/jump", 3)
    assert rig.show.values()["/morph"] == 2.0
    assert rig.fire() == 16.0
    assert rig.state == ("fire", 4)
    assert rig.fire() == 30.0
    assert rig.state == ("infrared", 5)
    assert not rig.timers, "nothing follows the last cue"
    assert "/cue/jump 1 begins again" in rig.send("/cue/go").note


def test_calling_a_cue_cancels_the_follow_on(rig: CueRig) -> None:
    rig.send("/cue/jump", 3)
    (_, late) = next(iter(rig.timers.values()))
    rig.send("/cue/jump", 1)
    assert not rig.timers
    late()  # it fired while it was cancelled
    assert rig.state == ("fire", 1)


def test_preset_by_hand_leaves_the_follow_on(rig: CueRig) -> None:
    rig.send("/cue/jump", 3)
    rig.send("/preset", "gold")
    rig.fire()
    assert rig.state == ("fire", 4)


def test_jump_by_name(rig: CueRig) -> None:
    rig.send("/cue/jump", "Fire")
    assert rig.state == ("fire", 1)
    rig.send("/cue/jump", "fire")
    assert rig.state == ("fire", 4), "the next one from here on"
    rig.send("/cue/jump", "fire")
    assert rig.state == ("fire", 1)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([9], "there are 5 cues; number 9 came"),
        (["12345678901234567890"], "there are 5 cues"),
        (["plaid"], "no cue has the preset 'plaid'"),
        ([1.5], "cues have whole numbers"),
        ([], "needs a text"),
        (["fire", 1, 2], ""),
    ],
)
def test_refused_jumps(rig: CueRig, arguments: list[object], reason: str) -> None:
    reply = rig.send("/cue/jump", *arguments)
    assert not reply.accepted
    assert reason in reply.note
    assert rig.state[1] == 0


def test_unknown_address_below_cue(rig: CueRig) -> None:
    assert not rig.send("/cue/dance").accepted


def test_flood_of_cues_has_one_timer(rig: CueRig) -> None:
    for _ in range(200):
        rig.send("/cue/jump", 3)
    assert len(rig.timers) == 1


def test_without_a_set_list(store: ParameterStore) -> None:
    show = CueShow(store, ())
    reply = show.apply("/cue/go", [], OSC)
    assert (reply.accepted, reply.note) == (False, "there is no set list; start the show with --set-list FILE")
    assert "cues" not in show.status()


def test_broken_preset_leaves_the_place(rig: CueRig, library: Library) -> None:
    library.folder.mkdir()
    (library.folder / "fire.yaml").write_text("strenght: 1\n")
    assert not rig.send("/cue/go").accepted
    assert rig.state[1] == 0
    assert rig.send("/cue/go").note == "cue 2 of 5, ice-cells", "it goes past the cue"
    assert "no cue comes before" not in rig.send("/cue/back").note, "the file may be good again"
    assert rig.state == ("ice-cells", 2)
    assert "no cue comes before" in rig.send("/cue/back").note


def test_follow_on_goes_past_broken_presets(rig: CueRig, library: Library) -> None:
    library.folder.mkdir()
    rig.send("/cue/jump", 3)
    (library.folder / "fire.yaml").write_text("strenght: 1\n")
    assert rig.fire() == 32.0
    assert rig.state == ("infrared", 5)
    assert "a preset that can't be used" in str(rig.show.status()["refusals"])


def test_held_cue_of_a_broken_preset(store: ParameterStore, library: Library) -> None:
    rig = HeldRig(store)
    rig.send("/cue/go")
    library.folder.mkdir()
    (library.folder / "fire.yaml").write_text("strenght: 1\n")
    rig.release()
    assert rig.state[1] == 0
    rig.send("/cue/go")
    rig.release()
    assert rig.state == ("ice-cells", 2)


def test_cue_waits_for_the_beat(store: ParameterStore) -> None:
    held: list[Callable[[], None]] = []
    show = CueShow(QuantisedShow(store, lambda seconds, call: held.append(call)), CUES)
    store.apply("/quantise", ["bar"], OSC)
    late = LateReplies()
    reply = show.apply("/cue/jump", [2], OSC, late.add)
    assert (reply.address, reply.pending) == ("/cue/jump", True)
    outcome: list[ControlReply] = []
    assert late.when_complete([reply], lambda replies: outcome.extend(replies.values()))
    assert store.values()["/morph"] == 0.0
    held[0]()
    assert [(each.address, each.accepted) for each in outcome] == [("/cue/jump", True)]
    assert (store.values()["/preset"], store.values()["/morph"]) == ("ice-cells", 4.0)
    assert FOLLOW_ON not in str(store.status()["refusals"])


class HeldRig(CueRig):
    """The set list of a show whose looks wait for the bar."""

    def __init__(self, store: ParameterStore) -> None:
        super().__init__(store)
        self.held: list[Callable[[], None]] = []
        self.show = CueShow(QuantisedShow(store, lambda _, call: self.held.append(call)), CUES, self.timer)
        self.send("/quantise", "bar")

    def release(self) -> None:
        held, self.held = self.held, []
        for call in held:
            call()


def test_each_held_cue_has_its_own_morph(store: ParameterStore) -> None:
    rig = HeldRig(store)
    rig.send("/cue/jump", 2)
    store.apply("/preset", ["gold"], OSC)  # passes by the bar
    assert store.values()["/morph"] != 4.0, "the morph is that of the cue"
    rig.send("/cue/jump", 1)
    rig.send("/cue/jump", 2)
    rig.release()
    assert (rig.state, store.values()["/morph"]) == (("ice-cells", 2), 4.0)


def test_dropped_cue_comes_again(store: ParameterStore) -> None:
    rig = HeldRig(store)
    rig.send("/cue/jump", 2)
    rig.release()
    rig.send("/cue/go")
    rig.send("/cue/go")
    rig.send("/panic")
    assert rig.state == ("ice-cells", 2)
    assert not rig.timers, "nothing follows a cue that did not come"
    rig.send("/cue/go")
    assert not rig.timers, "its time has not begun"
    rig.release()
    assert (rig.state, rig.fire()) == (("ink", 3), 32.0)
