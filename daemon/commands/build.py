"""``streamflow-live build``: build the engines of presets ahead of the show, so that `run` starts sooner."""

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from presets.build import Build

CROSS_BUILDER = "tensorrt_rtx"
"""The accelerator that can build for a card in another machine."""


def build(
    preset: Annotated[
        list[str] | None,
        typer.Argument(metavar="PRESET", help="Names of presets, or .yaml files (default: the shipped model)."),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="WIDTHxHEIGHT in steps of 32 (default: the preset's, or 256x256).")
    ] = None,
    accelerator: Annotated[str | None, typer.Option(help="Build for this one (default: the preset's).")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, float16, bfloat16, float16_sums, fp8 or int8 (default: the preset's).")
    ] = None,
    for_card: Annotated[
        list[str] | None,
        typer.Option(
            "--for",
            metavar="CAPABILITY",
            help="Build with tensorrt_rtx for a card in another machine, by its compute capability. Repeatable.",
        ),
    ] = None,
    presets: Annotated[Path | None, typer.Option(help="Folder of your presets.")] = None,
) -> None:
    """Build the engines of presets ahead of the show, so that it starts sooner.

    Each is built in a process of its own. After Ctrl-C, what is finished is kept and the next build continues there.

    \b
    Examples:
      streamflow-live build fire ice-cells
      streamflow-live build --size 512x512 --accelerator openvino
      streamflow-live build --for 8.9 --for 12.0
    """
    # Imported here so that --help of every command answers at once.
    from daemon.commands.terminal import progress_bar

    builds = _builds(preset, size, {"/accelerator": accelerator, "/precision": precision}, for_card, presets)
    with progress_bar() as bar:
        try:
            succeeded = [_build(each, bar) for each in builds]
        except KeyboardInterrupt:
            _print(bar, "Cancelled. What is finished is kept, and the next build continues there.")
            raise typer.Exit(130) from None
    if not all(succeeded):
        raise typer.Exit(1)


def _build(build: Build, bar: Progress) -> bool:
    """Build one engine under a progress bar. Return False after an error, which is printed."""
    from daemon.prebuild.build_runner import run_build
    from presets.errors import BuildError

    task = bar.add_task("starting", total=100)

    def on_progress(text: str, fraction: float, is_result: bool) -> None:
        bar.update(task, description=text, completed=round(100 * fraction))
        if is_result:
            _print(bar, text, "dim")

    try:
        result = run_build(build, on_progress)
    except BuildError as error:
        bar.update(task, description=f"{build}: not built")
        _print(bar, str(error), "red")
        return False
    bar.update(task, description=result, completed=100)
    return True


def _print(bar: Progress, text: str, style: str = "") -> None:
    bar.console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)


def _builds(
    names: list[str] | None,
    size: str | None,
    asked: dict[str, str | None],
    capabilities: list[str] | None,
    folder: Path | None,
) -> list[Build]:
    """Return each different build once. Values that are `asked`, by address, take the place of the presets'.

    Raises `SettingsError`, `ParameterRefused` or `PresetError`.
    """
    from daemon.stage.initial_values import initial_values
    from daemon.stage.preset_library import open_library
    from daemon.stage.settings import parse_size
    from presets.parameter_table import PARAMETERS, snapshot

    _check(asked["/accelerator"], asked["/precision"], capabilities or [])
    if capabilities:
        asked = asked | {"/accelerator": CROSS_BUILDER}
    presets: list[str | None] = [*names] if names else [None]
    builds: list[Build] = []
    for preset in presets:
        values = initial_values(open_library(folder), {}, preset, parse_size(size) if size else None)
        values |= {address: PARAMETERS[address].coerce(value) for address, value in asked.items() if value is not None}
        for capability in capabilities or [""]:
            build = Build.of(snapshot(values), capability=capability)
            if build not in builds:
                builds.append(build)
    return builds


def _check(accelerator: str | None, precision: str | None, capabilities: list[str]) -> None:
    """Raise `SettingsError` for options that can't be used."""
    from presets.errors import SettingsError
    from presets.parameter_table import PARAMETERS

    if precision not in (None, *(precisions := PARAMETERS["/precision"].choices)):
        raise SettingsError(f"a precision is one of {', '.join(precisions)}; {precision!r} was given")
    for capability in capabilities:
        if not re.fullmatch(r"[0-9]{1,2}\.[0-9]", capability):
            raise SettingsError(f"--for takes a compute capability such as 8.9; {capability!r} was given")
    if capabilities and accelerator not in (None, CROSS_BUILDER):
        raise SettingsError(f"--for works with {CROSS_BUILDER} only, not with {accelerator}")
