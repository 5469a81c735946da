"""`ControlTransport`: records the controls of a show, and plays recorded ones, as surfaces ask for it."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from daemon.shared.clock import NS, Clock
from daemon.stage.control_player import SHORTEST_LOOP, ControlPlayer, is_too_short
from daemon.stage.control_recorder import ControlRecorder
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.quantised_show import QuantisedShow
from daemon.stage.recording_names import controls_path, named_controls, recordings_folder
from daemon.stage.settings import Settings
from daemon.stage.show_wrapper import StartTimer, start_timer
from io_bridges.show_control import ControlReply, Later
from presets.control_file import RecordedControls, read_controls
from presets.errors import ControlsError, SettingsError
from presets.set_list import Cue

log = logging.getLogger("stage.controls")

CLOSING = 2.0
"""Seconds for the file to be whole when the show ends."""

_PAUSE = 0.002
"""Seconds in which other threads work, now and then while a long recording is read."""


def first_controls(path: Path | None, loop: bool) -> RecordedControls | None:
    """Return the recording that a show plays from its start, None for none.

    Raises:
        ControlsError: The file can't be read.
        SettingsError: A loop of nothing is asked for.
    """
    if path is None:
        if loop:
            raise SettingsError("--loop-controls goes with --play-controls FILE")
        return None
    controls = read_controls(controls_path(str(path)))
    if loop and is_too_short(controls):
        raise SettingsError(f"--loop-controls: {_too_short(controls)}")
    log.info(played(controls))
    return controls


class ControlTransport:
    """The recorder and the player of one show. Every method but `start` and `stop` returns at once, for any thread."""

    def __init__(self, store: ParameterStore, clock: Clock, timer: StartTimer = start_timer) -> None:
        self.store = store
        self.quantised = QuantisedShow(store, timer)
        """The show whose looks wait for the beat, which follows the tempo that is played."""
        self.take_cues: Callable[[Sequence[Cue]], None] = lambda cues: None
        """Has the controls of the show call other cues; `BridgeMaker` sets it."""
        self.recorder = ControlRecorder(store, clock)
        self.player = ControlPlayer(store, clock, self.quantised)
        self.folder = recordings_folder(Settings())
        """Folder of the recordings that surfaces name; `start` takes that of the settings."""
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None
        self._stops = 0

    def start(self, settings: Settings) -> None:
        """Begin what the settings ask for. Raises `BridgeError` if no file can be recorded."""
        self.folder = recordings_folder(settings)
        self.player.start()
        if settings.record_controls is not None:
            self.recorder.record_now(settings.record_controls)
        if settings.play_controls is not None:
            self.player.play(settings.play_controls, settings.loop_controls)

    def stop(self) -> None:
        """End both, with a file that is whole."""
        self.player.close()
        self.recorder.end(CLOSING)

    def request(self, address: str, text: str, sender: str, later: Later | None) -> ControlReply:
        """Perform an action by its address. `later` gets the outcome of what takes time.

        Raises `ParameterRefused` for a text that is no name in the folder.
        """
        if address == "/record/controls":
            return self._record(address, named_controls(self.folder, text), sender, later)
        if address == "/record/stop":
            path, is_ended = self.recorder.state.path, self.recorder.end()
            return ControlReply(address, True, None, f"recorded {path}" if is_ended else "nothing is recorded")
        if address == "/play/stop":
            return ControlReply(address, True, None, "stopped" if self.stop_playing() else "nothing is played")
        return self._play(address, named_controls(self.folder, text), sender, later)

    def stop_playing(self) -> bool:
        """Play no further message, nor a recording that is being read. Return False if there was none."""
        with self._lock:
            self._stops += 1
            is_reading = self._reader is not None and self._reader.is_alive()
        return self.player.stop() or is_reading

    def status(self) -> dict[str, object]:
        """Return what is recorded and played now, each None for nothing."""
        recording, playing = self.recorder.state, self.player.state
        return {
            "recording_controls": recording._asdict() | {"seconds": round(recording.seconds, 1)}
            if recording.path
            else None,
            "playing_controls": playing._asdict() | {"seconds": round(playing.seconds, 1)} if playing.path else None,
        }

    def _record(self, address: str, path: Path, sender: str, later: Later | None) -> ControlReply:
        def outcome(opened: str, problem: str) -> None:
            reply = self._answer(address, not problem, problem or f"recording into {opened}", sender)
            if later is not None:
                later(reply)

        if not self.recorder.record(path, outcome, with_folder=True):
            return self._answer(address, False, "a recording is on already; /record/stop ends it", sender)
        return ControlReply(address, True, None, f"opens {path}", pending=later is not None)

    def _play(self, address: str, path: Path, sender: str, later: Later | None) -> ControlReply:
        with self._lock:
            if self._reader is not None and self._reader.is_alive():
                return self._answer(address, False, "another recording is being read", sender)
            work = (address, path, sender, later, self._stops)
            self._reader = threading.Thread(target=self._read, args=work, name="read-controls", daemon=True)
            self._reader.start()
        return ControlReply(address, True, None, f"reads {path}", pending=later is not None)

    def _read(self, address: str, path: Path, sender: str, later: Later | None, stops: int) -> None:
        is_loop = address == "/play/loop"
        try:
            controls = read_controls(path, lambda: time.sleep(_PAUSE))
            if is_loop and is_too_short(controls):
                raise ControlsError(_too_short(controls))
        except ControlsError as error:
            reply = self._answer(address, False, str(error), sender)
        else:
            with self._lock:
                is_wanted = stops == self._stops
                if is_wanted:
                    self.player.play(controls, is_loop)
            reply = self._answer(address, is_wanted, played(controls) if is_wanted else "stopped meanwhile", sender)
        if later is not None:
            later(reply)

    def _answer(self, address: str, is_taken: bool, note: str, sender: str) -> ControlReply:
        if not is_taken:
            self.store.refused(sender, f"{address}: {note}")
        return ControlReply(address, is_taken, None, note)


def played(controls: RecordedControls) -> str:
    """Return a sentence about a recording that is played now."""
    cut = "; its last line is not whole and left out" if controls.is_cut else ""
    return f"plays {controls.path}: {len(controls.messages)} messages in {controls.length / NS:.1f} s{cut}"


def _too_short(controls: RecordedControls) -> str:
    return f"{controls.path} takes {controls.length / NS:g} s; a loop takes at least {SHORTEST_LOOP:g} s"
