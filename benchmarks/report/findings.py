"""Findings of a measurement: rows of figures, targets, and the error of a measurement that failed."""

from typing import Any, NamedTuple

from presets.errors import StreamflowError

Row = dict[str, Any]
"""Figures of one configuration.

`configuration` names the row. `fps` is there if the row has a rate. The keys of other figures end in their unit
(`delay_ms`). `missing` gives the reason of a row without figures. `axes` places the row in a plot.
"""


class NotMeasured(StreamflowError):
    """A measurement that is impossible on this machine. The message gives the reason."""


class SpeedTarget(NamedTuple):
    """A measured figure and the value it has to reach."""

    name: str
    figure: float
    target: float
    at_least: bool = True
    """False for a figure that must stay at or below the target."""

    @property
    def met(self) -> bool:
        """True if the figure reaches the target."""
        return self.figure >= self.target if self.at_least else self.figure <= self.target

    def as_json(self) -> dict[str, Any]:
        """Return the target as JSON, with the comparison in words."""
        sign = "at least" if self.at_least else "at most"
        return {"name": self.name, "figure": rounded(self.figure), "is": sign, "target": self.target, "met": self.met}


Finding = Row | SpeedTarget


def rounded(value: Any) -> Any:
    """Round a float to four significant digits, the resolution of the clocks. Return any other value unchanged."""
    return float(f"{value:.4g}") if isinstance(value, float) else value
