"""`SoakRig`: a show with everything around it that a soak breaks: a source, a client of its sink, and surfaces."""

import random
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from benchmarks.child_process import ChildProcess
from benchmarks.show.osc_sender import OscSender
from benchmarks.show.show_process import ShowProcess, free_port
from benchmarks.show.show_script import BEAT, BPM, OWN_LOOK, ShowScript, look_text, write_files
from benchmarks.soak.machine_faults import ChangedClock, SmallDisk, clock_problem, disk_problem
from benchmarks.stream.measure_pipeline import MODEL

FPS = 30
SIDE = 256
_PEERS = "benchmarks.soak.peers"
_LONGEST_EVENT = 10.0
"""Seconds that an event of the script may take."""


class SoakRig:
    """Starts everything in its ``with`` block, and ends it."""

    source: ChildProcess
    """Sends test cards to the show."""
    viewer: ChildProcess
    """Receives from the sink, beside the reader of `show`."""

    def __init__(self, folder: Path, seconds: float, seed: int, model: str = "") -> None:
        """`seconds` is the length of the performance. `model` is played in place of the shipped one.

        The disk and the clock of the show can be broken where the system allows it.
        """
        presets, cues = write_files(folder)
        self.source_address = f"tcp://127.0.0.1:{free_port()}"
        preset = MODEL | {"steps": 1, "mode": "image"} | ({"model": model} if model else {})
        options = ("--understudy", "on", "--set-list", str(cues), *(("--allow-folder", model) if model else ()))
        self.show = ShowProcess(folder, preset, source=f"zmq:{self.source_address}", fps=FPS, options=options)
        self.disk: SmallDisk | None = None
        self.clock: ChangedClock | None = None
        if not clock_problem():
            self.clock = ChangedClock(folder / "clock")
            self.show.command = self.clock.command(self.show.command)
        if not disk_problem():
            self.disk = SmallDisk(folder / "disk")
            self.show.command = self.disk.command(self.show.command)
        self.random = random.Random(seed)
        self.osc = OscSender(self.show.osc_port)
        self.liar = ChildProcess(_PEERS, folder)
        self.flooder = ChildProcess("benchmarks.show.osc_sender", folder)
        self.metronome = ChildProcess("benchmarks.show.metronome", folder)
        """Ticks at the rate of the output and does nothing else: a gap of its own is the machine's."""
        self._script = ShowScript(presets, self.osc, seconds)
        self._look = presets / f"{OWN_LOOK}.yaml"
        self._folder = folder
        self._stack = ExitStack()
        self._ended = threading.Event()
        self._performer = threading.Thread(target=self._perform, name="performer", daemon=True)

    def __enter__(self) -> "SoakRig":
        with ExitStack() as stack:
            for each in (self.show, self.osc, self.liar, self.flooder, self.metronome):
                stack.enter_context(each)
            self._stack = stack.pop_all()
        self._send()
        self._view()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._performer.is_alive():
            self._performer.join(_LONGEST_EVENT)  # its socket is closed below
        for peer in (self.source, self.viewer):
            peer.__exit__(kind, error, trace)
        self._stack.__exit__(kind, error, trace)

    def perform(self) -> None:
        """Perform the script on a thread of its own, from now until the ``with`` block ends."""
        self._performer.start()

    def restart_source(self, after: float) -> None:
        """Kill the source, and start another after some seconds."""
        _kill(self.source)
        time.sleep(after)
        self._send()

    def restart_viewer(self) -> None:
        """Kill the client of the sink, and start another."""
        _kill(self.viewer)
        self._view()

    def save_look(self, text: str | None) -> None:
        """Save a text as the look that the show brings along; None is the look itself."""
        self._look.write_text(look_text("neon edges") if text is None else text)

    def _send(self) -> None:
        self.source = ChildProcess(_PEERS, self._folder).__enter__()
        self.source.ask({"do": "send", "address": self.source_address, "side": SIDE, "fps": FPS})

    def _view(self) -> None:
        self.viewer = ChildProcess(_PEERS, self._folder).__enter__()
        self.viewer.ask({"do": "read", "address": self.show.sink_address})

    def _perform(self) -> None:
        self.osc.send("/quantise", "beat")
        self.osc.send("/bpm", BPM)
        self.osc.send("/resync")
        began = time.monotonic()
        for event in self._script.events():
            if self._ended.wait(max(0.0, began + event.beat * BEAT - time.monotonic())):
                return
            event.act()


def _kill(process: ChildProcess) -> None:
    process.kill()
    process.__exit__(None, None, None)
