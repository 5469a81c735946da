"""`MidiDevice`: one device as the show sees it. Its process is started again with back-off whenever it ends."""

import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from io_bridges.midi.device_report import DeviceReport, decode_line, encode_messages
from io_bridges.midi.message_queue import MessageQueue, StampedMessage

log = logging.getLogger("stage.midi")

SILENCE = 10.0
"""Seconds without a line after which a process counts as hung and is killed."""
FIRST_DELAY, LONGEST_DELAY = 0.5, 10.0
"""Seconds before the process is started again; they double while it does not come to an open device."""
CLOSE_SECONDS = 1.0
COMMAND = (sys.executable, "-m", "io_bridges.midi")


class MidiDevice:
    """A device by a part of its name. `tend`, `take` and `close` on one thread, `send` and `report` on any."""

    def __init__(self, name: str, wake: Callable[[], None], command: Sequence[str] = COMMAND) -> None:
        """`wake` is called from any thread when there is something to take. `command` gets the name at its end."""
        self.name = name
        self.report = DeviceReport()
        self._wake = wake
        self._command = [*command, name]
        self._process: subprocess.Popen[bytes] | None = None
        self._queue = MessageQueue()
        self._outgoing: dict[object, bytes] = {}
        self._has_outgoing = threading.Condition()
        self._heard_at = self._start_at = 0.0
        self._delay = FIRST_DELAY
        self._openings = self._openings_told = 0
        self._logged = ""
        self._counts = {"received": 0, "sent": 0, "lost": 0, "restarts": 0, "hangs": 0}

    def tend(self, now: float) -> None:
        """Start the process if it is due, kill one that hangs, and take note of one that has ended."""
        process = self._process
        if process is None:
            if now >= self._start_at:
                self._start(now)
        elif process.poll() is not None:
            self._ended(now)
        elif now - self._heard_at > SILENCE:
            self._counts["hangs"] += 1
            process.kill()
        self._log_state()

    def take(self) -> list[StampedMessage]:
        """Return the messages that came."""
        return self._queue.take()

    def opened(self) -> bool:
        """Return True once after each opening of the device."""
        openings = self._openings
        has_opened, self._openings_told = openings != self._openings_told, openings
        return has_opened

    def send(self, messages: Mapping[object, bytes]) -> None:
        """Send to the device, if it is open. Of the messages under one key that still wait the newest is sent."""
        if self.report.state == "open" and self.report.output:
            with self._has_outgoing:
                self._outgoing.update(messages)
                self._has_outgoing.notify()

    def status(self) -> dict[str, object]:
        """Return the state, the ports and the counters."""
        report = self.report
        return {
            "name": self.name,
            "state": report.state,
            "input": report.input,
            "output": report.output,
            "note": self.problem,
            "superseded": report.superseded + self._queue.superseded,
            "dropped": report.dropped + self._queue.dropped,
            **self._counts,
        }

    def close(self) -> None:
        """End the process. Never raises; may be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(CLOSE_SECONDS)
        with self._has_outgoing:
            self._has_outgoing.notify()
        self.report = DeviceReport()

    def _start(self, now: float) -> None:
        self._heard_at = now
        try:
            self._process = process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # native libraries repeat their complaints at every look
                # A group of its own: Ctrl-C in a terminal reaches the stage alone.
                process_group=0 if sys.platform != "win32" else None,
            )
        except OSError as error:
            self._retry(now, f"The process of a MIDI device can't be started: {error.strerror or error}")
            return
        for target, stream in ((self._listen, process.stdout), (self._write, process.stdin)):
            threading.Thread(target=target, args=(process, stream), name=f"midi {self.name}", daemon=True).start()

    def _ended(self, now: float) -> None:
        report, self._process = self.report, None
        with self._has_outgoing:
            self._outgoing.clear()
            self._has_outgoing.notify()
        if report.state == "open":
            self._counts["lost"] += 1
            self._delay = FIRST_DELAY
            self._retry(now, "")
        elif report.state == "opening":
            port = report.input or report.output
            self._retry(now, f"{port} can't be opened; another program may have it, or it was pulled out")
        else:
            self._retry(now, report.text or "the process of the device has ended")

    def _retry(self, now: float, text: str) -> None:
        self._counts["restarts"] += 1
        self._start_at = now + self._delay
        self._delay = min(2 * self._delay, LONGEST_DELAY)
        inputs, outputs = self.report.inputs, self.report.outputs
        self.report = DeviceReport("failed" if text else "searching", text, "", "", inputs, outputs)

    @property
    def problem(self) -> str:
        """Sentence about a device that is not open; empty for an open one, and until it is known."""
        report = self.report
        if report.state in ("open", "starting", "opening"):
            return ""
        return report.text or f"no MIDI port has {self.name!r} in its name; it is looked for"

    def _log_state(self) -> None:
        report = self.report
        ports = " and ".join(dict.fromkeys(filter(None, (report.input, report.output))))
        state = f"{ports} is open" if report.state == "open" else self.problem
        if state and state != self._logged:
            log.log(logging.INFO if report.state == "open" else logging.WARNING, "%s: %s", self.name, state)
            self._logged = state

    def _listen(self, process: "subprocess.Popen[bytes]", stream: IO[bytes]) -> None:
        """Read the lines of a process until it ends."""
        with stream:
            while line := stream.readline():
                self._heard_at = time.monotonic()
                found = decode_line(line)
                if process is not self._process or found is None:
                    continue
                if isinstance(found, DeviceReport):
                    self._take_report(found)
                else:
                    self._counts["received"] += len(found)
                    for seconds, data in found:
                        self._queue.add(seconds, data)
                self._wake()
        self._wake()

    def _take_report(self, report: DeviceReport) -> None:
        before, self.report = self.report.state, report
        if report.state == "open" and before != "open":
            self._delay = FIRST_DELAY
            self._openings += 1

    def _write(self, process: "subprocess.Popen[bytes]", stream: IO[bytes]) -> None:
        """Send what waits. Only this thread waits for a process that does not read."""
        with contextlib.suppress(OSError), stream:
            while process is self._process:
                with self._has_outgoing:
                    if not self._outgoing:
                        self._has_outgoing.wait(1.0)
                    waiting, self._outgoing = self._outgoing, {}
                if waiting:
                    stream.write(encode_messages([(0.0, data) for data in waiting.values()]))
                    stream.flush()
                    self._counts["sent"] += len(waiting)
