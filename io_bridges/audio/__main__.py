"""The process that hears: analyses an input or a file and writes a line for each block, until its input is gone.

``python -m io_bridges.audio input NAME`` or ``file PATH``, which `AudioListener` calls, ends with its standard input.
With ``--list`` it prints the inputs once, for the doctor. A driver that hangs or crashes takes this process alone, and
the analysis takes nothing from the stage's interpreter.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from io_bridges.audio.analysis import Samples, SoundAnalyser
from io_bridges.audio.audio_file import FILE_RATE, looped_blocks
from io_bridges.audio.audio_input import AudioInput, inputs, port_audio
from io_bridges.audio.report import AudioReport, encode_features
from presets.errors import BridgeError

LATE_SECONDS = 0.5
"""Time behind after which a file goes on from there instead of catching up: the machine slept."""


def write(line: bytes) -> None:
    """Write one line whole. Raises `OSError` if the stage is gone."""
    while line:
        line = line[os.write(1, line) :]


def end_with_the_stage() -> NoReturn:
    """Wait until the standard input is closed, and exit."""
    with contextlib.suppress(OSError):
        while sys.stdin.buffer.read(1):
            pass
    os._exit(0)


def analyse(name: str, analyser: SoundAnalyser, blocks: Iterator[Samples]) -> None:
    """Write the features of each block. The first block is there before the input counts as open."""
    is_open = False
    for samples in blocks:
        if not is_open:
            is_open = True
            write(AudioReport("open", "", name).encode())
        write(encode_features(analyser.analyse(samples)))


def hear_input(name: str) -> None:
    """Analyse an input until it is gone. Raises `BridgeError`."""
    device = AudioInput(name)
    analyse(device.name, SoundAnalyser(device.rate), device.blocks())


def hear_file(path: Path) -> None:
    """Analyse a file in a loop, as fast as it would be played. Raises `BridgeError`."""
    analyser = SoundAnalyser(FILE_RATE)
    seconds = analyser.block / FILE_RATE
    analyse(path.name, analyser, paced(looped_blocks(path, analyser.block), seconds))


def paced(blocks: Iterator[Samples], seconds: float) -> Iterator[Samples]:
    """Yield each block when its last sample would have been heard."""
    due = time.monotonic()
    for samples in blocks:
        due += seconds
        now = time.monotonic()
        if now < due:
            time.sleep(due - now)
        elif now - due > LATE_SECONDS:
            due = now
        yield samples


def list_inputs() -> None:
    """Print the names of the inputs, or the reason why there are none, as JSON."""
    try:
        names = list(dict.fromkeys(device.name for device in inputs(port_audio())))
        print(json.dumps({"inputs": names}))
    except BridgeError as error:
        print(json.dumps({"failure": str(error)}))


def main() -> None:
    """Hear one input or file, or list the inputs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the stage, which ends this process.
    if sys.argv[1] == "--list":
        list_inputs()
    else:
        threading.Thread(target=end_with_the_stage, name="stage", daemon=True).start()
        kind, name = sys.argv[1:3]
        with contextlib.suppress(OSError):  # the stage is gone
            try:
                hear_file(Path(name)) if kind == "file" else hear_input(name)
            except BridgeError as error:
                write(AudioReport("failed", str(error)).encode())
    sys.stdout.flush()
    # PortAudio's threads may wait for a driver for ever.
    os._exit(0)


if __name__ == "__main__":
    main()
