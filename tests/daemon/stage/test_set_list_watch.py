"""The set list of a show, saved by an editor: read again, or refused while the cues stay."""

from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.stage.cue_show import CueShow
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.quantised_show import QuantisedShow
from daemon.stage.set_list_watch import SetListWatch
from io_bridges.midi.timecode import CueTimes, MtcPosition
from presets.library import Library
from presets.set_list import Cue, cue_times, read_set_list
from presets.timecode import parse_timecode

OSC = "osc:127.0.0.1:9"
FIRST = "cues: [fire, ice-cells, ink]"


class WatchRig:
    """A show with a set list in a file, whose timers the test fires."""

    def __init__(self, folder: Path, library: Library, store: ParameterStore, is_held: bool = False) -> None:
        self.path = folder / "tonight.yaml"
        self.save(FIRST)
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.held: list[tuple[float, Callable[[], None]]] = []
        looks = QuantisedShow(store, self.collect(self.held)) if is_held else store
        self.show = CueShow(looks, read_set_list(self.path, library), self.collect(self.timers))
        self.watch = SetListWatch(self.path, library, self.show.take, store.refused)
        self.watch.look()

    @staticmethod
    def collect(timers: list[tuple[float, Callable[[], None]]]) -> Callable[..., Callable[[], None]]:
        def start(seconds: float, call: Callable[[], None]) -> Callable[[], None]:
            timers.append((seconds, call))
            return lambda: None

        return start

    def save(self, text: str) -> None:
        """Save as editors do: a new file in the place of the old one."""
        aside = self.path.with_suffix(".part")
        aside.write_text(text)
        aside.replace(self.path)

    def read_again(self, text: str) -> None:
        self.save(text)
        self.watch.look()

    def call(self, address: str, *arguments: object) -> str:
        return self.show.apply(address, arguments, OSC).note

    @property
    def cues(self) -> tuple[list[str], int]:
        cues = self.show.status()["cues"]
        assert isinstance(cues, dict)
        return cues["presets"], cues["place"]


@pytest.fixture
def rig(tmp_path: Path, library: Library, store: ParameterStore) -> WatchRig:
    return WatchRig(tmp_path, library, store)


@pytest.mark.parametrize(
    ("again", "place", "following"),
    [
        ("cues: [gold, fire, ice-cells, ink]", 3, "cue 4 of 4, ink"),
        ("cues: [ice-cells, infrared, ink]", 1, "cue 2 of 3, infrared"),
        ("cues: [fire, ink]", 1, "cue 2 of 2, ink"),
        ("cues: [ink, gold]", 0, "cue 1 of 2, ink"),
    ],
)
def test_place_is_kept_by_name(rig: WatchRig, store: ParameterStore, again: str, place: int, following: str) -> None:
    rig.call("/cue/jump", "ice-cells")
    store.apply("/strength", [0.3], OSC)
    before = store.wanted
    rig.read_again(again)
    assert rig.cues[1] == place
    assert store.wanted == before, "nothing changes on air"
    assert rig.call("/cue/go") == following


def test_cue_of_one_preset_stays_itself(rig: WatchRig) -> None:
    rig.read_again("cues: [fire, ink, fire, gold, fire]")
    rig.call("/cue/jump", 3)
    rig.read_again("cues: [ink, fire, gold, gold, fire, ice-cells, fire]")
    assert rig.cues[1] == 5, "the second of three"


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("cues:\n  - fire\n  - no-such-look\n", "tonight.yaml:3:5", "no preset"),
        ("cues:\n  - preset: fire\n    morf: 2\n    after: x\n", "tonight.yaml:3:5", "(2 mistakes)"),
        ("cues: [fire", "tonight.yaml:", ""),
    ],
)
def test_broken_file_is_refused_once(rig: WatchRig, store: ParameterStore, text: str, place: str, said: str) -> None:
    rig.call("/cue/go")
    for _ in range(3):
        rig.read_again(text) if place not in str(store.status()["refusals"]) else rig.watch.look()
    assert rig.cues == (["fire", "ice-cells", "ink"], 1)
    refused = str(store.status()["refusals"])
    assert refused.count(place) == 1
    assert said in refused
    rig.path.unlink()
    rig.watch.look()
    assert rig.call("/cue/go") == "cue 2 of 3, ice-cells", "a file that is gone changes nothing"
    rig.read_again("cues: [ice-cells, gold]")
    assert rig.cues == (["ice-cells", "gold"], 1)


def test_follow_on_goes_to_the_new_cue(rig: WatchRig) -> None:
    rig.read_again("cues: [{preset: fire, after: 5}, ink]")
    rig.call("/cue/go")
    ((seconds, follow),) = rig.timers
    rig.read_again("cues: [gold, {preset: fire, after: 5}, infrared, ink]")
    follow()
    assert (seconds, rig.cues[1], rig.show.values()["/preset"]) == (5.0, 3, "infrared")


def test_held_cue_keeps_its_place(tmp_path: Path, library: Library, store: ParameterStore) -> None:
    rig = WatchRig(tmp_path, library, store, is_held=True)
    rig.call("/quantise", "bar")
    rig.call("/cue/jump", "ink")
    rig.read_again("cues: [ink, fire]")
    rig.held[0][1]()
    assert (rig.show.values()["/preset"], rig.cues[1]) == ("ink", 1)
    assert rig.call("/cue/go").startswith("cue 2 of 2, fire")


def test_timecode_calls_the_new_cues() -> None:
    def position(text: str) -> MtcPosition:
        return MtcPosition(parse_timecode(text), "25", True)

    times = CueTimes(cue_times([Cue(preset="a"), Cue(preset="b", at="00:00:10"), Cue(preset="c", at="00:00:20")]))
    assert times.take(position("00:00:10")) == 2
    times.replace(cue_times([Cue(preset="b", at="00:00:10"), Cue(preset="d", at="00:00:30")]))
    assert times.take(position("00:00:12")) is None, "the cue of this place was called"
    assert times.take(position("00:00:31")) == 2
