"""The measured choice of `auto` on disk: one JSON file for each machine, set of versions, model and size.

An entry only saves the measurement. What is damaged, foreign or of another format counts as absent, so that nothing
but speed depends on it.
"""

import hashlib
import json
import logging
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.accelerators.cache import root_folder
from pipeline.accelerators.candidates import Candidate, Choices, as_json, read_candidate
from pipeline.accelerators.engine_key import package_versions
from pipeline.accelerators.engines import Shapes
from pipeline.accelerators.processor import machine
from pipeline.graphs import REVISION
from pipeline.models import Model
from presets.atomic_write import write_atomically

log = logging.getLogger("auto")

FOLDER = "measured"
"""Folder of the entries, in the engine cache."""
FORMAT = 1
"""Format of an entry: raised when its content or the way it is measured changes."""
LARGEST = 20_000
"""Bytes of an entry; a longer file was not written here."""
LONGEST_HEADER = 10_000_000
"""Bytes that are read of a weights file."""
MOST = 100
"""Entries that are kept: the oldest make room."""


@dataclass(frozen=True, slots=True)
class TuningKey:
    """Everything that a measured choice depends on."""

    machine: str
    versions: str
    revision: int
    """`pipeline.graphs.REVISION`."""
    network: str
    """A digest of the model's configurations, and of names, shapes and types of its weights. Speed does not depend on
    their values, and gigabytes would take seconds to read."""
    shapes: str
    """Size and rows, in words."""
    choices: str
    """Candidates of the measurement. Another engine or another option of the user needs another measurement."""

    @property
    def file(self) -> str:
        """Name of the entry's file."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32] + ".json"


@dataclass(frozen=True, slots=True)
class TuningRecord:
    """The outcome of a measurement."""

    best: Candidate
    slower: Mapping[Candidate, float]
    """Speed of the best candidate over each slower one, by the slower one."""

    @property
    def why(self) -> str:
        """The outcome in words, naming what differs: ``float32: 1.55 × bfloat16 here``."""
        everyone = [self.best, *self.slower]
        fields = tuple(name for name in asdict(self.best) if len({getattr(each, name) for each in everyone}) > 1)
        others = []
        for other, ratio in self.slower.items():
            different = tuple(name for name in fields if getattr(other, name) != getattr(self.best, name))
            others.append(f"{ratio:.2f} × {other.words(different)}")
        return f"{self.best.words(fields)}: {', '.join(others)} here"


def tuning_key(model: Model, shapes: Shapes, choices: Choices, attention: str, device: torch.device) -> TuningKey:
    """Return the key of a measurement on this machine."""
    return TuningKey(
        machine(device),
        package_versions("openvino", "torch", "onnxruntime", "diffusers", "tensorrt", "tensorrt-rtx-cu13"),
        REVISION,
        _network(model),
        shapes.key(),
        f"{choices}, attention {attention}",
    )


def read_record(root: Path | None, key: TuningKey, choices: Choices) -> TuningRecord | None:
    """Return the whole entry of this key; None where there is none, with a line for debugging if it is damaged."""
    path = root_folder(root) / FOLDER / key.file
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise ValueError("it is not a plain file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"it has more than {LARGEST} bytes")
        return _read(json.loads(content), key, choices)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        log.debug("%s is ignored: %s", path, error)
        return None


def write_record(root: Path | None, key: TuningKey, record: TuningRecord) -> None:
    """Write an entry, whole or not at all. A folder that can't be written costs the next start a measurement."""
    folder = root_folder(root) / FOLDER
    slower = [{"candidate": as_json(candidate), "ratio": ratio} for candidate, ratio in record.slower.items()]
    content = {"format": FORMAT, "key": asdict(key), "best": as_json(record.best), "slower": slower}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _make_room(folder)
        write_atomically(folder / key.file, json.dumps(content, indent=1).encode())
    except OSError as error:
        log.debug("the measured choice can't be kept in %s: %s", folder, error)


def _network(model: Model) -> str:
    digest = hashlib.sha256(
        json.dumps([model.classes, model.configurations, *model.adapters.digests], sort_keys=True, default=str).encode()
    )
    for name, path in sorted((name, path) for name, paths in model.weights.items() for path in paths):
        with path.open("rb") as file:
            # A safetensors file begins with the length of its header, which names every tensor.
            length = int.from_bytes(file.read(8), "little")
            digest.update(f"{name} {path.stat().st_size}".encode() + file.read(min(length, LONGEST_HEADER)))
    return digest.hexdigest()


def _read(content: Any, key: TuningKey, choices: Choices) -> TuningRecord:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"this version reads format {FORMAT}")
    if content.get("key") != asdict(key):
        raise ValueError("it was measured for something else")
    best, slower = read_candidate(content.get("best")), content.get("slower")
    if best not in choices:
        raise ValueError(f"{best.words()} is no candidate here")
    if not isinstance(slower, list) or not all(isinstance(each, dict) for each in slower):
        raise ValueError("it names no candidates that were slower")
    ratios: dict[Candidate, float] = {}
    for each in slower:
        ratio = each.get("ratio")
        if type(ratio) is not float or not 0 < ratio < 1e6:
            raise ValueError("a ratio is no number above 0")
        ratios[read_candidate(each.get("candidate"))] = ratio
    return TuningRecord(best, ratios)


def _make_room(folder: Path) -> None:
    """Remove the oldest files past `MOST`, what was left half written included."""
    with suppress(OSError):  # another process removes them too
        newest_first = sorted(folder.iterdir(), key=lambda path: -path.stat().st_mtime)
        for path in newest_first[MOST - 1 :]:
            path.unlink(missing_ok=True)
