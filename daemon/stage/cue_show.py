"""`CueShow`: a show with a set list, whose cues are called by ``/cue/go``, ``/cue/back`` and ``/cue/jump``."""

import threading
import time
from collections import deque
from collections.abc import Sequence

from daemon.stage.message_reading import read_message
from daemon.stage.replies import action_text
from daemon.stage.show_wrapper import Cancel, LookControl, ShowWrapper, StartTimer, start_timer
from io_bridges.show_control import ControlReply, Later
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, TWINS, Value
from presets.set_list import Cue

FOLLOW_ON = "set list"
"""Name of the sender of a cue that follows by itself."""

NO_SET_LIST = "there is no set list; start the show with --set-list FILE"


class CueShow(ShowWrapper):
    """Plays the cues of a set list by loading presets of the show that it wraps, with the morph of the cue.

    A cue may have the next one follow by itself. Any other cue that is called before cancels that. A cue whose preset
    can't be loaded is refused once. From then on the next cue and the one before go past it, until a cue is taken.
    """

    def __init__(self, show: LookControl, cues: Sequence[Cue], timer: StartTimer = start_timer) -> None:
        super().__init__(show)
        self._looks = show
        self._cues = cues
        self._timer = timer
        self._lock = threading.RLock()
        self._place = self._reached = -1
        self._unplayable: set[int] = set()
        """Places of the cues that were refused since the last one that was taken."""
        self._calls = 0
        self._followed_at = 0.0
        self._waiting: dict[int, int] = {}
        """Places of the cues whose outcome is awaited, by the number of the call."""
        self._cancel: Cancel = lambda: None

    def apply(self, address: str, arguments: Sequence[object], sender: str, later: Later | None = None) -> ControlReply:
        """Call a cue, or pass any other message on. The reply is that to the preset of the cue."""
        if address in PARAMETERS or address in TWINS:  # most messages, and never a cue
            return self._show.apply(address, arguments, sender, later)
        written = "/" + address.lower().strip("/")
        if not written.startswith("/cue/"):
            return self._show.apply(address, arguments, sender, later)
        try:
            known, arguments, _, _ = read_message(written, arguments, {}, tuple)
            if known not in ("/cue/go", "/cue/back", "/cue/jump"):
                return self._show.apply(address, arguments, sender, later)
            action = self._show.actions[known]
            text = action_text(known, action.argument, arguments)
            if text is None:
                return ControlReply(known, True, None, "a button's release does nothing")
            with self._lock:
                return self._call(known, self._wanted(known, text), sender, later)
        except ParameterRefused as refusal:
            self.refused(sender, f"{written[:60]}: {refusal}")
            return ControlReply(written, False, None, str(refusal))

    def place(self) -> int:
        """Return the place of the last cue from 0; -1 before the first."""
        return self._place

    def follow(self, place: int) -> None:
        """Go on from the cue at a place, which another show has called."""
        with self._lock:
            if place != self._place and place < len(self._cues):
                self.pause()
                self._place = self._reached = place
                self._followed_at = time.monotonic()

    def pause(self) -> None:
        """Have no cue follow by itself."""
        with self._lock:
            self._cancel()
            self._cancel = lambda: None
            self._calls += 1

    def resume(self) -> None:
        """Have the next cue follow by itself, as long after the one that was followed as that one says."""
        with self._lock:
            place = self._place
            after = self._cues[place].seconds("after", self._bpm()) if place >= 0 else None
            if after is not None and place + 1 < len(self._cues):
                left = max(after - (time.monotonic() - self._followed_at), 0.0)
                call = self._calls
                self._cancel = self._timer(left, lambda: self._follow(call))

    def take(self, cues: Sequence[Cue]) -> None:
        """Play other cues from now on, after the set list was saved. Nothing changes on air.

        The place is kept by the name of the last cue, of several by their order. If that cue is gone, it is the place
        of the cue before that is still there, so that the next one is called next. A cue that was to follow follows.
        """
        with self._lock:
            if tuple(cues) == tuple(self._cues):
                return
            places = _moved_places(self._cues, cues)
            self._place, self._reached = places[self._place], places[self._reached]
            self._waiting = {call: places[place] for call, place in self._waiting.items()}
            self._unplayable.clear()
            self._cues = cues

    def status(self) -> dict[str, object]:
        """Return the state of the show, with the presets of the cues and the place of the last one, from 1.

        Cues that timecode calls have their times there too.
        """
        cues: dict[str, object] = {"presets": [cue.preset for cue in self._cues], "place": self._place + 1}
        if any(cue.at for cue in self._cues):
            cues["at"] = [cue.at or "" for cue in self._cues]
        return {**self._show.status(), **({"cues": cues} if self._cues else {})}

    def _wanted(self, address: str, text: str) -> int:
        """Return the place of the cue that is wanted. Raises `ParameterRefused`."""
        if not self._cues:
            raise ParameterRefused(NO_SET_LIST)
        if address == "/cue/jump":
            return self._found(text)
        step = 1 if address == "/cue/go" else -1
        place = self._place + step
        while place in self._unplayable:
            place += step
        if place < 0:
            raise ParameterRefused("no cue comes before")
        if place >= len(self._cues):
            raise ParameterRefused("the last cue has been called; /cue/jump 1 begins again")
        return place

    def _found(self, text: str) -> int:
        if text.isascii() and text.isdigit():
            if 1 <= int(text[:9]) <= len(self._cues):
                return int(text[:9]) - 1
            raise ParameterRefused(f"there are {len(self._cues)} cues; number {text[:9]} came")
        # Among several cues with one preset, the next from here on is meant.
        order: list[int] = [*range(self._place + 1, len(self._cues)), *range(self._place + 1)]
        for place in order:
            if self._cues[place].preset.casefold() == text.strip().casefold():
                return place
        raise ParameterRefused(f"no cue has the preset {text[:60]!r}")

    def _call(self, address: str, place: int, sender: str, later: Later | None) -> ControlReply:
        cue = self._cues[place]
        morph = cue.seconds("morph", self._bpm())
        self._cancel()
        self._cancel = lambda: None
        self._calls = call = self._calls + 1
        self._waiting[call] = place

        def forward(outcome: ControlReply) -> None:
            # The outcome of the preset's source has another address.
            if outcome.address == "/preset":
                self._take_outcome(call, cue, outcome.accepted)
            if later is not None:
                later(outcome._replace(address=address))

        instead: dict[str, Value] = {} if morph is None else {"/morph": morph, "/morph_beats": 0.0}
        reply = self._looks.recall(cue.preset, instead, sender, forward)
        if reply.accepted:
            self._place = place
        if not reply.pending:
            self._take_outcome(call, cue, reply.accepted)
        note = f"cue {place + 1} of {len(self._cues)}, {cue.preset}"
        reply = reply._replace(address=address, value=None, note=f"{note}; {reply.note}" if reply.note else note)
        return reply._replace(pending=reply.pending and later is not None)

    def _take_outcome(self, call: int, cue: Cue, accepted: bool) -> None:
        """Have the next cue follow one that is on air. Go back to the cue before one that was dropped or refused."""
        with self._lock:
            if (place := self._waiting.pop(call, None)) is None:
                return
            if accepted:
                self._reached = place
                self._unplayable.clear()
            elif place >= 0 and cue.preset not in self.preset_names():  # and not one that was dropped
                self._unplayable.add(place)
            if call != self._calls:
                return
            self._place = self._reached
            after = cue.seconds("after", self._bpm())
            if accepted and after is not None and place + 1 < len(self._cues):
                self._cancel = self._timer(after, lambda: self._follow(call))

    def _bpm(self) -> float:
        return float(self.values()["/bpm"])

    def _follow(self, call: int) -> None:
        with self._lock:
            if call != self._calls:
                return
            for following in range(self._place + 1, len(self._cues)):
                if self._call("/cue/go", following, FOLLOW_ON, None).accepted:
                    return


def _moved_places(before: Sequence[Cue], after: Sequence[Cue]) -> dict[int, int]:
    """Return the place among other cues of each place, -1 for before the first; of a cue that is gone, the one before.

    Of several cues with one preset the first stands for the first.
    """
    left: dict[str, deque[int]] = {}
    for place, cue in enumerate(after):
        left.setdefault(cue.preset, deque()).append(place)
    places = {-1: -1}
    for place, cue in enumerate(before):
        again = left.get(cue.preset)
        places[place] = again.popleft() if again else places[place - 1]
    return places
