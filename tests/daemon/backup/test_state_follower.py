"""A store that follows another one has its values, its panics and its beats, and keeps out what it can't take."""

from collections.abc import Callable
from pathlib import Path

from hand_clock import HandClock
from rig import until

from daemon.backup.show_state import pulse_of, state_of
from daemon.backup.state_follower import CuePlace, StateFollower
from daemon.shared.clock import NS
from daemon.stage.cue_show import CueShow
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.quantised_show import QuantisedShow
from daemon.stage.show_wrapper import Cancel
from daemon.stage.tempo_clock import TempoClock
from presets.library import Library
from presets.set_list import Cue


class Two:
    """A first store and one that follows it, on clocks of their own."""

    def __init__(self, library: Library) -> None:
        self.clock, self.other_clock = HandClock(), HandClock()
        self.other_clock.time += 500 * NS
        self.first = ParameterStore(library, tempo=TempoClock(self.clock))
        self.second = ParameterStore(library, tempo=TempoClock(self.other_clock))
        self.timers: list[tuple[float, Callable[[], None]]] = []
        cues = [Cue(preset="lava-lamp", after=60.0), Cue(preset="fire")]
        self.cues = CueShow(QuantisedShow(self.second), cues, self._start_timer)
        place = CuePlace()
        place.set = self.cues.follow
        self.follower = StateFollower(self.second, self.other_clock, (), place)

    def _start_timer(self, seconds: float, call: Callable[[], None]) -> Cancel:
        timer = seconds, call
        self.timers.append(timer)
        return lambda: self.timers.remove(timer)

    def follow(self, cue: int = -1) -> None:
        self.follower.apply(state_of(self.first, [], cue))

    def pass_time(self, seconds: float) -> None:
        self.clock.time += round(seconds * NS)
        self.other_clock.time += round(seconds * NS)


def test_values_look_and_panic_follow(library: Library) -> None:
    two = Two(library)
    two.first.apply("/preset", ["fire"], "hand")
    two.follow()
    assert two.second.values() == two.first.values()
    two.first.apply("/strength", [0.11], "hand")
    two.first.apply("/blackout", [True], "hand")
    two.follow(cue=1)
    assert two.second.values() == two.first.values()
    assert two.cues.status()["cues"] == {"presets": ["lava-lamp", "fire"], "place": 2}
    panics: list[int] = []
    two.second.on_panic = panics.append
    two.first.apply("/panic", [], "hand")
    two.follow()
    two.follow()
    assert len(panics) == 1
    assert two.second.value("/blackout") is False
    assert two.second.values() == two.first.values()
    # Panic restores the first show's preset here too.
    two.second.apply("/strength", [0.9], "hand")
    two.second.apply("/panic", [], "hand")
    assert two.second.value("/strength") == two.first.value("/strength")


def test_next_cue_follows_on_the_backup(library: Library) -> None:
    two = Two(library)
    two.follow(cue=0)
    assert not two.timers
    two.cues.resume()
    ((seconds, paused),) = two.timers
    assert 50 < seconds <= 60
    two.cues.pause()
    assert not two.timers
    two.cues.resume()
    paused()
    ((_, call),) = two.timers
    call()
    until(lambda: two.second.value("/preset") == "fire")


def test_new_look_glides_as_one(library: Library) -> None:
    two = Two(library)
    two.follow()
    before = two.second.standing()
    two.first.apply("/preset", ["lava-lamp"], "hand")
    two.follow()
    after = two.second.standing()
    assert after.look_revision > before.snapshot[0] > before.look_revision
    assert after.cut_revision == before.cut_revision


def test_beats_and_envelopes_follow(library: Library) -> None:
    two = Two(library)
    two.first.apply("/bpm", [150.0], "hand")
    two.first.apply("/beat", [6.5], "hand")
    two.pass_time(1.0)
    two.first.apply("/lfo/2/trigger", [], "hand")
    two.pass_time(0.5)
    two.follow()
    two.follower.keep_time(pulse_of(two.first, two.clock.now()), two.other_clock.now())
    two.pass_time(2.0)
    first, second = two.first.tempo.time(150.0), two.second.tempo.time(150.0)
    assert abs(first.beats - second.beats) < 1e-6
    assert abs(first.seconds - second.seconds) < 1e-6
    assert abs(first.since_triggers[1] - second.since_triggers[1]) < 1e-6


def test_files_that_are_closed_are_kept_out(library: Library, tmp_path: Path) -> None:
    two = Two(library)
    secret = tmp_path / "elsewhere" / "model"
    two.first.opened.trust({"/model": str(secret)})
    two.first.change({"/model": str(secret), "/strength": 0.2}, "hand", "/model")
    two.follow()
    assert two.second.value("/strength") == 0.2
    assert two.second.value("/model") == two.second.parameters["/model"].default
    (address, reason), *others = two.follower.differing().items()
    assert address == "/model"
    assert "--allow-folder" in reason
    assert not others


def test_refused_build_is_not_tried_with_each_fader(library: Library) -> None:
    two = Two(library)
    two.first.apply("/width", [512], "hand")
    two.follow()
    two.second.apply("/width", [256], "supervisor")  # it went back, because memory is short
    two.first.apply("/strength", [0.3], "hand")
    two.follow()
    assert two.second.value("/width") == 256
    assert two.second.value("/strength") == 0.3
