"""What a measurement finds: rows of figures, and targets."""

from typing import Any, NamedTuple

from presets.errors import StreamflowError

Row = dict[str, Any]
"""At least `configuration`; `fps` where there is one; other figures have their unit in the key (`delay_ms`)."""


class NotMeasured(StreamflowError):
    """A measurement that could not be taken here, and why."""


class SpeedTarget(NamedTuple):
    """A figure, and what it should reach."""

    name: str
    figure: float
    target: float
    at_least: bool = True
    """False where the figure must stay at or below the target."""

    @property
    def met(self) -> bool:
        """Whether it does."""
        return self.figure >= self.target if self.at_least else self.figure <= self.target

    def as_json(self) -> dict[str, Any]:
        """With the comparison spelled out."""
        sign = "at least" if self.at_least else "at most"
        return {"name": self.name, "figure": rounded(self.figure), "is": sign, "target": self.target, "met": self.met}


Finding = Row | SpeedTarget


def rounded(value: Any) -> Any:
    """Floats to four significant digits: no clock here tells more."""
    return float(f"{value:.4g}") if isinstance(value, float) else value
