"""Checks of everything that a show needs, one finding each."""

import importlib.util
import platform
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import psutil

from daemon.doctor.accelerator_probe import (
    nvidia_cards,
    onnxruntime_finding,
    openvino_finding,
    torch_build,
    torch_findings,
)
from daemon.doctor.diagnosis import Finding, Verdict
from daemon.doctor.display_search import search_displays
from daemon.doctor.source_search import ask_child, search_audio, search_sources
from io_bridges.lazy_imports import missing_extra
from io_bridges.midi.device import COMMAND
from io_bridges.schemes import SCHEMES
from presets.errors import BridgeUnavailable
from presets.free_memory import free_main_memory
from presets.library import Library

COARSEST_CLOCK = 0.001
"""Seconds. A tick at 60 Hz takes 17 ms."""

LEAST_MEMORY = 1_500_000_000
"""Bytes of main memory that a show of the shipped model needs with room for the change to another renderer."""
MIDI_SECONDS = 10.0
"""Seconds for the search of MIDI ports."""

Protocol = Literal["tcp", "udp"]


class DefaultPort(NamedTuple):
    """A port that ``run`` uses by default."""

    name: str
    protocol: Protocol
    port: int
    option: str
    """Option that names another port."""


DEFAULT_PORTS = (
    DefaultPort("frames in", "tcp", 5555, "--source zmq:tcp://127.0.0.1:PORT"),
    DefaultPort("frames out", "tcp", 5556, "--sink zmq:tcp://127.0.0.1:PORT"),
    DefaultPort("control", "tcp", 5557, "--control PORT"),
    DefaultPort("OSC", "udp", 9000, "--osc PORT"),
    DefaultPort("web page", "tcp", 8090, "--web PORT"),
)


def examine(library: Library, ports: Iterable[DefaultPort] = DEFAULT_PORTS) -> list[Finding]:
    """Return every finding, in the order of a picture's path. This takes some seconds, mostly for OpenVINO."""
    return [
        python_finding(),
        clock_finding(time.get_clock_info("monotonic").resolution),
        *bridge_findings(),
        midi_finding(),
        audio_finding(),
        webrtc_finding(),
        model_finding(),
        memory_finding(free_main_memory()),
        *torch_findings(torch_build(), nvidia_cards()),
        openvino_finding(),
        onnxruntime_finding(),
        *(port_finding(port) for port in ports),
        *preset_findings(library),
    ]


def python_finding() -> Finding:
    """Return the finding for the interpreter and its system."""
    return Finding("python", platform.python_version(), Verdict.WORKS, f"{sys.executable} on {platform.platform()}")


def clock_finding(resolution: float) -> Finding:
    """Return the finding for the clock of the output; `resolution` is in seconds.

    On Windows it has steps of 15.6 ms before Python 3.13, which calls another counter there.
    """
    if resolution <= COARSEST_CLOCK:
        return Finding("python", "clock", Verdict.WORKS, f"steps of {resolution * 1e6:.3g} µs")
    detail = f"steps of {resolution * 1000:.1f} ms: the output's rate will be uneven"
    return Finding("python", "clock", Verdict.TROUBLE, detail, "use Python 3.13 or newer")


def bridge_findings() -> list[Finding]:
    """Return a finding for every source and sink by its scheme. Only the screen is looked for, in child processes."""
    findings = []
    for scheme in SCHEMES:
        name, reason, remedy = f"{scheme.name}:", *_without_remedy(scheme.unavailable())
        if not reason and (scheme.kind, scheme.name) in _NEED_SCREEN:
            reason, remedy = _NEED_SCREEN[scheme.kind, scheme.name](), "start it in a graphical session"
        if reason:
            detail = f"{scheme.description}; {reason}"
            findings.append(Finding(scheme.kind, name, Verdict.ABSENT, detail, remedy))
        else:
            detail = f"{scheme.description} ({scheme.example})"
            findings.append(Finding(scheme.kind, name, Verdict.WORKS, detail))
    return findings


def midi_finding() -> Finding:
    """Return the finding for MIDI: the ports of the system, or the reason why there are none.

    It is looked for in a child process, which a driver may crash or hang.
    """
    if reason := missing_extra("rtmidi2", "midi"):
        return Finding("control", "midi", Verdict.ABSENT, *_without_remedy(reason))
    answer = ask_child([*COMMAND, "--list"], MIDI_SECONDS)
    inputs, outputs = answer.get("inputs", ()), answer.get("outputs", ())
    if not inputs and not outputs:
        reason, remedy = _without_remedy(answer.get("failure") or "there is no MIDI port. Use: a MIDI device")
        return Finding("control", "midi", Verdict.ABSENT, reason, remedy)
    ports = ", ".join(dict.fromkeys((*inputs, *outputs)))
    return Finding("control", "midi", Verdict.WORKS, f"{ports} (--midi takes a part of a name)")


