"""Search for the sources that can be opened now: senders on the network, cameras, shared textures.

Each scheme's finder runs in a child process of its own, because a native library that crashes or hangs must not end
the search.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from io_bridges.audio.listener import COMMAND as AUDIO_COMMAND
from io_bridges.lazy_imports import missing_extra
from io_bridges.scheme import Scheme
from io_bridges.schemes import SCHEMES

SEARCH_SECONDS = 20.0
"""Seconds that a finder may take."""

_SEARCH = """
import json, sys
from io_bridges.schemes import schemes
from io_bridges.uri import available
from presets.errors import StreamflowError
try:
    answer = {"uris": available(schemes("source")[sys.argv[1]])}
except StreamflowError as error:
    answer = {"failure": str(error)}
print()
print(json.dumps(answer))
"""
_COMMAND = (sys.executable, "-c", _SEARCH)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Sources of one scheme."""

    scheme: str
    uris: tuple[str, ...] = ()
    """URIs that ``--source`` takes, or names that ``--audio`` does."""
    failure: str = ""
    """Reason why the scheme could not be searched."""


def search_sources(rows: Iterable[Scheme] = SCHEMES, command: Sequence[str] = _COMMAND) -> list[SearchResult]:
    """Return a result for each source with a finder, in the order of the table. All are searched at once.

    `command` is called with the scheme's name as its last argument, and answers JSON on its last line.
    """
    wanted = [row for row in rows if row.finder]
    with ThreadPoolExecutor(max(len(wanted), 1)) as pool:
        return list(pool.map(lambda row: _search(row, command), wanted))


def search_audio(command: Sequence[str] = AUDIO_COMMAND) -> SearchResult:
    """Return the names of the audio inputs, parts of which ``--audio`` takes. They are searched as sources are."""
    if reason := missing_extra("sounddevice", "audio"):
        return SearchResult("audio", failure=reason)
    answer = ask_child([*command, "--list"], SEARCH_SECONDS)
    return SearchResult("audio", tuple(answer.get("inputs", ())), answer.get("failure", ""))


def _search(row: Scheme, command: Sequence[str]) -> SearchResult:
    reason = row.unavailable()
    if reason:
        return SearchResult(row.name, failure=reason)
    answer = ask_child([*command, row.name], SEARCH_SECONDS)
    return SearchResult(row.name, tuple(answer.get("uris", ())), answer.get("failure", ""))


def ask_child(command: Sequence[str], seconds: float) -> dict[str, Any]:
    """Return the JSON object on the last line of a child process. A crash or a hang is its entry ``failure``."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return {"failure": f"the search did not end within {seconds:.0f} s"}
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])  # Native libraries print lines of their own.
    except (IndexError, ValueError):
        complaint = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return {"failure": f"the search ended with status {done.returncode}: {complaint}"}
    return answer
