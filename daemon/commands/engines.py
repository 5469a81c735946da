"""``streamflow-live engines``: list, verify and remove the engines that are kept on disk."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from daemon.commands.terminal import Terminal

if TYPE_CHECKING:  # --help of every command must answer at once
    from daemon.prebuild.engine_inventory import KeptEngine, Pruning

app = typer.Typer(help="List, verify and remove the engines that are kept.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_engines(as_json: AsJson = False) -> None:
    """List the engines that are kept, with model, size and age. Files are checked by their sizes."""
    from daemon.prebuild.engine_inventory import inspect_engines
    from pipeline.accelerators.cache import root_folder

    _print_engines(inspect_engines(root_folder(), thorough=False), as_json)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Read every byte of the engines that are kept. The exit status is 1 if any is damaged.

    A damaged engine is built again when it is needed.
    """
    from daemon.prebuild.engine_inventory import inspect_engines
    from pipeline.accelerators.cache import root_folder

    kept = inspect_engines(root_folder(), thorough=True)
    _print_engines(kept, as_json)
    if any(each.reason for each in kept):
        raise typer.Exit(1)


@app.command()
def prune(
    everything: Annotated[
        bool, typer.Option("--all", help="Remove all engines; with --older-than, all older ones.")
    ] = False,
    older_than: Annotated[
        float | None, typer.Option(min=0, metavar="DAYS", help="Remove older engines too, even usable ones.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
) -> None:
    """Remove engines that are damaged, of other versions, or for cards that are not in this machine.

    \b
    Examples:
      streamflow-live engines prune
      streamflow-live engines prune --older-than 30 --yes
    """
    from daemon.prebuild.engine_inventory import Pruning, amount, cards_here, total
    from pipeline.accelerators.cache import root_folder
    from pipeline.accelerators.cache_staging import remove_leftovers

    root, console = root_folder(), Terminal(highlight=False)
    freed = remove_leftovers(root)
    pruning = Pruning(everything, older_than, cards_here())
    doomed = pruning.find(root)
    for each in doomed:
        console.print(Text(f"{each.entry.path.name} ({amount(each.entry.size)}): {each.reason}"), soft_wrap=True)
    if doomed and not yes:
        typer.confirm(f"Remove {len(doomed)} of them, {amount(total(doomed))}?", abort=True)
    removed, failed = _remove(doomed, pruning)
    console.print(f"{amount(freed + removed)} freed in {root}.", soft_wrap=True, markup=False)
    if failed:
        raise typer.Exit(1)


def _remove(doomed: "Sequence[KeptEngine]", pruning: "Pruning") -> tuple[int, int]:
    """Remove the engines that are still to be removed. Return the bytes freed and the number of printed failures."""
    from pipeline.accelerators.cache_staging import remove_entry

    freed = failed = 0
    for each in doomed:
        try:
            if pruning.applies(each):
                remove_entry(each.entry.path)
                freed += each.entry.size
        except FileNotFoundError:
            pass  # another process was first
        except OSError as error:
            failed += 1
            message = f"{each.entry.path} can't be removed: {error.strerror or error}"
            Terminal(stderr=True).print(message, style="red", markup=False)
    return freed, failed


def _print_engines(kept: "Sequence[KeptEngine]", as_json: bool) -> None:
    from daemon.prebuild.engine_inventory import amount, total
    from pipeline.accelerators.cache import root_folder

    if as_json:
        print(json.dumps([each.as_json() for each in kept], indent=2))
        return
    console = Terminal(highlight=False)
    if kept:
        console.print(_table(kept))
    summary = f"{len(kept)} kept, {amount(total(kept))}, in {root_folder()}"
    console.print(summary, style="dim", soft_wrap=True, markup=False)


def _table(kept: "Sequence[KeptEngine]") -> Table:
    """Return a table of one row for each engine. At 80 columns the texts wrap, and the headings do not."""
    from daemon.prebuild.engine_inventory import age, amount

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("engine", overflow="fold", ratio=4)
    table.add_column("made for", overflow="fold", ratio=5)
    table.add_column("size", no_wrap=True, justify="right")
    table.add_column("age", no_wrap=True)
    table.add_column("state", overflow="fold", ratio=3)
    for each in kept:
        key = each.entry.key
        engine = f"{key.accelerator} {key.part}" if key else each.entry.path.name
        facts = [each.entry.made_for, key.precision, f"card {key.device}"] if key else []
        state = Text(each.reason, style="red") if each.reason else Text("whole", style="green")
        made_for = ", ".join(fact for fact in facts if fact and fact != "card any")
        table.add_row(Text(engine), Text(made_for), amount(each.entry.size), age(each.entry.made_at), state)
    return table
