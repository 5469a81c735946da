"""Script of a show that plays by itself: its looks, its set list, and what a performer does on which beat."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks.show.osc_sender import OscSender

BPM = 120.0
BEAT = 60.0 / BPM
"""Seconds of a beat."""
ROUND = 64
"""Beats of a round. The script plays rounds until the show is over."""
OWN_LOOK = "tonight"
"""Name of the look that the show brings along, moved by LFOs and saved again while it is on air."""
_LOOK: Mapping[str, Any] = {
    "prompt": "neon edges",
    "strength": 0.9,
    "steps": 1,
    "lfo": [
        {"target": "strength", "shape": "sine", "amount": 0.2, "period": 4.0},
        {"target": "zoom", "shape": "triangle", "amount": 0.1, "period": 8.0},
    ],
}
BROKEN = "prompt: neon edges\nstrength: a lot\n"
"""The look with a mistake, as somebody may save it in the middle of a show."""
_CUES = (
    "neon",
    {"preset": "labyrinth", "morph_beats": 4},
    {"preset": "wormhole", "morph": 0},
    {"preset": OWN_LOOK, "morph_beats": 8},
    {"preset": "ink", "morph": 1},
    {"preset": "fire", "morph_beats": 2},
)
_PROMPTS = ("violet halftone", "ice mosaic", "golden engraving", "fire led wall")
_SWEEP = 100
"""Messages of a sweep of a fader, 20 ms apart."""


class ScriptedEvent(NamedTuple):
    """Something that a performer does."""

    beat: float
    """Beats from the start of the show. Looks are asked for between two beats."""
    name: str
    is_quantised: bool
    """True if it changes the look on the next beat."""
    act: Callable[[], None]


class ShowScript:
    """The events of a show of some length, for the surface that performs them."""

    def __init__(self, folder: Path, osc: OscSender, seconds: float) -> None:
        """Set up the script. `folder` is that of the user's presets; `write_files` fills it."""
        self._look = folder / f"{OWN_LOOK}.yaml"
        self._osc = osc
        self._rounds = max(1, round(seconds / (ROUND * BEAT)))
        self._calls = 0

    @property
    def seconds(self) -> float:
        """Length of the show: whole rounds."""
        return self._rounds * ROUND * BEAT

    def events(self) -> Iterator[ScriptedEvent]:
        """Yield the events in the order of their beats."""
        for number in range(self._rounds):
            for event in self._round(number):
                yield event._replace(beat=event.beat + number * ROUND)

    def _round(self, number: int) -> Iterator[ScriptedEvent]:
        prompt = _PROMPTS[number % len(_PROMPTS)]
        yield ScriptedEvent(2.3, "cue", True, self._call_cue)
        yield ScriptedEvent(10.3, "prompt", True, lambda: self._osc.send("/prompt", prompt))
        yield ScriptedEvent(18.3, "fader", False, self._sweep_strength)
        yield ScriptedEvent(26.3, "cue", True, self._call_cue)
        yield ScriptedEvent(34.3, "lfo", False, self._move_brightness)
        if number == self._rounds // 2:
            yield ScriptedEvent(36.0, "look", True, lambda: self._osc.send("/preset", OWN_LOOK))
            yield ScriptedEvent(40.0, "broken look saved", False, lambda: self._save(BROKEN))
            yield ScriptedEvent(46.0, "look saved", False, lambda: self._save(look_text("copper contours")))
        yield ScriptedEvent(50.3, "cue", True, self._call_cue)
        if number % 2:
            yield ScriptedEvent(56.0, "panic", False, lambda: self._osc.send("/panic"))

    def _call_cue(self) -> None:
        """Call the next cue, the first one after the last."""
        if self._calls % len(_CUES):
            self._osc.send("/cue/go")
        else:
            self._osc.send("/cue/jump", 1)
        self._calls += 1

    def _sweep_strength(self) -> None:
        for step in range(_SWEEP):
            self._osc.send("/strength", 0.4 + 0.6 * abs(step - _SWEEP // 2) / (_SWEEP // 2))
            time.sleep(0.02)

    def _move_brightness(self) -> None:
        for field, value in (("shape", "pulse"), ("amount", 0.3), ("period", 1.0), ("target", "brightness")):
            self._osc.send(f"/lfo/2/{field}", value)

    def _save(self, text: str) -> None:
        self._look.write_text(text)


def look_text(prompt: str) -> str:
    """Return the look of the show with this prompt, as YAML."""
    return str(yaml.safe_dump({**_LOOK, "prompt": prompt}))


def write_files(folder: Path) -> tuple[Path, Path]:
    """Write the show's look and its set list. Return the folder of the presets, and the set list."""
    presets, cues = folder / "presets", folder / "cues.yaml"
    presets.mkdir(parents=True, exist_ok=True)
    (presets / f"{OWN_LOOK}.yaml").write_text(look_text(str(_LOOK["prompt"])))
    cues.write_text(yaml.safe_dump({"cues": [*_CUES]}))
    return presets, cues
