"""Options of a backup, and what a show starts with if it is one of two."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.stage.settings import Settings, parse_output_rate, zmq_endpoint
from presets.errors import SettingsError
from presets.parameter_table import Value

if TYPE_CHECKING:  # --help of every command must answer at once
    from daemon.backup.joining import FirstShow
    from presets.library import Library

BACKUP = "Backup"
"""Panel of the options in --help."""

BackupOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Follow the show with this --control port, and take over its outputs when it falls silent. --sink names"
        " other outputs than its own. docs/backup.md tells what is taken over.",
        rich_help_panel=BACKUP,
    ),
]
BackupKeyOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Key for a show on another machine, made there by 'streamflow-live keys make backup'.",
        rich_help_panel=BACKUP,
    ),
]
BackupAfterOption = Annotated[
    float,
    typer.Option(
        min=0,
        max=60,
        help="Seconds of silence after which the backup takes over, at least 0.2; 0 for /backup/take alone.",
        rich_help_panel=BACKUP,
    ),
]

AFTER = 0.8
"""Seconds of silence after which a backup takes over, if nothing else is asked for."""
SHORTEST = 0.2
"""Shortest silence, which a busy machine has now and then."""


def joined(
    backup: str | None, key: Path | None, after: float, control: str, others: Mapping[str, object]
) -> "FirstShow | None":
    """Return the first show that a backup follows, once it answers; None without ``--backup``.

    `others` are the options by name that a backup can't have.

    Raises:
        SettingsError: The options don't go together.
        BridgeUnavailable: The first show does not answer.
    """
    if backup is None:
        if key is not None:
            raise SettingsError("--backup-key goes with --backup HOST:PORT")
        return None
    from daemon.backup.asker import first_address
    from daemon.backup.joining import join
    from daemon.backup.pair import show_name

    if given := [name for name, value in others.items() if value]:
        raise SettingsError(f"{', '.join(given)}: a backup plays what the show plays that it follows. Leave this out")
    endpoint = zmq_endpoint(backup)
    if endpoint is None:
        raise SettingsError("--backup takes the --control port of the first show, as in 192.168.1.7:5557")
    if endpoint == zmq_endpoint(control):
        raise SettingsError(f"--backup {backup}: that is the control port of this show. Give it another by --control")
    if 0 < after < SHORTEST:
        raise SettingsError(f"--backup-after {after:g}: a busy machine is silent for longer; the least is {SHORTEST}")
    return join(first_address(endpoint, key), after, show_name(zmq_endpoint(control)))


def kept(first: "FirstShow | None", library: "Library", opened: Settings) -> dict[str, Value]:
    """Return the values of the first show by address; empty without one. Files that are not `opened` are left out."""
    if first is None:
        return {}
    from daemon.backup.joining import start_values

    return start_values(first, library.folder, opened)


def with_output(settings: Settings, first: "FirstShow | None", size: str | None, fps: str | None) -> Settings:
    """Return the settings with the output of the first show, except for a `size` and `fps` of the command line."""
    if first is None:
        return settings
    report = first.report
    rate, follow_source = (settings.fps, settings.follow_source) if fps else parse_output_rate(report.fps)
    return replace(
        settings, output_size=settings.output_size if size else report.size, fps=rate, follow_source=follow_source
    )


def paired(settings: Settings, first: "FirstShow | None") -> Settings:
    """Return the settings of a show that may be one of two. A backup, and a show that had one, start off air.

    Their sinks are closed until they go on air.
    """
    from daemon.backup.backup_mark import has_backup

    asks = first is None and settings.control is not None and has_backup(settings.state)
    if first is None and not asks:
        return settings
    return replace(settings, sinks=(), held_sinks=settings.sinks, asks_backup=asks)
