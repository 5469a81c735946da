"""Notices: sentences about a show that runs as it was told, but not as a performer may expect.

The page shows them through the status, and the log has a line when one appears.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from presets.parameters import Parameters

log = logging.getLogger("stage")

Level = Literal["info", "warning", "error"]

_LOG_LEVELS: Mapping[Level, int] = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Notice(NamedTuple):
    """One sentence for the performer."""

    key: str
    """Names the cause. The text of one cause may change, for example with the seconds it lasts."""
    level: Level
    text: str


def size_notice(drawn: tuple[int, int], output: tuple[int, int], at_start: tuple[int, int]) -> Notice | None:
    """Return a notice if the model draws another size than at the start and the output does not follow.

    Each size is width, height in pixels.
    """
    if drawn in (output, at_start):
        return None
    return Notice(
        f"size {drawn[0]}x{drawn[1]}",
        "info",
        f"Drawing at {drawn[0]}x{drawn[1]}; {output_stays(output)}.",
    )


def output_stays(output: tuple[int, int]) -> str:
    """Say that the output keeps its size, and which option sets it."""
    return f"output stays {output[0]}x{output[1]} (set with --output-size at start)"


def still_notice(parameters: Parameters, moving: bool) -> Notice | None:
    """Return a notice if text mode draws one picture again and again.

    `moving` is True during a morph and while the noise drifts.
    """
    if parameters.mode != "text" or moving or parameters.feedback > 0:
        return None
    return Notice(
        "still",
        "info",
        "Text mode draws the same picture: turn up drift or feedback, or change the prompt.",
    )


class NoticeLog:
    """Writes each notice to the log once, when it appears."""

    def __init__(self) -> None:
        self._logged: frozenset[str] = frozenset()

    def update(self, notices: Iterable[Notice]) -> None:
        """Log the notices whose cause is new since the last call."""
        current = list(notices)
        for notice in current:
            if notice.key not in self._logged:
                log.log(_LOG_LEVELS[notice.level], notice.text)
        self._logged = frozenset(notice.key for notice in current)


def as_json(notices: Iterable[Notice]) -> list[dict[str, Any]]:
    """Return the notices as the status carries them: level and text of each."""
    return [{"level": notice.level, "text": notice.text} for notice in notices]
