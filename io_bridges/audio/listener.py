"""`AudioListener`: what the show hears. Its process is started again with back-off whenever it ends."""

import contextlib
import logging
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from io_bridges.audio.analysis import SoundFeatures, onset_height
from io_bridges.audio.report import AudioReport, decode_line
from io_bridges.lazy_imports import missing_extra
from presets.errors import BridgeError, BridgeUnavailable
from presets.movement import SILENCE, Heard

log = logging.getLogger("stage.audio")

STALE = 0.5
"""Seconds after which the newest features count no more: the input is gone, or its process hangs."""
HUNG = 10.0
"""Seconds without a line after which a process is killed."""
START = 60.0
"""Seconds of silence before its first line. It imports NumPy and a decoder, which takes long on a busy processor."""
FIRST_DELAY, LONGEST_DELAY = 0.5, 5.0
"""Seconds before the process is started again; they double while it does not come to an open input."""
CLOSE_SECONDS = 1.0
COMMAND = (sys.executable, "-m", "io_bridges.audio")
_NEVER = -math.inf


class AudioSource(NamedTuple):
    """What the show shall hear."""

    text: str
    """Part of the name of an input, ``default``, or a path."""
    is_file: bool

    @classmethod
    def read(cls, text: str) -> "AudioSource":
        """Return the source that a text names: a file if it exists or begins with ``file:``, else an input.

        Raises `BridgeError` for a file that is missing, `BridgeUnavailable` without the extra that it needs.
        """
        written = text.removeprefix("file:")
        source = cls(written, written != text or Path(written).is_file())
        if source.is_file and not Path(written).is_file():
            raise BridgeError(f"--audio: {written} is not a file")
        module, extra = ("av", "video") if source.is_file else ("sounddevice", "audio")
        if reason := missing_extra(module, extra):
            raise BridgeUnavailable(reason)
        return source


class AudioListener:
    """One input or file. `look` and `stop` on one thread, the rest on any."""

    def __init__(
        self, source: AudioSource, command: Sequence[str] = COMMAND, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`command` gets the source at its end. `now` returns seconds on a clock that does not run backwards."""
        self._source = source
        self._command = [*command, "file" if source.is_file else "input", source.text]
        self._now = now
        self._process: subprocess.Popen[bytes] | None = None
        self._report = AudioReport()
        self._newest = Heard(), _NEVER
        self._onset_at = _NEVER
        self._heard_at = self._start_at = _NEVER
        self._delay = FIRST_DELAY
        self._has_spoken = False
        self._logged = ""
        self._counts = {"blocks": 0, "onsets": 0, "restarts": 0, "hangs": 0}

    def look(self) -> None:
        """Start the process if it is due, kill one that hangs, and take note of one that has ended."""
        process, now = self._process, self._now()
        if process is None:
            if now >= self._start_at:
                self._start(now)
        elif process.poll() is not None:
            self._ended(now)
        elif now - self._heard_at > (HUNG if self._has_spoken else START):
            self._counts["hangs"] += 1
            self._heard_at = now  # it takes a moment to die, and counts once
            process.kill()
        self._log_state()

    def heard(self) -> Heard:
        """Return the features of the newest block, with the onset as it dies away; silence if there is none."""
        newest, at = self._newest
        now = self._now()
        if now - at > STALE:
            return SILENCE
        return newest._replace(onset=onset_height(now - self._onset_at))

    def since_onset(self) -> float:
        """Return the seconds since the last onset, infinite before the first one."""
        return self._now() - self._onset_at

    @property
    def problem(self) -> str:
        """Sentence about a source that is not heard; empty for one that is, and until it is known."""
        return self._report.text if self._report.state == "failed" else ""

    def status(self) -> dict[str, object]:
        """Return the source, its state, the features of now and the counters."""
        report = self._report
        return {
            "source": self._source.text,
            "state": report.state,
            "name": report.name,
            "note": self.problem,
            "features": self.meters(),
            **self._counts,
        }

    def meters(self) -> dict[str, float]:
        """Return the features of now by name, rounded."""
        return {name: round(value, 3) for name, value in self.heard()._asdict().items()}

    def stop(self) -> None:
        """End the process. Never raises; may be called twice."""
        process, self._process = self._process, None
        self._newest = SILENCE, _NEVER
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(CLOSE_SECONDS)
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        self._report = AudioReport()

    def _start(self, now: float) -> None:
        self._heard_at, self._has_spoken = now, False
        try:
            self._process = process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,  # it ends with the stage
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # native libraries repeat their complaints at every look
                # A group of its own: Ctrl-C in a terminal reaches the stage alone.
                process_group=0 if sys.platform != "win32" else None,
            )
        except OSError as error:
            self._retry(now, f"the process that hears can't be started: {error.strerror or error}")
            return
        threading.Thread(target=self._listen, args=(process, process.stdout), name="audio", daemon=True).start()

    def _ended(self, now: float) -> None:
        report, process = self._report, self._process
        self._process = None
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        self._retry(now, report.text or "the process that hears has ended")

    def _retry(self, now: float, text: str) -> None:
        self._counts["restarts"] += 1
        self._start_at = now + self._delay
        self._delay = min(2 * self._delay, LONGEST_DELAY)
        self._report = AudioReport("failed", text)

    def _log_state(self) -> None:
        report = self._report
        state = f"{report.name} is heard" if report.state == "open" else self.problem
        if state and state != self._logged:
            log.log(logging.INFO if report.state == "open" else logging.WARNING, "audio: %s", state)
            self._logged = state

    def _listen(self, process: "subprocess.Popen[bytes]", stream: IO[bytes]) -> None:
        """Read the lines of a process until it ends."""
        with stream:
            while line := stream.readline():
                found, now = decode_line(line), self._now()
                if process is not self._process or found is None:
                    continue
                self._heard_at, self._has_spoken = now, True
                if isinstance(found, AudioReport):
                    self._report = found
                    self._delay = FIRST_DELAY if found.state == "open" else self._delay
                else:
                    self._take(found, now)

    def _take(self, found: SoundFeatures, now: float) -> None:
        *shares, is_onset = found
        self._counts["blocks"] += 1
        if is_onset:
            self._counts["onsets"] += 1
            self._onset_at = now
        self._newest = Heard(*shares), now
