"""``streamflow-live presets``: list the looks, show one, check files."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from daemon.commands.terminal import Terminal

app = typer.Typer(help="The looks that can be loaded.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Option("--presets", help="folder of your presets")]


@app.command("list")
def list_looks(
    presets: Folder = None, as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False
) -> None:
    """Every look, the broken ones too."""
    from presets.library import Library

    library = Library(presets)
    entries = library.entries()
    if as_json:
        rows = [
            {
                "name": entry.name,
                "path": str(entry.path),
                "shipped": entry.shipped,
                "description": entry.preset.description if entry.preset else "",
                "error": entry.error,
            }
            for entry in entries
        ]
        print(json.dumps(rows, indent=2))
    else:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for entry in entries:
            said = Text(entry.preset.description) if entry.preset else Text(entry.error, style="red")
            table.add_row(Text(entry.name, style="bold"), "shipped" if entry.shipped else "yours", said)
        Terminal().print(table)
        Terminal().print(f"Yours are in {library.folder}", style="dim", soft_wrap=True, highlight=False, markup=False)
    if library.trouble:
        _tell(library.trouble)


@app.command()
def show(name: Annotated[str, typer.Argument(help="a look's name, or a .yaml file")], presets: Folder = None) -> None:
    """The whole look as YAML, with the defaults that its file leaves out: copy it to begin one of your own."""
    from presets.files import preset_text
    from presets.library import Library

    preset = Library(presets).whole(name)
    sys.stdout.write(preset_text(preset, stem=preset.name))


@app.command()
def check(files: Annotated[list[Path], typer.Argument(help="preset files")]) -> None:
    """Read preset files, and look at the models they name; every problem as path:line:column, status 1 if any."""
    from presets.errors import ModelError, PresetError
    from presets.files import place_of, read_preset

    broken = 0
    for path in files:
        try:
            _check_model(read_preset(path).values.get("model"))
        except PresetError as error:
            broken += 1
            _tell(str(error))
        except ModelError as error:
            broken += 1
            _tell(f"{place_of(path, 'model')}: {error}")
        else:
            Terminal().print(f"{path}: good", soft_wrap=True, highlight=False, markup=False)
    if broken:
        raise typer.Exit(1)


def _check_model(name: str | None) -> None:
    """Raises `ModelError` for a model that can't be played; None is that of whatever look was before."""
    from daemon.renderer.echo_stream import ECHO_MODEL

    if name in (None, ECHO_MODEL):
        return
    # Imported here: torch takes seconds, and few looks name a model.
    from pipeline.models import load_model

    load_model(name)


def _tell(problems: str) -> None:
    Terminal(stderr=True).print(problems, style="red", soft_wrap=True, highlight=False, markup=False)
