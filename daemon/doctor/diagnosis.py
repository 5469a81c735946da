"""`Finding`: one thing that `streamflow-live doctor` looked at, and what would mend it."""

from dataclasses import asdict, dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a thing stands here."""

    WORKS = "works"
    ABSENT = "absent"
    """Not here, and the show plays without it."""
    TROUBLE = "trouble"
    """Something the show will meet: a taken port, a card that is not used, a broken look."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    area: str
    """``python``, ``source``, ``sink``, ``model``, ``accelerator``, ``port`` or ``preset``."""
    name: str
    verdict: Verdict
    detail: str
    remedy: str = ""
    """What would mend it, as a command where there is one."""

    def as_json(self) -> dict[str, str]:
        """Plain values."""
        return {key: str(value) for key, value in asdict(self).items()}
