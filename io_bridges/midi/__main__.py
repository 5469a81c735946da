"""The process of a MIDI device: reads its input, sends to its output, and ends when it is pulled out.

``python -m io_bridges.midi NAME``, which `MidiDevice` calls; it ends with its standard input. With ``--list`` in place
of a name it prints the ports once, for the doctor. A driver that hangs or crashes takes this process and not the show.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections import deque
from typing import NoReturn

from io_bridges.midi.device_report import DeviceReport, decode_line, encode_messages
from io_bridges.midi.message_queue import MessageQueue
from io_bridges.midi.ports import MidiPorts, chosen
from presets.errors import BridgeUnavailable

POLL_SECONDS = 0.002
"""Time between two looks for messages."""
LOOK_SECONDS = 0.2
"""Time between two looks at the ports of an open device: less than a plug takes to be pulled out and put in again."""
REPORT_SECONDS = 1.0
FIRST_SEARCH, LONGEST_SEARCH = 0.5, 2.0
"""Seconds between two looks for a device that is missing; they grow."""
MOST_AT_ONCE = 2048
"""Messages that are read in a row."""
MOST_WAITING = 1024
"""Messages to the device that wait. The oldest of more is dropped."""


def write(line: bytes) -> None:
    """Write one line whole. Raises `OSError` if the stage is gone."""
    while line:
        line = line[os.write(1, line) :]


def read_outgoing(outgoing: "deque[bytes]") -> NoReturn:
    """Keep the messages that the stage sends, and exit when it is gone."""
    with contextlib.suppress(OSError):
        while line := sys.stdin.buffer.readline():
            found = decode_line(line)
            outgoing.extend(data for _, data in found if data) if isinstance(found, list) else None
    os._exit(0)


def search(ports: MidiPorts, name: str) -> DeviceReport:
    """Wait for a device and return it. Reports the ports at each look."""
    pause = FIRST_SEARCH
    while True:
        found = look(ports, name)
        if found.input or found.output:
            return found
        write(found.encode())
        time.sleep(pause)
        pause = min(pause * 1.25, LONGEST_SEARCH)


def look(ports: MidiPorts, name: str) -> DeviceReport:
    """Return the device that a name fits now, and all ports."""
    inputs, outputs = ports.names()
    text = "" if inputs or outputs else ports.problem
    return DeviceReport("searching", text, chosen(name, inputs), chosen(name, outputs), inputs, outputs)


def play(ports: MidiPorts, name: str, outgoing: "deque[bytes]") -> None:
    """Open a device and pass messages both ways until its ports change."""
    found = search(ports, name)
    opened = found.input, found.output
    # The last line before a crash: the stage tells which port it was.
    write(DeviceReport("opening", "", *opened, found.inputs, found.outputs).encode())
    ports.open(*opened)
    queue, next_look, next_report = MessageQueue(), 0.0, 0.0
    while True:
        now = time.monotonic()
        if now >= next_look:
            next_look = now + LOOK_SECONDS
            found = look(ports, name)
            if (found.input, found.output) != opened:
                return
        if now >= next_report:
            next_report = now + REPORT_SECONDS
            counts = queue.superseded, queue.dropped
            write(DeviceReport("open", "", *opened, found.inputs, found.outputs, *counts).encode())
        for _ in range(MOST_AT_ONCE):  # a flood must not keep the rest waiting
            if (came := ports.receive()) is None:
                break
            queue.add(*came)
        if messages := queue.take():
            write(encode_messages(messages))
        with contextlib.suppress(RuntimeError):  # the device is gone, as the next look finds
            while outgoing and opened[1]:
                ports.send(outgoing.popleft())
        time.sleep(POLL_SECONDS)


def list_ports() -> None:
    """Print the names of the ports, or the reason why there are none, as JSON."""
    try:
        ports = MidiPorts()
        inputs, outputs = ports.names()
        failure = "" if inputs or outputs else ports.problem
        print(json.dumps({"inputs": inputs, "outputs": outputs, "failure": failure}))
    except BridgeUnavailable as error:
        print(json.dumps({"failure": str(error)}))


def main() -> None:
    """Run one device, or list the ports."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the stage, which ends this process.
    if sys.argv[1] == "--list":
        list_ports()
    else:
        outgoing: deque[bytes] = deque(maxlen=MOST_WAITING)
        threading.Thread(target=read_outgoing, args=(outgoing,), name="outgoing", daemon=True).start()
        with contextlib.suppress(OSError):  # the stage is gone
            try:
                play(MidiPorts(), sys.argv[1], outgoing)
            except BridgeUnavailable as error:
                write(DeviceReport("failed", str(error)).encode())
    sys.stdout.flush()
    # RtMidi's threads may wait for a driver for ever.
    os._exit(0)


if __name__ == "__main__":
    main()
