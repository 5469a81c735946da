"""``streamflow-live doctor``: what works here, and what would make the rest work."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from daemon.commands.terminal import Terminal

_SIGNS = {"works": ("works", "green"), "absent": ("absent", "yellow"), "trouble": ("trouble", "red")}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="print the findings as JSON")] = False,
    presets: Annotated[Path | None, typer.Option(help="folder of your presets")] = None,
) -> None:
    """Say what works on this machine and what would make the rest work; status 1 if nothing could play."""
    # Imported here so that --help of every command answers at once.
    from daemon.doctor.checks import can_play, examine
    from presets.library import Library

    findings = examine(Library(presets))
    plays = can_play(findings)
    if as_json:
        print(json.dumps({"can_play": plays, "findings": [finding.as_json() for finding in findings]}, indent=2))
    else:
        console = Terminal(highlight=False)
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for column in ("area", "name", "verdict"):
            table.add_column(column, no_wrap=True)
        table.add_column("detail", overflow="fold")
        area = ""
        for finding in findings:
            word, colour = _SIGNS[finding.verdict]
            shown = finding.area if finding.area != area else ""
            table.add_row(Text(shown), Text(finding.name), Text(word, style=colour), Text(finding.detail))
            area = finding.area
        console.print(table)
        for finding in findings:
            if finding.remedy:  # not in the table: a command that is cut into lines can't be copied
                console.print(
                    Text(f"\n{finding.name}: {finding.detail}\n  "), Text(finding.remedy, "bold"), soft_wrap=True
                )
        verdict = "A show can play here." if plays else "[red]Nothing can play here:[/red] see what is in trouble."
        console.print(f"\n{verdict}")
    if not plays:
        raise typer.Exit(1)
