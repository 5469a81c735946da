"""``streamflow-live presets``: list the presets, show one, check some, print their schema."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from daemon.commands.terminal import Terminal

if TYPE_CHECKING:  # --help of every command must answer at once
    from presets.files import Preset
    from presets.library import Library

app = typer.Typer(help="List, show and check presets, and print their schema.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Option("--presets", help="Folder of your presets.")]


@app.command("list")
def list_presets(
    presets: Folder = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List every preset, the broken ones too."""
    from daemon.stage.preset_library import open_library

    library = open_library(presets)
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
            about = Text(entry.preset.description) if entry.preset else Text(entry.error, style="red")
            table.add_row(Text(entry.name, style="bold"), "shipped" if entry.shipped else "yours", about)
        Terminal().print(table)
        _print(f"Yours are in {library.folder}", "dim")
    if library.listing_error:
        _print_error(library.listing_error)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="PRESET", help="Name of a preset, or a .yaml file.")],
    presets: Folder = None,
) -> None:
    """Print a preset as YAML, with the defaults that its file leaves out.

    Copy it to start one of your own. Keys at the end, after a #, stay as they are when the preset is loaded. If it
    extends another preset, comments tell where each value comes from.
    """
    from daemon.stage.preset_library import open_library
    from presets.annotated_preset import annotated_text

    sys.stdout.write(annotated_text(open_library(presets).complete(name)))


@app.command()
def check(
    names: Annotated[list[str], typer.Argument(metavar="PRESET", help="Names of presets, or .yaml files.")],
    presets: Folder = None,
) -> None:
    """Check presets and the models that they name.

    Every problem is printed as path:line:column. The exit status is 1 if there is any.

    \b
    Examples:
      streamflow-live presets check fire
      streamflow-live presets check mine.yaml other.yaml
    """
    from daemon.stage.preset_library import open_library
    from presets.errors import PresetError
    from presets.files import place_of

    library = open_library(presets)
    broken = 0
    for name in names:
        path = Path(name)
        try:
            path, preset = _read(library, name)
            library.values_left_out(preset)  # refuses numbers that its processors do not have
        except PresetError as error:
            broken += 1
            _print_error(str(error))
            continue
        if problems := list(_problems_of_files(preset)):
            broken += 1
            for key, problem in problems:
                _print_error(f"{place_of(preset.origins.get(key, path), key)}: {problem}")
        else:
            _print(f"{path}: good")
    if broken:
        raise typer.Exit(1)


@app.command()
def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write, in place of printing.")] = None,
    overwrite: Annotated[bool, typer.Option("-y", help="Replace the file if it is there.")] = False,
) -> None:
    """Print a JSON schema of preset files, by which editors complete and check keys.

    \b
    Example for VS Code's YAML extension:
      streamflow-live presets schema -o preset.schema.json
      # the first line of a preset:  # yaml-language-server: $schema=preset.schema.json
    """
    from presets.preset_schema import preset_schema

    text = json.dumps(preset_schema(), indent=2, ensure_ascii=False) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    try:
        with output.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        _print_error(f"{output} is there already. Replace it with -y.")
        raise typer.Exit(1) from None
    except OSError as error:
        _print_error(f"{output}: it can't be written: {error.strerror or error}")
        raise typer.Exit(1) from None


def _read(library: "Library", name: str) -> "tuple[Path, Preset]":
    """Return the path and the contents of a preset: a file if there is one at `name`, else a preset of that name.

    Raises `PresetError`.
    """
    path = Path(name)
    if path.suffix.lower() in (".yaml", ".yml") or path.is_file():
        return path, library.read(path)
    entry, preset = library.find(name)
    return entry.path, preset


def _problems_of_files(preset: "Preset") -> Iterator[tuple[str, str]]:
    """Yield the key and the problem of the model and each adapter that a preset names and that can't be played."""
    from presets.errors import ModelError
    from presets.model_catalogue import DEPTH_MODEL
    from presets.model_store import is_echo
    from presets.paths import home_path
    from presets.preset_keys import ADAPTER_KEYS, LORA_KEYS

    model: str = preset.values.get("model", "echo")
    known = not is_echo(model)
    keys = (*sorted(LORA_KEYS), *ADAPTER_KEYS, "ip_adapter_image")
    named = {key: str(preset.values[key]) for key in keys if preset.values.get(key)}
    if named.get("controlnet") and preset.values.get("controlnet_preprocessor") == "depth":
        own = str(preset.values.get("controlnet_depth_model", ""))
        named["controlnet_depth_model" if own else "controlnet_preprocessor"] = own or DEPTH_MODEL
    if known and "autoencoder" in preset.values:
        named["autoencoder"] = str(preset.values["autoencoder"])
    if not known and not named:
        return
    # Imported here: torch takes seconds, and few presets name a model.
    from pipeline.controlnet.controlnet_folder import read_folder
    from pipeline.controlnet.depth_folder import open_depth_model
    from pipeline.ip_adapter.adapter_file import read_shapes
    from pipeline.ip_adapter.image_prompts import read_image
    from pipeline.loras.lora_file import open_lora
    from pipeline.models import load_model

    for key, name in (({"model": model} if known else {}) | named).items():
        try:
            if key.startswith("controlnet_"):
                open_depth_model(name)
            elif key == "ip_adapter_image":
                read_image(home_path(name))
            elif known:
                encoder = str(preset.values.get("ip_adapter_encoder", ""))
                load_model(
                    model,
                    [name] if key in LORA_KEYS else [],
                    name if key == "controlnet" else "",
                    (name, encoder) if key == "ip_adapter" else ("", ""),
                    autoencoder=preset.values["autoencoder"] if key == "autoencoder" else "auto",
                )
            elif key in LORA_KEYS:
                open_lora(name)
            else:
                (read_folder if key == "controlnet" else read_shapes)(home_path(name))
        except ModelError as error:
            yield key, str(error)
            known = known and key != "model"


def _print(text: str, style: str = "") -> None:
    Terminal().print(text, style=style, soft_wrap=True, highlight=False, markup=False)


def _print_error(text: str) -> None:
    Terminal(stderr=True).print(text, style="red", soft_wrap=True, highlight=False, markup=False)
