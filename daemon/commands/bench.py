"""``streamflow-live bench``: measure the speed of this machine."""

from pathlib import Path
from typing import Annotated

import typer

from daemon.commands.terminal import Terminal

PAPER = "The paper's measurements"


def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="Take fewer and shorter measurements, three minutes in all.")
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Take these measurements only; 'paper' takes all of the paper's."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.05, max=600, help="Seconds of each counted turn (default: 5; --quick: 1).")
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the results to this file, row by row.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Write DATE-DEVICE.json, .md and plots into this folder.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Skip rows that the document there has, if machine, versions and options are the same."
        ),
    ] = False,
    list_names: Annotated[bool, typer.Option("--list", help="List the measurements and exit.")] = False,
    model: Annotated[
        str, typer.Option(help="'shipped', or a model folder in diffusers format.", rich_help_panel=PAPER)
    ] = "shipped",
    architecture: Annotated[
        str | None,
        typer.Option(help="A real network with random weights, such as sd15-perflow.", rich_help_panel=PAPER),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=64, max=2048, help="Pixels a side (default: the model's).", rich_help_panel=PAPER),
    ] = None,
    steps: Annotated[str, typer.Option(help="Step counts.", rich_help_panel=PAPER)] = "1,4,8",
    precision: Annotated[
        str, typer.Option(help="float32, float16 or bfloat16 for every row.", rich_help_panel=PAPER)
    ] = "",
    accelerators: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Measure these only.", rich_help_panel=PAPER)
    ] = None,
    among: Annotated[
        str | None, typer.Option(metavar="MODEL,...", help="Models that `models` changes between.")
    ] = None,
    full_autoencoder: Annotated[
        bool, typer.Option("--full-autoencoder", help="Use Stable Diffusion's own.", rich_help_panel=PAPER)
    ] = False,
    largest: Annotated[
        int | None, typer.Option(help="Largest side of `sizes` in pixels.", rich_help_panel=PAPER)
    ] = None,
    pictures: Annotated[int, typer.Option(min=3, help="Pictures that `quality` compares.", rich_help_panel=PAPER)] = 24,
    footage: Annotated[
        Path | None, typer.Option(help="Clip that `quality` redraws (default: the test card).", rich_help_panel=PAPER)
    ] = None,
    clip: Annotated[
        Path | None, typer.Option(help="Folder of a CLIP model, for the CLIP score.", rich_help_panel=PAPER)
    ] = None,
    inception: Annotated[
        Path | None,
        typer.Option(help="TorchScript Inception network, for the Fréchet distance.", rich_help_panel=PAPER),
    ] = None,
    sheets: Annotated[
        Path | None, typer.Option(help="Write the contact sheets of `model` into this folder.", rich_help_panel=PAPER)
    ] = None,
) -> None:
    """Measure the speed of this machine.

    The exit status is 0 even if a target is missed, and 1 if something could not be measured.

    \b
    Examples:
      streamflow-live bench --quick
      streamflow-live bench --only switch,delay --json bench.json
      streamflow-live bench --only paper --results benchmarks/results
    """
    # Imported here so that --help of every command answers at once.
    from benchmarks.catalogue import MEASUREMENTS
    from benchmarks.session import BenchOptions, run_bench

    if list_names:
        for measurement in MEASUREMENTS:
            print(f"{measurement.name:<11} {measurement.description}")
        return
    given = BenchOptions(
        quick=quick,
        only=only,
        seconds=seconds,
        json_path=json_path,
        results=results,
        resume=resume,
        model=model,
        architecture=architecture,
        size=size,
        steps=steps,
        precision=precision,
        accelerators=accelerators,
        among=among,
        full_autoencoder=full_autoencoder,
        largest=largest,
        pictures=pictures,
        footage=footage,
        clip=clip,
        inception=inception,
        sheets=sheets,
    )
    if not run_bench(given, Terminal(highlight=False), Terminal(stderr=True, highlight=False)):
        raise typer.Exit(1)
