"""Options of ``streamflow-live run``, by the panel of --help that they stand in."""

from pathlib import Path
from typing import Annotated

import typer

from io_bridges.scheme import Kind
from io_bridges.schemes import schemes

PICTURES, CONTROL, SHOW = "Pictures in and out", "Control", "Show"
"""Panels of the options in --help."""


def _names(kind: Kind) -> str:
    """Return the schemes of a kind for --help."""
    names = [f"{name}:" for name in schemes(kind)]
    return f"{', '.join(names[:-1])} or {names[-1]}"


PresetOption = Annotated[str | None, typer.Argument(metavar="PRESET", help="First preset: a name, or a .yaml file.")]
SourceOption = Annotated[
    list[str] | None,
    typer.Option(
        help=f"Pictures in: {_names('source')} (default: the preset's or the last show's, or card:)."
        " A second one lies over the first, as /mix_mode says. docs/connections.md tells of each.",
        rich_help_panel=PICTURES,
    ),
]
SinkOption = Annotated[
    list[str] | None,
    typer.Option(
        help=f"Pictures out, repeatable: {_names('sink')} (default: zmq:tcp://127.0.0.1:5556).",
        rich_help_panel=PICTURES,
    ),
]
SizeOption = Annotated[
    str | None,
    typer.Option(
        help="Size that the model draws: WIDTHxHEIGHT in steps of 32 (default: the last show's, or 256x256).",
        rich_help_panel=PICTURES,
    ),
]
OutputSizeOption = Annotated[
    str | None,
    typer.Option(
        help="Size of the output, constant for the whole show (default: the drawn size).", rich_help_panel=PICTURES
    ),
]
FpsOption = Annotated[
    str | None,
    typer.Option(
        help="Constant rate of the output (default: 30), such as 25 or 30000/1001; 'source' takes that of the source.",
        rich_help_panel=PICTURES,
    ),
]
OscOption = Annotated[
    str,
    typer.Option(help="OSC in: a UDP port, HOST:PORT to open it to --osc-allow, or 'off'.", rich_help_panel=CONTROL),
]
OscFeedbackOption = Annotated[
    list[str] | None,
    typer.Option(help="HOST:PORT that gets every change by OSC. Repeatable.", rich_help_panel=CONTROL),
]
OscTcpOption = Annotated[
    str,
    typer.Option(
        help="OSC over TCP too: a port, HOST:PORT to open it to --osc-allow, or 'off'.", rich_help_panel=CONTROL
    ),
]
OscAliasesOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Understand the OSC addresses of another program too: streamdiffusiontd, scope, resolume, or a YAML "
        "file. Repeatable.",
        rich_help_panel=CONTROL,
    ),
]
MidiOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|off",
        help="MIDI in and out: a part of the name of a port. Repeatable (default: off).",
        rich_help_panel=CONTROL,
    ),
]
MidiMapOption = Annotated[
    Path | None,
    typer.Option(help="MIDI mapping, kept there (default: in your config folder).", rich_help_panel=CONTROL),
]
DmxOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="DMX in by Art-Net and sACN: a YAML file that maps channels.", rich_help_panel=CONTROL
    ),
]
DmxHostOption = Annotated[
    str,
    typer.Option(help="Address for DMX; 0.0.0.0 hears the network, multicast too.", rich_help_panel=CONTROL),
]
LinkOption = Annotated[
    bool, typer.Option("--link", help="Share tempo and beats on the network by Ableton Link.", rich_help_panel=CONTROL)
]
AudioOption = Annotated[
    str | None,
    typer.Option(
        metavar="INPUT|FILE",
        help="Sound that moves numbers: a part of the name of an audio input, 'default', or a file, in a loop"
        " (default: none).",
        rich_help_panel=CONTROL,
    ),
]
ControlOption = Annotated[
    str,
    typer.Option(
        help="ZeroMQ control: a TCP port, HOST:PORT to open it to clients with keys (streamflow-live keys), or 'off'.",
        rich_help_panel=CONTROL,
    ),
]
WebOption = Annotated[
    str,
    typer.Option(
        help="Web page: a TCP port, HOST:PORT to open it to a network with a token, or 'off'.", rich_help_panel=CONTROL
    ),
]
WebRtcOption = Annotated[
    bool,
    typer.Option(
        "--webrtc/--no-webrtc",
        help="The page's picture over WebRTC where the extra is installed and the browser agrees, or as JPEGs.",
        rich_help_panel=CONTROL,
    ),
]
OpenPageOption = Annotated[
    bool, typer.Option("--open", help="Open the web page in the browser.", rich_help_panel=CONTROL)
]
PresetsOption = Annotated[Path | None, typer.Option(help="Folder of your presets.", rich_help_panel=SHOW)]
ProcessorsOption = Annotated[
    Path | None,
    typer.Option(help="Folder of your processors, Python files that change pictures.", rich_help_panel=SHOW),
]
RecordingsOption = Annotated[
    Path | None,
    typer.Option(help="Folder of the recorded controls that surfaces name.", rich_help_panel=SHOW),
]
RecordControlsOption = Annotated[
    Path | None,
    typer.Option(help="Record every message of the controls to a new .jsonl file.", rich_help_panel=SHOW),
]
PlayControlsOption = Annotated[
    Path | None,
    typer.Option(help="Play recorded controls from the start; hands stay in charge.", rich_help_panel=SHOW),
]
LoopControlsOption = Annotated[bool, typer.Option("--loop-controls", help="Play them in a loop.", rich_help_panel=SHOW)]
SetListOption = Annotated[
    Path | None,
    typer.Option(help="YAML file with the cues of the show, for /cue/go.", rich_help_panel=SHOW),
]
StateOption = Annotated[
    Path | None,
    typer.Option(help="File that keeps the show's state (default: in your state folder).", rich_help_panel=SHOW),
]
FreshOption = Annotated[
    bool, typer.Option("--fresh", help="Start with the defaults, not with the last state.", rich_help_panel=SHOW)
]
LockedOption = Annotated[
    bool,
    typer.Option(
        "--locked",
        help="Start locked: refuse changes of model, size, sources and sinks, saves, and the first Ctrl-C, until /lock"
        " 0. Looks, faders, blackout and panic work.",
        rich_help_panel=SHOW,
    ),
]
SafePictureOption = Annotated[
    Path | None,
    typer.Option(help="Picture for panic, shown while the model loads too.", rich_help_panel=SHOW),
]
