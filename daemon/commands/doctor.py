"""``streamflow-live doctor``: report what works on this machine, and how to make the rest work."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from daemon.commands.terminal import Terminal

if TYPE_CHECKING:  # --help of every command must answer at once
    from daemon.doctor.diagnosis import Finding

_COLOURS = {"works": "green", "absent": "yellow", "trouble": "red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    presets: Annotated[Path | None, typer.Option(help="Folder of your presets.")] = None,
) -> None:
    """Report what works on this machine, and how to make the rest work.

    The exit status is 1 if no show can play.
    """
    # Imported here so that --help of every command answers at once.
    from daemon.doctor.checks import examine
    from daemon.doctor.diagnosis import can_play
    from daemon.stage.preset_library import open_library

    findings = examine(open_library(presets))
    plays = can_play(findings)
    if as_json:
        print(json.dumps({"can_play": plays, "findings": [finding.as_json() for finding in findings]}, indent=2))
    else:
        _print_report(findings, plays)
    if not plays:
        raise typer.Exit(1)


def _by_remedy(findings: "Sequence[Finding]") -> dict[str, list[str]]:
    """Return the names of the findings that each remedy mends, each once."""
    names: dict[str, list[str]] = {}
    for finding in findings:
        name = finding.name.removesuffix(":")
        if finding.remedy and name not in names.setdefault(finding.remedy, []):
            names[finding.remedy].append(name)
    return names


def _print_report(findings: "Sequence[Finding]", plays: bool) -> None:
    console = Terminal(highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for column in ("area", "name", "verdict"):
        table.add_column(column, no_wrap=True)
    table.add_column("detail", overflow="fold")
    area = ""
    for finding in findings:
        verdict = Text(finding.verdict, style=_COLOURS[finding.verdict])
        shown = finding.area if finding.area != area else ""
        table.add_row(Text(shown), Text(finding.name), verdict, Text(finding.detail))
        area = finding.area
    console.print(table)
    for remedy, names in _by_remedy(findings).items():  # not in the table: a command that is wrapped can't be copied
        console.print(Text(f"\n{', '.join(names)}:\n  "), Text(remedy, "bold"), soft_wrap=True)
    summary = "A show can play here." if plays else "[red]No show can play here:[/red] see the lines in red."
    console.print(f"\n{summary}")
