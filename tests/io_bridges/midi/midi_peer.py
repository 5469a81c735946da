"""A MIDI device on JACK for the tests, a program of its own: virtual ports through rtmidi2.

It sends each line of its standard input, a JSON list of messages, and prints each message that it gets as a JSON list.
It ends with its standard input.
"""

import json
import os
import sys
import threading
import time
from typing import Any

import rtmidi2


def main() -> None:
    """Play a device whose name is the first argument."""
    midi: Any = rtmidi2
    jack = midi.API_UNIX_JACK
    fader_out, motor_in = midi.MidiOut(sys.argv[1], jack), midi.MidiIn(sys.argv[1], 4096, jack)
    fader_out.open_virtual_port("out")
    motor_in.open_virtual_port("in")
    print("[]", flush=True)
    threading.Thread(target=send, args=(fader_out,), daemon=True).start()
    while True:
        while (message := motor_in.get_message()) is not None:
            print(json.dumps(message), flush=True)
        time.sleep(0.001)


def send(fader_out: Any) -> None:
    for line in sys.stdin:
        for message in json.loads(line):
            fader_out.send_raw(*message)
        time.sleep(0.01)  # JACK takes some kilobytes a period and drops the rest
    os._exit(0)


if __name__ == "__main__":
    main()
