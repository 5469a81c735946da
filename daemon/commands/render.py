"""``streamflow-live render``: a picture or a clip, offline; the same file every time."""

from pathlib import Path
from typing import Annotated

import typer


def render(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="a clip or a picture")],
    output: Annotated[Path, typer.Argument(help="what to write: .mp4 for a clip, .png or .jpg for a picture")],
    preset: Annotated[str | None, typer.Option(help="the look: a name, or a .yaml file")] = None,
    prompt: Annotated[str | None, typer.Option(help="one prompt in place of the look's")] = None,
    strength: Annotated[float | None, typer.Option(min=0, max=1, help="in place of the look's")] = None,
    steps: Annotated[int | None, typer.Option(min=1, max=50, help="in place of the look's")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**31 - 1, help="in place of the look's")] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in steps of 32 (default: the look's; 256x256)")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="stop after this many")] = None,
    presets: Annotated[Path | None, typer.Option(help="folder of your presets")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="processor threads for the model")] = None,
    then: Annotated[
        list[str] | None,
        typer.Option(metavar="SECONDS=LOOK", help="another look from there on, by its own morph; several are fine"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", "-y", help="replace OUTPUT if it is there")] = False,
) -> None:
    """Redraw every frame of INPUT into OUTPUT, in order, without a stage."""
    # Imported here: torch takes seconds, and --help must not.
    from itertools import islice

    from daemon.stage.initial_values import frames_of, initial_values, scheduled_values
    from daemon.stage.settings import parse_size
    from io_bridges.clip import ClipWriter, clip_info, decode_clip
    from io_bridges.pixels import fit
    from presets.errors import SettingsError
    from presets.library import Library
    from presets.parameter_table import PARAMETERS, Value, snapshot

    if output.exists() and not overwrite:
        raise SettingsError(f"{output} is there already: give --overwrite to replace it")
    library = Library(presets)
    values = initial_values(library, None, preset, parse_size(size) if size else None)
    asked: dict[str, Value | None] = {"/strength": strength, "/steps": steps, "/seed": seed}
    values |= {address: value for address, value in asked.items() if value is not None}
    if prompt is not None:
        values |= {address: PARAMETERS[address].default for address in values if address.startswith("/prompt/")}
        values |= {f"/prompt/{place}/text": "" for place in range(2, 5)} | {"/prompt/1/text": prompt}
    parameters = snapshot(values)
    info = clip_info(source)
    later = scheduled_values(library, values, then or [])
    looks = {frame: snapshot(later[at]) for frame, at in frames_of(later, info.fps).items()} | {0: parameters}
    total = min(info.frames, frames) if info.frames and frames else (info.frames or frames)

    from daemon.commands.model_loading import progress_bar, ready_stream
    from daemon.commands.offline_render import moments, redraw

    with (
        # Opened before the model is loaded: a name that can't be written is told at once.
        ClipWriter(output, parameters.width, parameters.height, info.fps) as writer,
        progress_bar() as progress,
    ):
        stream = ready_stream(parameters, threads, progress)
        drawing = progress.add_task(f"redrawing {source.name}", total=total)
        pictures = (fit(picture, stream.width, stream.height) for picture in islice(decode_clip(source), frames))
        told = moments(looks, float(info.fps))
        drawn = 0
        for picture in redraw(stream, pictures, told, lambda: progress.advance(drawing)):
            writer.write(picture)
            drawn += 1
        if late := [seconds for seconds in later if round(seconds * info.fps) >= drawn]:
            missed = ", ".join(f"{seconds:g}" for seconds in late)
            progress.console.print(f"the clip ends at {drawn / float(info.fps):.2f} s: no look came at {missed} s")
