"""Lines from the process that listens to the stage: `AudioReport` about its state, `SoundFeatures` of each block."""

import json
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from io_bridges.audio.analysis import SoundFeatures

AudioState = Literal["starting", "open", "failed"]


@dataclass(frozen=True, slots=True)
class AudioReport:
    """The state of what is heard."""

    state: AudioState = "starting"
    text: str = ""
    """Sentence about a failure."""
    name: str = ""
    """Name of the input or file that is open."""

    def encode(self) -> bytes:
        """Return the report as a line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"


def encode_features(features: SoundFeatures) -> bytes:
    """Return the features of a block as a line of JSON: a list of four numbers and a 1 for an onset."""
    *shares, is_onset = features
    return json.dumps([*(round(share, 4) for share in shares), int(is_onset)]).encode() + b"\n"


def decode_line(line: bytes) -> AudioReport | SoundFeatures | None:
    """Return the report or the features of a line, None for the words of a native library."""
    try:
        found = json.loads(line)
        if isinstance(found, list):
            *shares, is_onset = found
            level, bass, mid, treble = (min(max(float(share), 0.0), 1.0) for share in shares)
            return SoundFeatures(level, bass, mid, treble, bool(is_onset))
        report = AudioReport(**found)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    return report if report.state in get_args(AudioState) else None
