"""Lines between the stage and the process of a MIDI device: `DeviceReport` and messages one way, messages the other."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from io_bridges.midi.message_queue import StampedMessage

DeviceState = Literal["starting", "searching", "opening", "open", "failed"]


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """The state of a device, and the ports that the system has. An open one reports every second."""

    state: DeviceState = "starting"
    text: str = ""
    """Sentence about a failure."""
    input: str = ""
    """Name of the port that is read; empty for none."""
    output: str = ""
    """Name of the port that feedback goes to; empty for none."""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    superseded: int = 0
    dropped: int = 0

    def encode(self) -> bytes:
        """Return the report as a line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"


def encode_messages(messages: Sequence[StampedMessage]) -> bytes:
    """Return messages as a line of JSON: a list of lists of the time and the bytes."""
    return json.dumps([[seconds, *data] for seconds, data in messages]).encode() + b"\n"


def decode_line(line: bytes) -> DeviceReport | list[StampedMessage] | None:
    """Return the report or the messages of a line, None for the words of a native library."""
    try:
        found = json.loads(line)
        if isinstance(found, list):
            return [(float(seconds), bytes(data)) for seconds, *data in found]
        report = DeviceReport(**{**found, "inputs": tuple(found["inputs"]), "outputs": tuple(found["outputs"])})
    except (ValueError, TypeError, KeyError):
        return None
    return report if report.state in get_args(DeviceState) else None
