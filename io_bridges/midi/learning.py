"""`MidiMemory`: the mapping of a show and its file. `LearningDesk`: maps the control that moves next, and tells it."""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from io_bridges.midi.decoding import MidiMove
from io_bridges.midi.learner import LEARN_SECONDS, MidiLearner
from io_bridges.show_control import ControlReply, Later
from presets.errors import ParameterRefused
from presets.midi_file import save_mapping
from presets.midi_mapping import MidiMapping, MidiTarget, MidiTrigger, parse_target
from presets.target_file import MOST_MAPPINGS

log = logging.getLogger("stage.midi")


class MidiMemory:
    """The mapping, saved whenever it changes. Any thread may use it."""

    def __init__(self, mapping: MidiMapping, file: Path) -> None:
        self.mapping = mapping
        self.file = file
        self.failure = ""
        """Reason why the mapping is not saved; empty if it is."""
        self._lock = threading.Lock()
        self._is_saving = False
        self._saver: threading.Thread | None = None

    def learn(self, trigger: MidiTrigger, target: MidiTarget) -> None:
        """Map a control in place of those that the target had, and save."""
        self._change(self.mapping.with_learned(trigger, target))

    def forget(self, text: str) -> str:
        """Remove a control, or every control of an address. Return a sentence. Raises `ParameterRefused`."""
        before = self.mapping
        self._change(before.without(text))
        count = len(before.targets) - len(self.mapping.targets)
        return f"{count} MIDI control{'s' if count > 1 else ''} removed"

    def wait_until_saved(self, seconds: float) -> None:
        """Wait until the file has the mapping, or has failed to, at most so long."""
        saver = self._saver
        if saver is not None:
            saver.join(seconds)

    def _change(self, mapping: MidiMapping) -> None:
        with self._lock:
            self.mapping = mapping
            if self._is_saving:
                return
            self._is_saving = True
            # A disk may hang, and no control waits for it.
            self._saver = threading.Thread(target=self._save, name="midi mapping", daemon=True)
            self._saver.start()

    def _save(self) -> None:
        while True:
            mapping = self.mapping
            try:
                save_mapping(self.file, mapping)
                self.failure = ""
            except OSError as error:
                self.failure = f"{self.file} can't be written: {error.strerror or error}"
                log.error("The MIDI mapping is not saved: %s", self.failure)
            with self._lock:
                if self.mapping is mapping:
                    self._is_saving = False
                    return


class LearningDesk:
    """Learns one control after another. `begin`, `cancel` and `status` for any thread, the rest for the control's."""

    def __init__(self, memory: MidiMemory, several_devices: bool) -> None:
        """With several devices a control is learned of the one that it belongs to."""
        self._memory = memory
        self._several = several_devices
        self._learner = MidiLearner()
        self._requests: deque[tuple[MidiTarget | None, Later | None]] = deque(maxlen=8)
        self._later: Later | None = None
        self._told = ""

    def begin(self, text: str, later: Later | None) -> str:
        """Request to learn a control for an address, such as ``/strength`` or ``/preset fire``. Return a sentence.

        `later` gets the outcome. Raises `ParameterRefused` for an address that no control can have.
        """
        target = parse_target(text)
        if target.to.startswith("/midi/"):
            raise ParameterRefused("learning is not learned: give the address of another control")
        if len(self._memory.mapping.targets) >= MOST_MAPPINGS:
            raise ParameterRefused(f"at most {MOST_MAPPINGS} controls are mapped; remove one first")
        self._requests.append((target, later))
        return f"move a MIDI control within {LEARN_SECONDS:.0f} s, and it moves {_name(target)} from then on"

    def cancel(self) -> str:
        """Request to stop learning. Return a sentence."""
        self._requests.append((None, None))
        return "nothing is learned now"

    def status(self) -> dict[str, object]:
        """Return the target that waits for a control, and what was learned last."""
        target = self._learner.target
        seconds = round(self._learner.seconds_left(time.monotonic()))
        learning = None if target is None else {"to": target.to, "value": target.value, "seconds": seconds}
        return {"learning": learning, "learned": self._told}

    def hear(self, moves: Sequence[MidiMove], device: str, now: float) -> bool:
        """Take the moves of one message. Return True while something is learned: they move nothing then."""
        was_learning = self._learner.target is not None
        if (move := self._learner.hear(moves, device, now)) is not None:
            self._learn(move, self._learner.heard_from)
        return was_learning

    def tend(self, now: float) -> None:
        """Begin and end what was requested, and end what takes too long."""
        while self._requests:
            target, later = self._requests.popleft()
            self._tell(False, "another control is learned" if target else "learning was stopped")
            self._learner.cancel()
            if target is not None:
                self._learner.begin(target, now)
                self._later, self._told = later, ""
        if (move := self._learner.expire(now)) is not None:
            self._learn(move, self._learner.heard_from)
        elif self._later is not None and self._learner.target is None:
            self._tell(False, "no MIDI control was moved in time")

    def _learn(self, move: MidiMove, device: str) -> None:
        target = self._learner.target
        if target is None:
            return
        trigger = move.trigger(device if self._several else "")
        self._memory.learn(trigger, target)
        self._learner.cancel()
        self._tell(True, f"{trigger} moves {_name(target)}")

    def _tell(self, is_learned: bool, sentence: str) -> None:
        if is_learned:
            log.info("%s", sentence)
            self._told = sentence
        later, self._later = self._later, None
        if later is not None:
            later(ControlReply("/midi/learn", is_learned, None, sentence))


def _name(target: MidiTarget) -> str:
    return target.to if target.value is None else f"{target.to} {target.value}"
