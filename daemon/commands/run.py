"""``streamflow-live run``: play a show until Ctrl-C or SIGTERM."""

import logging
import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.shared.stop_signals import stop_on_signals
from daemon.stage.settings import Settings, parse_address, parse_output_rate, parse_size
from io_bridges.scheme import Kind
from io_bridges.schemes import schemes
from io_bridges.uri import parse_endpoint
from presets.build import TextEncoderRule

if TYPE_CHECKING:  # --help of every command must answer at once
    from daemon.stage.notices import Notice
    from daemon.stage.stage import Stage

PICTURES, CONTROL, SHOW, MACHINE = "Pictures in and out", "Control", "Show", "Machine"
"""Panels of the options in --help."""


def _names(kind: Kind) -> str:
    """Return the schemes of a kind for --help."""
    names = [f"{name}:" for name in schemes(kind)]
    return f"{', '.join(names[:-1])} or {names[-1]}"


def run(
    preset: Annotated[
        str | None, typer.Argument(metavar="PRESET", help="First preset: a name, or a .yaml file.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Pictures in: {_names('source')} (default: the preset's or the last show's, or card:)."
            " A second one lies over the first, as /mix_mode says. docs/connections.md tells of each.",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    sink: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Pictures out, repeatable: {_names('sink')} (default: zmq:tcp://127.0.0.1:5556).",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Size that the model draws: WIDTHxHEIGHT in steps of 32 (default: the last show's, or 256x256).",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    output_size: Annotated[
        str | None,
        typer.Option(
            help="Size of the output, constant for the whole show (default: the drawn size).", rich_help_panel=PICTURES
        ),
    ] = None,
    fps: Annotated[
        str,
        typer.Option(
            help="Constant rate of the output, such as 25, 29.97 or 30000/1001; 'source' takes that of the source.",
            rich_help_panel=PICTURES,
        ),
    ] = "30",
    osc: Annotated[
        str,
        typer.Option(help="OSC in: a UDP port, HOST:PORT to open it to a network, or 'off'.", rich_help_panel=CONTROL),
    ] = "9000",
    osc_feedback: Annotated[
        list[str] | None,
        typer.Option(help="HOST:PORT that gets every change by OSC. Repeatable.", rich_help_panel=CONTROL),
    ] = None,
    osc_aliases: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Understand the OSC addresses of another program too: streamdiffusiontd, scope, resolume, or a YAML "
            "file. Repeatable.",
            rich_help_panel=CONTROL,
        ),
    ] = None,
    control: Annotated[
        str, typer.Option(help="ZeroMQ control: a TCP port, HOST:PORT, or 'off'.", rich_help_panel=CONTROL)
    ] = "5557",
    web: Annotated[
        str,
        typer.Option(
            help="Web page: a TCP port, HOST:PORT to open it to a network, or 'off'.", rich_help_panel=CONTROL
        ),
    ] = "8090",
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the web page in the browser.", rich_help_panel=CONTROL)
    ] = False,
    presets: Annotated[Path | None, typer.Option(help="Folder of your presets.", rich_help_panel=SHOW)] = None,
    record_controls: Annotated[
        Path | None,
        typer.Option(help="Record every message of the controls to a new .jsonl file.", rich_help_panel=SHOW),
    ] = None,
    play_controls: Annotated[
        Path | None,
        typer.Option(help="Play recorded controls from the start; hands stay in charge.", rich_help_panel=SHOW),
    ] = None,
    loop_controls: Annotated[
        bool, typer.Option("--loop-controls", help="Play them in a loop.", rich_help_panel=SHOW)
    ] = False,
    set_list: Annotated[
        Path | None,
        typer.Option(help="YAML file with the cues of the show, for /cue/go.", rich_help_panel=SHOW),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(help="File that keeps the show's state (default: in your state folder).", rich_help_panel=SHOW),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start with the defaults, not with the last state.", rich_help_panel=SHOW)
    ] = False,
    safe_picture: Annotated[
        Path | None,
        typer.Option(help="Picture for panic, shown while the model loads too.", rich_help_panel=SHOW),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processor threads for the model (default: one for each core).", rich_help_panel=MACHINE
        ),
    ] = None,
    gpu_share: Annotated[
        float | None,
        typer.Option(
            min=0.05,
            max=1,
            help="Share of the GPU's memory and time to use, if other programs draw too.",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    text_encoder: Annotated[
        TextEncoderRule,
        typer.Option(
            help="Large text encoder once its texts are encoded: keep it in memory, free it, or (auto) free it if"
            " memory is short.",
            rich_help_panel=MACHINE,
        ),
    ] = "auto",
    skip_memory_check: Annotated[
        bool,
        typer.Option(
            "--skip-memory-check",
            help="Load a model even if the memory seems to be too short for it.",
            rich_help_panel=MACHINE,
        ),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log more, the renderer's messages too.", rich_help_panel=MACHINE)
    ] = False,
) -> None:
    """Play a show: pictures in, redrawn pictures out at a constant rate, until Ctrl-C.

    \b
    Examples:
      streamflow-live run fire --open
      streamflow-live run --source file:clip.mp4 --sink png:frames
      streamflow-live run --size 512x512 --osc 0.0.0.0:9000
    """
    # Imported here so that --help of every command answers at once.
    from daemon.commands.log_output import log_to_terminal
    from daemon.stage.control_transport import controls_path, first_controls
    from daemon.stage.initial_values import (
        initial_notices,
        initial_values,
        open_library,
        restored_look,
        with_sources,
    )
    from daemon.stage.stage import Stage
    from daemon.stage.state_file import StateFile, default_state_path
    from presets.address_aliases import read_alias_tables
    from presets.set_list import read_set_list

    log_to_terminal(verbose)
    library = open_library(presets)
    state_path = state or default_state_path()
    restored = {} if fresh else StateFile(state_path).restore()
    controls = first_controls(play_controls, loop_controls)
    kept = restored if controls is None else {**restored, **controls.first_values()}
    values = initial_values(library, kept, preset, parse_size(size) if size else None)
    control_address = parse_address(control)
    rate, follow_source = parse_output_rate(fps)
    settings = Settings(
        sinks=tuple(sink) if sink else Settings().sinks,
        output_size=parse_size(output_size) if output_size else (int(values["/width"]), int(values["/height"])),
        fps=rate,
        follow_source=follow_source,
        osc=parse_address(osc),
        osc_feedback=tuple(address for text in osc_feedback or [] if (address := parse_address(text))),
        osc_aliases=read_alias_tables(osc_aliases or ()),
        control=parse_endpoint(str(control_address)) if control_address else None,
        web=parse_address(web),
        cues=read_set_list(set_list, library) if set_list else (),
        record_controls=controls_path(str(record_controls)) if record_controls else None,
        play_controls=controls,
        loop_controls=loop_controls,
        state=state_path,
        safe_picture=safe_picture,
        threads=threads,
        gpu_share=gpu_share,
        text_encoder=text_encoder,
        skip_memory_check=skip_memory_check,
    )
    settings, notices = with_sources(settings, source or (), values)
    values |= settings.sources
    notices += initial_notices(restored, values)
    stage = Stage(settings, library, values, notices=notices)
    look = restored_look(restored, preset) if controls is None else []
    _play(stage, [*look, *notices], open_page)


def _play(stage: "Stage", notices: "Sequence[Notice]", open_page: bool) -> None:
    """Run the stage until a signal asks for its end."""
    from daemon.stage.notices import log_notices

    stop = stop_on_signals()
    stage.start()
    try:
        for line in stage.where():
            logging.getLogger("stage").info(line)
        log_notices(notices)
        if open_page and stage.settings.web is not None and has_screen():
            webbrowser.open(f"http://{stage.settings.web}/")
        stage.keep(stop)
    finally:
        stage.stop()
        logging.getLogger("stage").info("the show has stopped")
    if stage.hangs:
        # The state is saved. The interpreter's own end would abort the process under a thread in a native call.
        logging.shutdown()
        os._exit(0)


def has_screen() -> bool:
    """Return True if a browser can open a window. Otherwise `webbrowser` may start a text browser in the terminal."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
