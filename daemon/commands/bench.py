"""``streamflow-live bench``: the promised speed, measured here."""

import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="two or three minutes in all; figures scatter more")] = False,
    only: Annotated[str | None, typer.Option(metavar="NAME,...", help="only these measurements")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.5, max=600, help="of each turn that is counted (default: 5; quick: 2)")
    ] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="write the document to this file, row by row")] = None,
    results: Annotated[
        Path | None, typer.Option(help="folder for DATE-PROCESSOR.json and .md, as in benchmarks/results")
    ] = None,
    list_them: Annotated[bool, typer.Option("--list", help="say what can be measured, and stop")] = False,
) -> None:
    """Measure this machine. Status 0 even where a target is missed; 1 where something could not be measured."""
    # Imported here so that --help of every command answers at once.
    import tempfile

    from daemon.bench import catalogue, machine, tables
    from daemon.bench.results import Plan, Results, write_text
    from presets.errors import StreamflowError

    if list_them:
        for measurement in catalogue.MEASUREMENTS:
            print(f"{measurement.name:<10} {measurement.description}")
        return
    chosen = catalogue.chosen(only)
    facts = machine.facts() | {"quick": quick}
    stem = f"{facts['date'][:10]}-{machine.slug(facts['device'])}"
    found = Results(facts, tuple(path for path in (as_json, results and results / f"{stem}.json") if path))
    found.save()  # a place that can't be written is said before anything is measured
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    if warning := machine.busy():
        err.print(f"[yellow]{warning}[/yellow]", soft_wrap=True)
    # SIGTERM ends a bench as Ctrl-C does: by way of every block that ends a child.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="streamflow-bench-", ignore_cleanup_errors=True) as folder,
        Progress(*columns, console=err) as progress,
    ):
        bar = progress.add_task("", total=len(chosen))
        for measurement in chosen:

            def tell(text: str, name: str = measurement.name) -> None:
                progress.update(bar, description=escape(f"{name}: {text}"))

            tell(measurement.description)
            # A folder each: one show must not find what another left.
            place = Path(folder) / measurement.name
            place.mkdir()
            plan = Plan(place, seconds or (2.0 if quick else 5.0), kills=1 if quick else 3)
            try:
                for finding in measurement.measure(plan, tell):
                    found.add(measurement.name, finding)
                    if isinstance(finding, dict):
                        err.print(Text(tables.line(finding)), soft_wrap=True)
            except StreamflowError as error:
                found.fail(measurement.name, str(error))
                err.print(f"[red]{measurement.name}:[/red] {escape(str(error))}", soft_wrap=True)
            progress.advance(bar)
    tables.print_tables(found.document(), out)
    if results is not None:
        write_text(results / f"{stem}.md", tables.markdown(found.document()))
    if missed := sum(not target.met for target in found.targets):
        out.print(f"\n{missed} of {len(found.targets)} targets are missed here.")
    if found.failures:
        raise typer.Exit(1)
