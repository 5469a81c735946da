"""``streamflow-live models``: list, pull, check and adopt models."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from daemon.commands.terminal import Terminal

if TYPE_CHECKING:  # --help of every command must answer at once
    from rich.progress import Progress

    from daemon.models.inspection import ModelInspection
    from daemon.models.listing import ListedModel

app = typer.Typer(help="List, pull, check and adopt models.", no_args_is_help=True)

_PAID = {"yes": "green", "no": "red", "ask": "yellow"}


@app.command("list")
def list_models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the models of the catalogue and those on this disk, with size, licence and what can be played.

    AUTOENCODER is what `autoencoder` of a preset can name, once a model is pulled.
    PAID SHOW is what the licence says of a show that pays: yes, no, or ask, where it
    depends on who plays. Read the licence itself before you rely on it.
    """
    from daemon.models.listing import interrupted_bytes, listed_models
    from presets.model_store import PARTIAL, store_folder

    root = store_folder()
    rows = listed_models(root)
    if as_json:
        print(json.dumps([row.as_json() for row in rows], indent=2, ensure_ascii=False))
        return
    Terminal(highlight=False).print(_table(rows))
    _print(f"Models are kept in {root}", "dim")
    if interrupted := interrupted_bytes(root):
        _print(
            f"{interrupted / 1e9:.1f} GB of interrupted pulls are in {root / PARTIAL}: pull again, or delete it.", "dim"
        )


def _table(rows: "list[ListedModel]") -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("model", no_wrap=True)
    table.add_column("here", no_wrap=True, justify="right")
    table.add_column("autoencoder", no_wrap=True)
    table.add_column("paid show", no_wrap=True)
    table.add_column("licence", overflow="fold", ratio=3)
    table.add_column("plays", overflow="fold", ratio=4)
    for row in rows:
        here = f"{row.bytes / 1e9:.1f} GB" if row.folder else (f"({row.download:g} GB)" if row.download else "–")
        able = "yes" if row.use == "model" else f"as {row.use}"
        plays = Text(row.reason, style="red") if row.reason else Text(able, style="green")
        paid = Text(row.paid_show, style=_PAID.get(row.paid_show, ""))
        licence = Text(f"{row.licence}; account needed" if row.gated else row.licence)
        table.add_row(Text(row.name, style="bold" if row.folder else ""), here, row.autoencoders, paid, licence, plays)
    return table


@app.command()
def pull(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the catalogue, or OWNER/NAME on the hub.")],
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nothing online: take the files from the hub's cache on this disk.")
    ] = False,
    revision: Annotated[str, typer.Option(help="Commit, branch or tag (default: the catalogue's, or main).")] = "",
    tiny: Annotated[
        str,
        typer.Option(
            metavar="AUTOENCODER",
            help="Tiny autoencoder beside the model's own: taesd, taesdxl, taesd3, taef1 or none (default: the"
            " catalogue's).",
        ),
    ] = "",
    anyway: Annotated[bool, typer.Option("--anyway", help="Pull a model that this version can't play too.")] = False,
) -> None:
    """Download a model, check it, and put in the parts that it lacks. An interrupted pull continues where it stopped.

    Only configurations and .safetensors are taken, never pickled weights. HF_ENDPOINT names
    another hub, HF_TOKEN or `hf auth login` gives a token for gated models, and
    STREAMFLOW_LIVE_MODELS names another folder for models.

    \b
    Examples:
      streamflow-live models pull sd-turbo
      streamflow-live models pull Lykon/dreamshaper-8-lcm
    """
    from daemon.commands.terminal import download_bar, signals_as_ctrl_c
    from daemon.models import pull as pulling
    from presets.model_store import store_folder

    asked = pulling.pull_request(name)
    request = replace(asked, revision=revision, offline=offline, tiny=tiny, anyway=anyway)
    with download_bar() as bar:
        task = bar.add_task(request.name, total=None)
        try:
            with signals_as_ctrl_c():
                folder = pulling.pull(
                    request,
                    store_folder(),
                    announce=lambda text: _say(bar, text),
                    on_total=lambda count: bar.update(task, total=count),
                    on_bytes=lambda count: bar.update(task, advance=count),
                )
        except KeyboardInterrupt:
            _say(bar, "Cancelled. What came is kept, and the next pull continues there.")
            raise typer.Exit(130) from None
    _report(folder)


