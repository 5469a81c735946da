"""``streamflow-live render``: redraw a picture or a clip offline; the same file every time."""

from pathlib import Path
from typing import Annotated

import typer

from daemon.commands.machine_options import MOST_THREADS
from presets.build import TextEncoderRule


def render(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A clip or a picture.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="File to write: .mp4, .mov or .mkv for a clip, .png or .jpg.")
    ],
    preset: Annotated[str | None, typer.Option(help="Name of a preset, or a .yaml file (default: neon).")] = None,
    prompt: Annotated[str | None, typer.Option(help="One prompt in place of the preset's.")] = None,
    strength: Annotated[float | None, typer.Option(min=0, max=1, help="In place of the preset's.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, max=50, help="In place of the preset's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**31 - 1, help="In place of the preset's.")] = None,
    size: Annotated[
        str | None, typer.Option(help="WIDTHxHEIGHT in steps of 32 (default: the preset's, or 256x256).")
    ] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after this many frames.")] = None,
    presets: Annotated[Path | None, typer.Option(help="Folder of your presets.")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=MOST_THREADS, help="Processor threads for the model.")
    ] = None,
    skip_memory_check: Annotated[
        bool,
        typer.Option("--skip-memory-check", help="Load the model even if the memory seems to be too short for it."),
    ] = False,
    text_encoder: Annotated[
        TextEncoderRule,
        typer.Option(
            help="Large text encoder once the texts are encoded: keep it in memory, free it, or (auto) free it if"
            " memory is short."
        ),
    ] = "auto",
    then: Annotated[
        list[str] | None,
        typer.Option(metavar="SECONDS=PRESET", help="Change to another preset there, by its morph. Repeatable."),
    ] = None,
    controls: Annotated[
        Path | None, typer.Option(help="Controls recorded by run, which decide about the look.")
    ] = None,
    processors: Annotated[
        Path | None, typer.Option(help="Folder of your processors, Python files that change pictures.")
    ] = None,
    audio: Annotated[
        Path | None, typer.Option(help="A file whose sound moves numbers, such as INPUT itself, from its start.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", "-y", help="Replace OUTPUT if it exists.")] = False,
) -> None:
    """Redraw every frame of INPUT into OUTPUT, in order, without a show.

    The same input and options give the same file. OUTPUT appears when it is whole; it is never the input itself.

    \b
    Examples:
      streamflow-live render clip.mp4 out.mp4 --preset fire
      streamflow-live render clip.mp4 out.mp4 --then 4.5=ice-cells
      streamflow-live render clip.mp4 out.mp4 --controls rehearsal.jsonl
      streamflow-live render clip.mp4 out.mp4 --preset pulsing.yaml --audio clip.mp4
      streamflow-live render photo.jpg out.png --prompt "golden rings"
    """
    # Imported here so that --help of every command answers at once.
    from daemon.commands.render_plan import make_plan
    from daemon.commands.terminal import signals_as_ctrl_c
    from daemon.stage.preset_library import open_library

    given = {"/strength": strength, "/steps": steps, "/seed": seed}
    changes = {address: value for address, value in given.items() if value is not None}
    plan = make_plan(
        source,
        output,
        overwrite,
        open_library(presets, processors),
        preset,
        size,
        changes,
        prompt,
        then or [],
        frames,
        controls,
        processors,
        audio,
    )
    # Imported here: torch takes seconds, and a refusal of the arguments does not need it.
    from daemon.commands.offline_render import render_clip

    try:
        with signals_as_ctrl_c():
            render_clip(plan, threads, skip_memory_check, text_encoder)
    except KeyboardInterrupt:
        state = "is as it was" if output.exists() else "was not written"
        typer.echo(f"Cancelled. {output} {state}.", err=True)
        raise typer.Exit(130) from None
