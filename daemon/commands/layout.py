"""``streamflow-live layout``: write a control surface with every control, for a program that opens it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from daemon.commands.terminal import Terminal

if TYPE_CHECKING:  # --help of every command must answer at once
    from io_bridges.layouts.outline import Outline

OPEN_STAGE_CONTROL, TOUCHOSC, CHATAIGNE, TOUCHDESIGNER = "open-stage-control", "touchosc", "chataigne", "touchdesigner"

SUFFIXES = {OPEN_STAGE_CONTROL: ".json", TOUCHOSC: ".tosc", CHATAIGNE: ".noisette", TOUCHDESIGNER: ".py"}
"""Programs that a layout is written for, and the ending of their files."""

TOUCHOSC_PORT = 9001
"""Port for feedback, unless another is given. Open Stage Control needs none: it listens where it sends from."""


class Destination(NamedTuple):
    """Where a surface sends to, and the port that it listens on."""

    host: str
    port: int
    feedback_port: int | None
    page_port: int


def layout(
    program: Annotated[str, typer.Argument(metavar="PROGRAM", help=f"{', '.join(SUFFIXES)}.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File to write.")],
    host: Annotated[
        str | None,
        typer.Option(help="Machine of the show, as the surface reaches it (default: this one).", show_default=False),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="UDP port of the show's OSC.")] = 9000,
    feedback_port: Annotated[
        int | None,
        typer.Option(
            min=1024,
            max=65535,
            help=f"UDP port that the surface listens on (default: {TOUCHOSC_PORT} for {TOUCHOSC}).",
        ),
    ] = None,
    page_port: Annotated[
        int,
        typer.Option(min=1, max=65535, help=f"Port of the show's page, which {CHATAIGNE} and {TOUCHDESIGNER} read."),
    ] = 8090,
    group: Annotated[
        list[str] | None, typer.Option(help="Only this group of controls. Repeatable (default: all).")
    ] = None,
    presets: Annotated[Path | None, typer.Option(help="Folder of your presets.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", "-y", help="Replace FILE if it exists.")] = False,
) -> None:
    """Write a control surface with every control of the show, and follow its values.

    Faders, switches, menus and texts by group, a button for each look, and a row
    with panic, freeze, blackout, next and previous. docs/surfaces.md goes step by
    step. Untested inside the programs themselves.

    \b
    Examples:
      streamflow-live layout open-stage-control -o show.json
      streamflow-live layout touchosc -o show.tosc --group style --group output
      streamflow-live layout chataigne -o show.noisette
    """
    from daemon.stage.preset_library import open_library
    from io_bridges.layouts.outline import make_outline
    from presets.atomic_write import write_atomically
    from presets.errors import SettingsError

    check_request(program, output, host, overwrite)
    to = Destination(host or "127.0.0.1", port, feedback_port, page_port)
    outline = make_outline(open_library(presets).names(), group or ())
    try:
        write_atomically(output, _file(program, outline, to))
    except OSError as error:
        raise SettingsError(f"{output} can't be written: {error.strerror or error}") from error
    terminal = Terminal(highlight=False)
    for line in _lines(program, output, outline, to):
        terminal.print(line, soft_wrap=True, markup=False)


def check_request(program: str, output: Path, host: str | None, overwrite: bool) -> None:
    """Raise `SettingsError` for a program without a layout, a host that is no name, or a file that must not be lost."""
    from presets.errors import SettingsError

    if program not in SUFFIXES:
        raise SettingsError(f"there is no layout for {program!r}: choose one of {', '.join(SUFFIXES)}")
    if output.suffix.lower() != SUFFIXES[program]:
        raise SettingsError(f"{output}: {program} opens {SUFFIXES[program]} files; give a name that ends so")
    if output.exists() and not overwrite:
        raise SettingsError(f"{output} exists already: give --overwrite to replace it")
    if host is not None and (not host or any(character.isspace() or character in "\"'\\:/" for character in host)):
        raise SettingsError(f"--host {host!r} is no name or IPv4 address of a machine")


def _file(program: str, outline: "Outline", to: Destination) -> bytes:
    from daemon.commands.touchdesigner import build_lines
    from io_bridges.layouts.chataigne import session_of_chataigne
    from io_bridges.layouts.open_stage_control import session_file
    from io_bridges.layouts.touchosc import layout_of_touchosc

    if program == OPEN_STAGE_CONTROL:
        return session_file(outline, to.host, to.port, to.feedback_port)
    if program == CHATAIGNE:
        return session_of_chataigne(outline, to.host, to.port, to.page_port)
    if program == TOUCHDESIGNER:
        return build_lines(f"http://{to.host}:{to.page_port}", to.host, to.port).encode() + b"\n"
    return layout_of_touchosc(outline, to.feedback_port or TOUCHOSC_PORT)


def _lines(program: str, output: Path, outline: "Outline", to: Destination) -> list[str]:
    """Return what to tell: what was written, what it can't do, and how to open it."""
    lines = [f"{output}: {outline.controls} controls, {len(outline.looks)} of them looks"]
    if program == OPEN_STAGE_CONTROL:
        return [*lines, f"Open it: open-stage-control --load {output}"]
    if program == CHATAIGNE:
        page = f"It reads the values from the show's page, http://{to.host}:{to.page_port}"
        return [*lines, f"Open it in Chataigne (File, Open). {page}"]
    if program == TOUCHDESIGNER:
        run = f"exec(open({str(output.resolve())!r}).read())"
        return [f"{output}: builds the component with every control", f"In TouchDesigner's Textport (Alt+T): {run}"]
    return [*lines, *_touchosc_lines(outline, to)]


def _touchosc_lines(outline: "Outline", to: Destination) -> list[str]:
    from io_bridges.layouts.touchosc import left_out
    from io_bridges.local_network import is_loopback, local_addresses

    missing = " ".join(left_out(outline))
    here = local_addresses() if is_loopback(to.host) else [to.host]
    ports = f"send port {to.port}, receive port {to.feedback_port or TOUCHOSC_PORT}"
    return [
        *([f"TouchOSC has no field for text. It shows these, or leaves them out: {missing}"] if missing else []),
        f"In TouchOSC, Connections, OSC, connection 1: host {' or '.join(here) or to.host}, {ports}",
        f"The show has to be open to the network: streamflow-live run --osc 0.0.0.0:{to.port} --osc-allow ITS-ADDRESS",
    ]
