"""`Question` and `Report`: the two messages between a show and its backup, to and from JSON.

The backup asks several times a second over the control port of the first show, which reports at once. Each tells the
other which state it has, and gets the newer one of whoever is on air.
"""

from collections.abc import Mapping
from typing import NamedTuple

from daemon.backup.show_state import JsonObject, Pulse, ShowState, number, read_pulse, read_state
from io_bridges.frames import LONGEST_SIDE
from presets.errors import BridgeError

VERSION = 1
"""Version of both messages. Two shows of different versions of it make no pair."""

LONGEST_NAME = 64


class Question(NamedTuple):
    """Message of a backup to the first show."""

    run: str
    """Names this run of the backup."""
    name: str
    """Name of its machine."""
    on_air: bool
    of: str
    """Run of the first show that it has heard last; empty for none."""
    after: float
    """Seconds of silence after which one takes over from the other; 0 for never."""
    told: bool = False
    """True if the backup was told to go on air, whatever the first one does."""
    releases: bool = False
    """True if it gives the outputs back."""
    leaves: bool = False
    """True if its show ends."""
    stalled: bool = False
    """True if its own output stood still since both were in agreement."""
    known: str = ""
    """Mark of the state that it has of the first show."""
    state: ShowState | None = None
    """State of the backup on air, if the first show has an older one."""
    mark: str = ""
    """Mark of the backup's state."""
    pulse: Pulse | None = None


class Report(NamedTuple):
    """Answer of the first show."""

    run: str
    name: str
    on_air: bool
    """True if its outputs are open and move."""
    takes_over: bool = False
    """True if the backup shall go on air now: the first show ends, or was told so."""
    known: str = ""
    """Mark of the state that it has of the backup."""
    state: ShowState | None = None
    """State of the first show on air, if the backup has an older one."""
    mark: str = ""
    pulse: Pulse | None = None
    size: tuple[int, int] = (256, 256)
    """Width and height of its output in pixels."""
    fps: str = "30"
    """Rate of its output, as ``--fps`` takes it."""


def to_json(message: Question | Report) -> dict[str, object]:
    """Return a message as JSON values."""
    fields: dict[str, object] = {"version": VERSION, **message._asdict()}
    fields["state"] = None if message.state is None else message.state.to_json()
    fields["pulse"] = None if message.pulse is None else message.pulse.to_json()
    return fields


def read_question(fields: Mapping[str, object]) -> Question:
    """Return the message of a backup. Raises `BridgeError`."""
    _check_version(fields)
    flags = {key: fields.get(key) is True for key in ("on_air", "told", "releases", "leaves", "stalled")}
    after = min(max(number(fields.get("after"), "after"), 0.0), 60.0)
    return Question(
        run=_text(fields, "run"),
        name=_text(fields, "name"),
        of=_text(fields, "of"),
        after=after,
        known=_text(fields, "known"),
        mark=_text(fields, "mark"),
        state=_state(fields),
        pulse=_pulse(fields),
        **flags,
    )


def read_report(fields: Mapping[str, object]) -> Report:
    """Return the answer of the first show. Raises `BridgeError` for a refusal, with its reason."""
    if fields.get("ok") is not True:
        raise BridgeError(str(fields.get("error") or "the show refuses")[:1000])
    _check_version(fields)
    size = fields.get("size")
    sides = [number(side, "size") for side in size] if isinstance(size, list) else []
    if len(sides) != 2 or not all(1 <= side <= LONGEST_SIDE for side in sides):
        raise BridgeError(f"'size' must be a width and a height from 1 to {LONGEST_SIDE}")
    return Report(
        run=_text(fields, "run"),
        name=_text(fields, "name"),
        on_air=fields.get("on_air") is True,
        takes_over=fields.get("takes_over") is True,
        known=_text(fields, "known"),
        mark=_text(fields, "mark"),
        state=_state(fields),
        pulse=_pulse(fields),
        size=(int(sides[0]), int(sides[1])),
        fps=_text(fields, "fps"),
    )


def _state(fields: JsonObject) -> ShowState | None:
    return None if fields.get("state") is None else read_state(fields["state"])


def _pulse(fields: JsonObject) -> Pulse | None:
    return None if fields.get("pulse") is None else read_pulse(fields["pulse"])


def _check_version(fields: JsonObject) -> None:
    if fields.get("version") != VERSION:
        raise BridgeError(
            f"a show and its backup must speak the same version of 'follow': {VERSION} here,"
            f" {str(fields.get('version'))[:20]} there. Install the same streamflow-live on both machines"
        )


def _text(fields: JsonObject, key: str) -> str:
    value = fields.get(key, "")
    if isinstance(value, str) and len(value) <= LONGEST_NAME and value.isprintable():
        return value
    raise BridgeError(f"{key!r} must be a text of at most {LONGEST_NAME} characters")