def audio_finding() -> Finding:
    """Return the finding for audio inputs, or the reason why there are none. A child process looks for them."""
    found = search_audio()
    if found.uris:
        detail = f"{', '.join(found.uris)} (--audio takes a part of a name, or a file)"
        return Finding("control", "audio", Verdict.WORKS, detail)
    reason = found.failure or "there is no audio input. Use: a sound card, or --audio with a file"
    return Finding("control", "audio", Verdict.ABSENT, *_without_remedy(reason))


def webrtc_finding() -> Finding:
    """Return the finding for the page's preview over WebRTC."""
    if reason := missing_extra("aiortc", "webrtc"):
        return Finding("control", "webrtc", Verdict.ABSENT, *_without_remedy(reason))
    return Finding("control", "webrtc", Verdict.WORKS, "the page's picture, where the browser agrees (--no-webrtc)")


def _without_remedy(reason: str) -> tuple[str, str]:
    """Return the reason for which a scheme cannot run here, and its remedy, which stands after ``Run:`` or ``Use:``."""
    for verb, before in (("Run", ""), ("Use", "use ")):
        problem, found, remedy = reason.partition(f". {verb}: ")
        if found:
            return problem, before + remedy
    return reason, reason


def _display_problem() -> str:
    """Return why no window can be shown here; empty if one can."""
    try:
        search_displays()
    except BridgeUnavailable:
        return "there is no display"
    return ""


def _screen_problem() -> str:
    """Return why no screen can be a source here; empty if one can."""
    found = search_sources([scheme for scheme in SCHEMES if (scheme.kind, scheme.name) == ("source", "screen")])
    return "" if any(result.uris for result in found) else "there is no screen that programs can see"


_NEED_SCREEN = {("sink", "window"): _display_problem, ("source", "screen"): _screen_problem}
"""Checks of the schemes that need a screen besides their package."""


def model_finding() -> Finding:
    """Return the finding for the shipped model. Its folder is checked for its files, and not their contents."""
    spec = importlib.util.find_spec("pipeline")
    folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else Path()
    model = folder / "shipped" / "model"
    weights = sorted(model.rglob("*.safetensors"))
    parts = {file.parent.name for file in weights}
    missing = [part for part in ("text_encoder", "unet", "vae") if part not in parts]
    if missing or not (model / "model_index.json").is_file():
        remedy = "reinstall streamflow-live"
        return Finding(
            "model", "shipped", Verdict.TROUBLE, f"{model} lacks {', '.join(missing) or 'its index'}", remedy
        )
    size = sum(file.stat().st_size for file in weights) / 1e6
    return Finding("model", "shipped", Verdict.WORKS, f"{size:.1f} MB of weights in {model}")


def memory_finding(free: int) -> Finding:
    """Return the finding for main memory, of which `free` bytes can be had."""
    total = psutil.virtual_memory().total
    needs = "`streamflow-live models check NAME` tells what a model needs"
    detail = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB are free; {needs}"
    if free >= LEAST_MEMORY:
        return Finding("model", "memory", Verdict.WORKS, detail)
    return Finding("model", "memory", Verdict.TROUBLE, detail, "close other programs, or raise the container's limit")


def port_finding(port: DefaultPort) -> Finding:
    """Return the finding for a port: whether it can be bound on loopback, or which program has it."""
    name = f"{port.port}/{port.protocol}"
    kind = socket.SOCK_STREAM if port.protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if port.protocol == "tcp" and sys.platform != "win32":
            # A port closed a moment ago counts as free. On Windows this option would take a port that is in use.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port.port))
        except OSError as error:
            holder = _holder(port)
            by = f"taken by {holder}" if holder else f"taken ({error.strerror})"
            remedy = f"close that program, or run with {port.option}"
            return Finding("port", name, Verdict.TROUBLE, f"{port.name}: {by}", remedy)
    return Finding("port", name, Verdict.WORKS, f"{port.name}: free")


def preset_findings(library: Library) -> list[Finding]:
    """Return the number of presets that can be loaded, and a finding for each broken one."""
    entries = library.entries()
    broken = [entry for entry in entries if entry.preset is None]
    own = sum(1 for entry in entries if not entry.shipped)
    detail = f"{len(entries) - len(broken)} presets can be loaded; {own} files are yours, in {library.folder}"
    findings = [Finding("preset", "library", Verdict.WORKS, detail)]
    if library.listing_error:
        remedy = "correct the folder's permissions"
        findings.append(Finding("preset", "folder", Verdict.TROUBLE, library.listing_error, remedy))
    for entry in broken:
        remedy = f'streamflow-live presets check "{entry.path}"'
        findings.append(Finding("preset", entry.name, Verdict.TROUBLE, entry.error.splitlines()[0], remedy))
    return findings


def _holder(port: DefaultPort) -> str:
    """Return the program that has a port; empty if this user may not know."""
    try:
        connections = psutil.net_connections(port.protocol)
    except (psutil.AccessDenied, OSError):  # macOS requires root
        return ""
    for connection in connections:
        listens = port.protocol == "udp" or connection.status == psutil.CONN_LISTEN
        if connection.pid and connection.laddr and connection.laddr.port == port.port and listens:
            try:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                return f"process {connection.pid}"
    return ""
