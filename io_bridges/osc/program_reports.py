"""Numbers of the status for every surface, and reports that patches of other programs wait for, in their words.

A patch of StreamDiffusionTD takes its server for dead without a heartbeat. It hears it, the rate and the number of the
picture on a port of its own, once a second (`OSCReporter` of StreamDiffusionTD 0.3).
"""

import math
from collections.abc import Callable, Iterator, Mapping

from io_bridges.osc.feedback_target import UdpAddress
from presets.address_aliases import AliasTable
from presets.parameter_table import Value

STREAMDIFFUSIONTD_PORT = 8248
"""Port on which a patch of StreamDiffusionTD listens, on this machine."""

STATUS_NUMBERS = (
    ("/streamflow/fps", "fps"),
    ("/streamflow/latency", "latency_ms"),
    ("/streamflow/on_air", "outputs_open"),
)
"""Addresses of feedback once a second, and the keys of the status that they tell."""

_HOST = "127.0.0.1"
_LARGEST = 2**31 - 1

Messages = Callable[[Mapping[str, object]], Iterator[tuple[str, Value]]]
"""Yields addresses and values of the messages that a status of the show stands for."""


def program_reports(aliases: AliasTable, status: Mapping[str, object]) -> Iterator[tuple[str, Value, UdpAddress]]:
    """Yield address, value and target of the reports that go with the tables of `aliases`. `status` is the show's."""
    for program in aliases.programs:
        if program in _REPORTS:
            port, messages = _REPORTS[program]
            for address, value in messages(status):
                yield address, value, (_HOST, port)


def has_reports(aliases: AliasTable) -> bool:
    """Return True if there are reports to send for these tables."""
    return not aliases.programs.isdisjoint(_REPORTS)


def _streamdiffusiontd(status: Mapping[str, object]) -> Iterator[tuple[str, Value]]:
    fps, drawn = status.get("fps"), status.get("rendered")
    yield "/server_active", 1
    if isinstance(fps, int | float) and math.isfinite(fps):
        yield "/stream-info/fps", float(fps)
    if isinstance(drawn, int):
        yield "/framecount", drawn % (_LARGEST + 1)


_REPORTS: Mapping[str, tuple[int, Messages]] = {"streamdiffusiontd": (STREAMDIFFUSIONTD_PORT, _streamdiffusiontd)}
"""Port and messages by the name of the shipped table."""
