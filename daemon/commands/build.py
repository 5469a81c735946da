"""``streamflow-live build``: what a look's model needs is converted ahead of the show, so that `run` starts sooner."""

from pathlib import Path
from typing import Annotated

import typer


def build(
    preset: Annotated[
        list[str] | None, typer.Argument(help="looks, or .yaml files (default: the shipped model)")
    ] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in steps of 32 (default: the look's; 256x256)")] = None,
    presets: Annotated[Path | None, typer.Option(help="folder of your presets")] = None,
) -> None:
    """Make models ready ahead of the show: what is converted is kept, and `run` starts sooner."""
    from daemon.opening import opening_values
    from daemon.settings import parse_size
    from presets.library import Library
    from presets.live import snapshot

    looks: list[str | None] = list(preset) if preset else [None]
    draws = parse_size(size) if size else None
    wanted = [snapshot(opening_values(Library(presets), None, look, draws)) for look in looks]

    # Imported here: torch takes seconds, and a look that is not there is told before.
    from daemon.commands.loading import progress_bar, ready_stream

    with progress_bar() as progress:
        for parameters in wanted:
            ready_stream(parameters, None, progress)
