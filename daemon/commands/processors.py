"""``streamflow-live processors``: list the processors of your folder, and put examples into it."""

import importlib.resources
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from daemon.commands.terminal import Terminal

app = typer.Typer(help="List your processors, and add examples to their folder.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Option("--processors", help="Folder of your processors.")]

ENDING = ".py.txt"
"""End of the names of the examples, which are no part of this program."""


@app.command("list")
def list_processors(processors: Folder = None) -> None:
    """List every processor with its numbers, and those that are refused with the reason. Nothing is run."""
    from daemon.processors.processor_folder import ProcessorFolder

    folder = ProcessorFolder(processors)
    folder.look()
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name in sorted(folder.files.keys() | folder.problems.keys()):
        if name in folder.problems:
            table.add_row(Text(name, style="bold"), "", Text(folder.problems[name], style="red"))
            continue
        file = folder.files[name]
        numbers = ", ".join(f"{each.name} {each.minimum:g} to {each.maximum:g}" for each in file.numbers)
        about = file.description.partition("\n")[0]
        table.add_row(Text(name, style="bold"), ", ".join(file.functions), Text(f"{about} {numbers}".strip()))
    terminal = Terminal(highlight=False)
    terminal.print(table)
    terminal.print(Text(f"They are in {folder.folder}; examples to add: {', '.join(sorted(examples()))}", style="dim"))


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="EXAMPLE", help="mirror or trails.")],
    processors: Folder = None,
) -> None:
    """Copy an example into your folder, to play with and to change.

    \b
    Examples:
      streamflow-live processors add mirror
      streamflow-live run fire --open
    """
    from daemon.processors.processor_folder import default_folder
    from presets.errors import SettingsError

    shipped = examples()
    if name not in shipped:
        raise SettingsError(f"there is no example {name[:64]!r}; there are {', '.join(sorted(shipped))}")
    folder = processors or default_folder()
    path = folder / f"{name}.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(shipped[name])
    except FileExistsError as error:
        raise SettingsError(f"{path} is there already, and stays as it is") from error
    except OSError as error:
        raise SettingsError(f"{path} can't be written: {error.strerror or error}") from error
    terminal = Terminal(highlight=False)
    terminal.print(f"{path} is there. Set /processor/1/name to {name} to play it.", soft_wrap=True, markup=False)


def examples() -> dict[str, str]:
    """Return the text of each example by its name."""
    folder = importlib.resources.files("daemon.processors") / "examples"
    files = (each for each in folder.iterdir() if each.name.endswith(ENDING))
    return {each.name.removesuffix(ENDING): each.read_text(encoding="utf-8") for each in files}
