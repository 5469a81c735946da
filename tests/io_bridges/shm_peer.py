"""A second process for tests of shared memory.

It answers one JSON line for each JSON line on its standard input.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from picture_without_symmetry import picture, rendered, tick

from io_bridges.uri import make_sink, make_source
from presets.errors import StreamflowError


class Peer:
    """The other process, as a test sees it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and return its answer."""
        self.begin(**request)
        return self.finish()

    def begin(self, **request: Any) -> None:
        """Send a request."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def finish(self) -> dict[str, Any]:
        """Return the answer to the oldest request."""
        assert self.process.stdout is not None
        return dict(json.loads(self.process.stdout.readline()))


@contextmanager
def peer() -> Iterator[Peer]:
    """Run the second process. It ends with the ``with`` block."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        yield Peer(process)
    finally:
        process.kill()
        process.communicate()


def read_one(uri: str, seconds: float = 20.0) -> dict[str, Any]:
    """Open a source, and return the shape and bytes of its first picture."""
    source = make_source(uri)
    source.open()
    frame = source.read(seconds)
    status = source.status()
    source.close()
    if frame is None:
        return {"shape": None, "status": status}
    return {"shape": frame.pixels.shape, "pixels": frame.pixels.tobytes().hex(), "captured_at": frame.captured_at}


def watch(uri: str, pictures: int, seconds: float = 60.0) -> dict[str, Any]:
    """Read so many pictures. Count those whose checksum in their first bytes is wrong."""
    source = make_source(uri)
    source.open()
    end = time.monotonic() + seconds
    read = torn = backwards = 0
    newest = -1
    while read < pictures and time.monotonic() < end:
        frame = source.read(0.05)
        if frame is None:
            continue
        flat = frame.pixels.reshape(-1)
        number = int.from_bytes(flat[:8].tobytes(), "little")
        read += 1
        torn += flat[8:24].tobytes() != _checksum(flat)
        backwards += number <= newest
        newest = number
    status = source.status()
    source.close()
    return {"read": read, "torn": torn, "backwards": backwards, "status": status}


def _checksum(flat: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    return hashlib.md5(flat[24:].tobytes(), usedforsecurity=False).digest()


def checked_picture(width: int, height: int, number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a picture of noise that carries its number and the checksum of its other bytes."""
    noise = np.random.default_rng(number).integers(0, 256, width * height * 3, np.uint8)
    noise[:8] = np.frombuffer(number.to_bytes(8, "little"), np.uint8)
    noise[8:24] = np.frombuffer(_checksum(noise), np.uint8)
    return noise.reshape(height, width, 3)


def main() -> None:
    """Answer requests until standard input ends."""
    sinks: dict[str, Any] = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            match request["do"]:
                case "read":
                    answer = read_one(request["uri"])
                case "watch":
                    answer = watch(request["uri"], request["pictures"])
                case "open":
                    sinks[request["uri"]] = make_sink(request["uri"])
                    sinks[request["uri"]].open(request["width"], request["height"], 30.0)
                case "write":
                    pixels = picture(request["width"], request["height"], request.get("seed", 0))
                    sinks[request["uri"]].write(rendered(pixels, request.get("index", 0)), tick())
                case "close":
                    sinks.pop(request["uri"]).close()
        except StreamflowError as error:
            answer = {"error": str(error), "kind": type(error).__name__}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
