"""``streamflow-live build``: what a look's model needs is made ahead of the show, so that `run` starts sooner."""

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import TaskID

from presets.build import Build

AHEAD = "tensorrt_rtx"
"""The accelerator that builds for cards that are not here."""

PRECISIONS = ("float32", "float16", "bfloat16")


def build(
    preset: Annotated[
        list[str] | None, typer.Argument(help="looks, or .yaml files (default: the shipped model)")
    ] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in steps of 32 (default: the look's; 256x256)")] = None,
    accelerator: Annotated[str | None, typer.Option(help="build for this one (default: the look's)")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, float16 or bfloat16 (default: what the accelerator is best in)")
    ] = None,
    for_card: Annotated[
        list[str] | None,
        typer.Option(
            "--for",
            help="a compute capability, 8.9 for one: build for a card that is not here, with"
            " tensorrt_rtx; may come again",
        ),
    ] = None,
    presets: Annotated[Path | None, typer.Option(help="folder of your presets")] = None,
) -> None:
    """Make models ready ahead of the show: what is built is kept, and `run` starts sooner.

    Each is built in a process of its own. Ctrl-C ends it: what is kept by then stays, and the next build goes on there.
    """
    # Imported here so that --help of every command answers at once.
    from daemon.commands.terminal import progress_bar
    from daemon.prebuild.build_runner import run_build
    from presets.errors import BuildError

    failed = False
    with progress_bar() as bar:

        def say(text: str, style: str = "") -> None:
            bar.console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)

        for job in _jobs(preset, size, accelerator, precision, for_card, presets):
            task = bar.add_task("starting", total=100)

            def told(text: str, fraction: float, lasting: bool, task: TaskID = task) -> None:
                bar.update(task, description=text, completed=round(100 * fraction))
                if lasting:
                    say(text, "dim")

            try:
                bar.update(task, description=run_build(job, told), completed=100)
            except BuildError as error:
                failed = True
                bar.update(task, description=f"{job}: not built")
                say(str(error), "red")
            except KeyboardInterrupt:
                say("Cancelled. What was built is kept, and the next build goes on from there.")
                raise typer.Exit(130) from None
    if failed:
        raise typer.Exit(1)


def _jobs(
    preset: list[str] | None,
    size: str | None,
    accelerator: str | None,
    precision: str | None,
    for_card: list[str] | None,
    presets: Path | None,
) -> list[Build]:
    """Each of them once. Raises `SettingsError`, `ParameterRefused` or `PresetError` for what can't be meant."""
    from daemon.stage.initial_values import initial_values
    from daemon.stage.settings import parse_size
    from presets.errors import SettingsError
    from presets.library import Library
    from presets.parameter_table import PARAMETERS, snapshot

    if precision not in (None, *PRECISIONS):
        raise SettingsError(f"a precision is one of {', '.join(PRECISIONS)}; {precision!r} stands there")
    for card in for_card or ():
        if not re.fullmatch(r"[0-9]{1,2}\.[0-9]", card):
            raise SettingsError(f"--for takes a compute capability such as 8.9; {card!r} stands there")
    if for_card and accelerator not in (None, AHEAD):
        raise SettingsError(f"--for builds for a card that is not here, which {AHEAD} can; {accelerator} can't")
    asked = AHEAD if for_card else accelerator
    jobs: list[Build] = []
    looks: list[str | None] = list(preset) if preset else [None]
    for look in looks:
        values = initial_values(Library(presets), {}, look, parse_size(size) if size else None)
        if asked is not None:
            values["/accelerator"] = PARAMETERS["/accelerator"].coerce(asked)
        look_is = snapshot(values)
        for card in for_card or [""]:
            job = Build.of(look_is, precision=precision or "", capability=card)
            if job not in jobs:
                jobs.append(job)
    return jobs
