"""`join`: asks the first show for its state before a backup starts, and makes the start values and settings of it."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from daemon.backup.asker import Asker, FirstAddress
from daemon.backup.pair import run_name
from daemon.backup.pair_messages import Question, Report, read_report, to_json
from daemon.backup.show_state import ShowState
from daemon.stage.opened_places import FILES, OpenedPlaces, named_place
from daemon.stage.settings import Settings
from daemon.stage.source_addresses import SOURCES
from presets.errors import BridgeError, BridgeUnavailable, SettingsError
from presets.parameter_table import Value

log = logging.getLogger("stage.backup")

PATIENCE = 15.0
"""Seconds for the first show to answer."""
REFUSED = 6.0
"""Seconds for it to change its mind: a backup that was killed a moment ago may start again."""
_STEP = 1.0


@dataclass(frozen=True)
class FirstShow:
    """The first show, as it answered when the backup started."""

    address: FirstAddress
    after: float
    """Seconds of silence after which the backup takes over; 0 for never."""
    run: str
    """Name of the run of the backup."""
    report: Report
    state: ShowState


def join(address: FirstAddress, after: float, name: str, patience: float = PATIENCE) -> FirstShow:
    """Question the first show for its state until it answers. `name` is that of the backup.

    Raises:
        BridgeUnavailable: It does not answer in time, or refuses.
    """
    run, asker, until = run_name(), Asker(address), time.monotonic() + patience
    message = to_json(Question(run, name, False, "", after))
    problem = "nothing answers there. Start the show first; over a network both machines need the keys"
    log.info("waiting for the show at %s", address.endpoint)
    try:
        while time.monotonic() < until:
            asker.send(message)
            try:
                answer = asker.receive(_STEP)
                if answer is not None:
                    report = read_report(answer)
                    if report.state is not None:
                        return FirstShow(address, after, run, report, report.state)
                    problem = "that show is off air itself"
                    time.sleep(_STEP)
            except BridgeError as error:
                if str(error) != problem:
                    until = min(until, time.monotonic() + REFUSED)
                problem = str(error)
                time.sleep(_STEP)
            else:
                if answer is None:
                    asker.renew()
    finally:
        asker.close()
    raise BridgeUnavailable(f"--backup {address.endpoint}: {problem}")


def start_values(first: FirstShow, presets: Path, settings: Settings) -> dict[str, Value]:
    """Return the values by address that a backup starts with: those of the first show, without files that are closed.

    `presets` is the folder of the presets here.
    """
    opened = OpenedPlaces(presets, {})
    opened.open(settings)
    values = dict(first.state.values)
    for address in (*FILES, *SOURCES):
        if address not in values or named_place(address, str(values[address])) is None:
            continue
        try:
            opened.check(address, str(values[address]))
            opened.check_on_disk(address, str(values[address]))
        except SettingsError:  # it is a notice once the show plays
            del values[address]
    return values | {"/preset": ""}
