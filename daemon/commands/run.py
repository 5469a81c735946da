"""``streamflow-live run``: the show, until Ctrl-C or SIGTERM."""

import logging
import os
import signal
import sys
import threading
import webbrowser
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from daemon.stage.settings import Settings, parse_address, parse_size
from io_bridges.uri import parse_endpoint

HELP_SINK = "where pictures go; may be given several times (default: zmq:tcp://127.0.0.1:5556)"


def run(
    preset: Annotated[str | None, typer.Argument(help="the look to begin with: a name, or a .yaml file")] = None,
    source: Annotated[
        str, typer.Option(help="where pictures come from: card:, file:, zmq:, zmq+connect:, none:")
    ] = "card:",
    sink: Annotated[list[str] | None, typer.Option(help=HELP_SINK)] = None,
    size: Annotated[
        str | None, typer.Option(help="what the model draws, WIDTHxHEIGHT in steps of 32 (default: as it was; 256x256)")
    ] = None,
    output_size: Annotated[
        str | None, typer.Option(help="what goes out, constant all evening (default: as the model draws)")
    ] = None,
    fps: Annotated[float, typer.Option(min=1, max=240, help="pictures a second that go out, always")] = 30.0,
    osc: Annotated[str, typer.Option(help="OSC in: a UDP port, HOST:PORT to open it to a network, or off")] = "9000",
    osc_feedback: Annotated[
        list[str] | None, typer.Option(help="HOST:PORT that hears every change; several times")
    ] = None,
    control: Annotated[str, typer.Option(help="ZeroMQ control: a TCP port, HOST:PORT, or off")] = "5557",
    web: Annotated[str, typer.Option(help="the page: a TCP port, HOST:PORT to open it to a network, or off")] = "8090",
    open_page: Annotated[bool, typer.Option("--open", help="show the page in the browser")] = False,
    presets: Annotated[Path | None, typer.Option(help="folder of your presets")] = None,
    state: Annotated[
        Path | None, typer.Option(help="file that keeps the show's state (default: your state folder)")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="begin with the defaults, not as the last show ended")] = False,
    safe_picture: Annotated[
        Path | None, typer.Option(help="picture that panic cuts to, and that stands while loading")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="processor threads for the model (default: one a core)")
    ] = None,
    gpu_share: Annotated[
        float | None,
        typer.Option(min=0.05, max=1, help="the share of the device's memory and time to take, where others draw too"),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="say more, the renderer's own words too")] = False,
) -> None:
    """Play: pictures in, redrawn pictures out at a constant rate, until Ctrl-C."""
    # Imported here so that --help of every command answers at once.
    from daemon.commands.log_output import log_to_terminal
    from daemon.stage.initial_values import initial_notices, initial_values
    from daemon.stage.notices import log_notices
    from daemon.stage.stage import Stage
    from daemon.stage.state_file import StateFile, default_state_path
    from presets.library import Library

    log_to_terminal(verbose)
    library = Library(presets)
    state_path = state or default_state_path()
    draws = parse_size(size) if size else None
    restored = {} if fresh else StateFile(state_path).restore()
    values = initial_values(library, restored, preset, draws)
    notices = initial_notices(restored, values)
    control_address = parse_address(control)
    settings = Settings(
        source=source,
        sinks=tuple(sink) if sink else Settings().sinks,
        output_size=parse_size(output_size) if output_size else (int(values["/width"]), int(values["/height"])),
        fps=fps,
        osc=parse_address(osc),
        osc_feedback=tuple(address for text in osc_feedback or [] if (address := parse_address(text))),
        control=parse_endpoint(str(control_address)) if control_address else None,
        web=parse_address(web),
        state=state_path,
        safe_picture=safe_picture,
        threads=threads,
        gpu_share=gpu_share,
    )
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    stage = Stage(settings, library, values, notices=notices)
    stage.start()
    try:
        for line in stage.where():
            logging.getLogger("stage").info(line)
        log_notices(notices)
        if open_page and settings.web is not None and has_screen():
            webbrowser.open(f"http://{settings.web}/")
        stage.keep(stop)
    finally:
        stage.stop()


def has_screen() -> bool:
    """Whether a browser would have a window: without one, `webbrowser` may start a text browser in this terminal."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
