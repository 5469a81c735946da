"""``streamflow-live engines``: what was built and is kept: list it, verify it, remove what is of no more use."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from daemon.commands.terminal import Terminal

if TYPE_CHECKING:  # so that --help of every command answers at once
    from daemon.prebuild.engine_inventory import KeptEngine

app = typer.Typer(help="The engines that are kept.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command("list")
def list_engines(as_json: AsJson = False) -> None:
    """What is kept, for what, how large and how old; whole by the sizes of its files."""
    from daemon.prebuild.engine_inventory import inspect_engines
    from pipeline.accelerators.cache import root_folder

    _print(inspect_engines(root_folder(), thorough=False), as_json)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Read every byte of what is kept; status 1 if anything is damaged. What is damaged is built again when needed."""
    from daemon.prebuild.engine_inventory import inspect_engines
    from pipeline.accelerators.cache import root_folder

    kept = inspect_engines(root_folder(), thorough=True)
    _print(kept, as_json)
    if any(each.reason for each in kept):
        raise typer.Exit(1)


@app.command()
def prune(
    everything: Annotated[
        bool, typer.Option("--all", help="all that is kept; with an age, all that is older, and nothing else")
    ] = False,
    older_than: Annotated[
        float | None, typer.Option(min=0, help="days: also what is older, though it may be of use")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="ask nothing")] = False,
) -> None:
    """Remove what is damaged, or made by other versions or for other cards than are here, and say what that freed."""
    from daemon.prebuild.engine_inventory import Pruning, amount, cards_here, total
    from pipeline.accelerators.cache import root_folder
    from pipeline.accelerators.cache_aside import remove, remove_leftovers

    root, console = root_folder(), Terminal(highlight=False)
    freed = remove_leftovers(root)
    pruning = Pruning(everything, older_than, cards_here())
    going = pruning.going(root)
    for each in going:
        console.print(Text(f"{each.entry.path.name} ({amount(each.entry.size)}): {each.reason}"), soft_wrap=True)
    if going and not yes:
        typer.confirm(f"Remove {len(going)} of them, {amount(total(going))}?", abort=True)
    stays = 0
    for each in going:
        try:
            if pruning.still(each):
                remove(each.entry.path)
                freed += each.entry.size
        except FileNotFoundError:
            pass  # another process was first
        except OSError as error:
            stays += 1
            Terminal(stderr=True).print(
                f"{each.entry.path} stays: {error.strerror or error}", style="red", markup=False
            )
    console.print(f"{amount(freed)} freed in {root}.", soft_wrap=True, markup=False)
    if stays:
        raise typer.Exit(1)


def _print(kept: "list[KeptEngine]", as_json: bool) -> None:
    from daemon.prebuild.engine_inventory import age, amount, total
    from pipeline.accelerators.cache import root_folder

    if as_json:
        print(json.dumps([each.as_json() for each in kept], indent=2))
        return
    console = Terminal(highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("accelerator", "part", "for", "precision", "card", "size", "age", ""):
        table.add_column(column, overflow="fold")
    for each in kept:
        key = each.entry.key
        said = Text(each.reason, style="red") if each.reason else Text("whole", style="green")
        if key is None:
            table.add_row(Text(each.entry.path.name), "", "", "", "", amount(each.entry.size), "", said)
        else:
            named = (key.accelerator, key.part, each.entry.made_for, key.precision, key.device)
            table.add_row(*map(Text, named), amount(each.entry.size), age(each.entry.made_at), said)
    console.print(table)
    kept_where = f"{len(kept)} kept, {amount(total(kept))}, in {root_folder()}"
    console.print(kept_where, style="dim", soft_wrap=True, markup=False)