@app.command()
def adopt(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="Folder in diffusers format, .safetensors file, or name of a model here."),
    ],
    name: Annotated[str, typer.Option(help="Name for presets (default: the path's).")] = "",
    like: Annotated[
        str, typer.Option(help="Model with the configurations that a single file lacks (default: one that fits).")
    ] = "",
    scheduler: Annotated[
        str, typer.Option(help="Scheduler in place of its own: perflow, instaflow, lcm or euler-ancestral.")
    ] = "",
    vae: Annotated[str, typer.Option(metavar="MODEL", help="Take the autoencoders of this model or folder.")] = "",
    delta: Annotated[
        Path | None, typer.Option(help="Add these weights to the UNet's, as PeRFlow publishes them for SD1.5.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a model of this name.")] = False,
    allow_pickle: Annotated[
        bool,
        typer.Option(
            "--allow-pickle",
            help="Take a pickled file (.ckpt, .pt) too, by torch's restricted reader. Only from one you trust.",
        ),
    ] = False,
) -> None:
    """Make a model for presets of a folder, or of a single file of Stable Diffusion or SDXL.

    The original stays as it is. A single file has no configurations and no tokenizer: they
    are taken from a model on this disk with the same architecture.

    \b
    Examples:
      streamflow-live models adopt ~/Downloads/dreamshaper_8.safetensors
      streamflow-live models adopt dreamshaper_8.safetensors --name dream-perflow \\
        --delta perflow-sd15-delta.safetensors --scheduler perflow
    """
    from daemon.models import adoption
    from presets.model_store import store_folder

    asked = adoption.Adoption(path.expanduser(), name, like, scheduler, vae, delta, replace, allow_pickle)
    _report(adoption.adopt(asked, store_folder(), announce=lambda text: _print(text, "dim")))


@app.command()
def check(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="Name of a model on this disk, or a folder.")],
) -> None:
    """Check a model: every file against its recorded checksum, every configuration, the header of all weights.

    Print its parts, its licence, and whether it can be played. The exit status is 1 if it
    is damaged or can't be played.
    """
    from daemon.commands.terminal import download_bar
    from daemon.models.inspection import folder_bytes, inspect_model
    from pipeline.model_files import model_folder
    from presets.model_store import depth_model, find_depth_model

    folder = find_depth_model(name) if depth_model(name) else model_folder(name)
    with download_bar() as bar:
        task = bar.add_task("reading", total=folder_bytes(folder))
        found = inspect_model(folder, thorough=True, on_bytes=lambda count: bar.update(task, advance=count))
        bar.update(task, completed=folder_bytes(folder))
    _print_inspection(found)
    if not found.is_good:
        raise typer.Exit(1)


def _print_inspection(found: "ModelInspection") -> None:
    from daemon.models.inspection import is_depth_model

    _print(f"{found.name}: {found.size / 1e9:.2f} GB in {found.folder}", "bold")
    for part, kind in sorted(found.parts.items()):
        _print(f"  {part}: {kind}")
    if found.record is not None:
        for source in found.record.sources:
            _print(f"  {source.part} from {source.origin}{f' at {source.revision[:12]}' if source.revision else ''}")
        _print(f"  licence: {found.record.licence}; paid show: {found.record.paid_show}")
        _print(f"  {len(found.record.files)} files checked by their recorded checksums")
    else:
        _print("  no record: it was not pulled or adopted, so there are no checksums and no licence")
    for problem in found.problems:
        _print_error(f"  {problem}")
    if found.reason:
        _print_error(f"  can't be played: {found.reason}")
    else:
        kinds = f", with autoencoder: {found.autoencoders.replace(', ', ' or ')}" if found.autoencoders else ""
        _print(f"  can be played, as {found.family}{kinds}", "green")
        if not is_depth_model(found.folder):  # It plays beside a model, and is small.
            _print_memory(found.folder)


def _print_memory(folder: Path) -> None:
    """Print what the model needs of the memory here, and what is free."""
    from pipeline.memory_check import memory_report

    report = memory_report(folder)
    _print(f"  {report.text}", "" if report.is_enough else "yellow")


def _report(folder: Path) -> None:
    """Print where a new model is, its licence, and how it is played."""
    from daemon.models.inspection import DEPTH_TITLE, inspect_model
    from presets.model_record import read_record
    from presets.model_store import stored_name

    found = inspect_model(folder, thorough=False)
    _print(f"{stored_name(folder)} is in {folder}", "bold")
    if (record := read_record(folder)) is not None:
        _print(f"Licence: {record.licence}. Paid show: {record.paid_show}.", _PAID.get(record.paid_show, ""))
    if found.is_good:
        depth = f"controlnet_preprocessor: depth\ncontrolnet_depth_model: {stored_name(folder)}"
        lines = f"these lines of a preset, beside a controlnet:\n{depth}"
        model = f"this line of a preset: model: {stored_name(folder)}"
        _print(f"Play it by {lines if found.family == DEPTH_TITLE else model}")
        return
    _print_error(f"It is here, but this version can't play it: {(found.problems or [found.reason])[0]}")
    raise typer.Exit(1)


def _say(bar: "Progress", text: str) -> None:
    bar.console.print(text, style="dim", soft_wrap=True, highlight=False, markup=False)


def _print(text: str, style: str = "") -> None:
    Terminal().print(text, style=style, soft_wrap=True, highlight=False, markup=False)


def _print_error(text: str) -> None:
    Terminal(stderr=True).print(text, style="red", soft_wrap=True, highlight=False, markup=False)
