"""``streamflow-live run``: play a show until Ctrl-C or SIGTERM."""

import logging
import os
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.commands import backup_options as backups
from daemon.commands import machine_options as machine
from daemon.commands import opening_options as opening
from daemon.commands import run_options as options
from daemon.shared.least_resources import SHOW_ADDRESS_SPACE, SHOW_FILES, shortage
from daemon.shared.process import raise_file_limit, raise_priority
from daemon.shared.stop_signals import stop_on_signals
from daemon.stage.settings import (
    FIRST_RATE,
    Address,
    Settings,
    parse_address,
    parse_output_rate,
    parse_size,
    zmq_endpoint,
)
from presets.declaration import LOCK
from presets.errors import SettingsError, StreamflowError

if TYPE_CHECKING:  # --help of every command must answer at once
    from daemon.stage.notices import Notice
    from daemon.stage.stage import Stage
    from presets.parameter_table import Value


def run(
    preset: options.PresetOption = None,
    source: options.SourceOption = None,
    sink: options.SinkOption = None,
    size: options.SizeOption = None,
    output_size: options.OutputSizeOption = None,
    fps: options.FpsOption = None,
    osc: options.OscOption = "9000",
    osc_feedback: options.OscFeedbackOption = None,
    osc_tcp: options.OscTcpOption = "off",
    osc_allow: opening.OscAllowOption = None,
    osc_aliases: options.OscAliasesOption = None,
    midi: options.MidiOption = None,
    midi_map: options.MidiMapOption = None,
    dmx: options.DmxOption = None,
    dmx_host: options.DmxHostOption = "127.0.0.1",
    link: options.LinkOption = False,
    audio: options.AudioOption = None,
    control: options.ControlOption = "5557",
    web: options.WebOption = "8090",
    web_token: opening.WebTokenOption = None,
    webrtc: options.WebRtcOption = True,
    open_page: options.OpenPageOption = False,
    presets: options.PresetsOption = None,
    processors: options.ProcessorsOption = None,
    allow_folder: opening.AllowFolderOption = None,
    allow_destination: opening.AllowDestinationOption = None,
    recordings: options.RecordingsOption = None,
    record_controls: options.RecordControlsOption = None,
    play_controls: options.PlayControlsOption = None,
    loop_controls: options.LoopControlsOption = False,
    set_list: options.SetListOption = None,
    state: options.StateOption = None,
    fresh: options.FreshOption = False,
    locked: options.LockedOption = False,
    safe_picture: options.SafePictureOption = None,
    threads: machine.ThreadsOption = None,
    gpu_share: machine.GpuShareOption = None,
    text_encoder: machine.TextEncoderOption = "auto",
    renderers: machine.RenderersOption = 1,
    cluster: machine.ClusterOption = None,
    understudy: machine.UnderstudyOption = "auto",
    backup: backups.BackupOption = None,
    backup_key: backups.BackupKeyOption = None,
    backup_after: backups.BackupAfterOption = backups.AFTER,
    skip_memory_check: machine.SkipMemoryCheckOption = False,
    verbose: machine.VerboseOption = False,
) -> None:
    """Play a show: pictures in, redrawn pictures out at a constant rate, until Ctrl-C.

    \b
    Examples:
      streamflow-live run fire --open
      streamflow-live run --source file:clip.mp4 --sink png:frames
      streamflow-live run --osc 0.0.0.0:9000 --osc-allow 192.168.1.0/24
    """
    # Imported here so that --help of every command answers at once.
    from daemon.commands.log_output import log_to_terminal
    from daemon.stage.control_transport import first_controls
    from daemon.stage.initial_values import initial_notices, initial_values, restored_look, with_sources
    from daemon.stage.preset_library import open_library
    from daemon.stage.recording_names import controls_path
    from daemon.stage.stage import Stage
    from daemon.stage.state_file import StateFile, default_state_path
    from presets.set_list import read_set_list

    _take_resources()
    log_to_terminal(verbose)
    library = open_library(presets, processors)
    state_path = state or default_state_path()
    own = {"PRESET": preset, "--size": size, "--fresh": fresh, "--play-controls": play_controls, "--locked": locked}
    first = backups.joined(backup, backup_key, backup_after, control, own)
    opened = opening.opened(allow_folder, allow_destination)
    restored = {} if fresh or first else StateFile(state_path).restore()
    controls = first_controls(play_controls, loop_controls)
    kept = {**restored, **(controls.first_values() if controls else {}), **backups.kept(first, library, opened)}
    values = initial_values(library, kept, preset, parse_size(size) if size else None)
    ports = _ports(opened, osc, osc_tcp, osc_allow, control, web, web_token, state_path)
    ports = replace(ports, osc_feedback=_addresses(osc_feedback), link=link, webrtc=webrtc)
    settings = replace(
        _output(_control_settings(ports, osc_aliases, midi, midi_map, dmx, dmx_host, audio), output_size, fps, values),
        sinks=tuple(sink or () if first else sink or Settings().sinks),
        cues=read_set_list(set_list, library) if set_list else (),
        set_list=set_list,
        recordings=recordings,
        record_controls=controls_path(str(record_controls)) if record_controls else None,
        play_controls=controls,
        loop_controls=loop_controls,
        state=state_path,
        safe_picture=safe_picture,
        processors=processors,
        threads=threads,
        gpu_share=gpu_share,
        text_encoder=text_encoder,
        **machine.renderer_settings(renderers, cluster, understudy),
        skip_memory_check=skip_memory_check,
    )
    settings, notices = with_sources(backups.with_output(settings, first, output_size, fps), source or (), values)
    values |= {**settings.sources, LOCK: locked or bool(values[LOCK])}
    notices += [] if first else initial_notices(restored, values)
    stage = Stage(backups.paired(settings, first), library, values, notices=notices, first=first)
    look = restored_look(restored, preset) if controls is None else []
    _play(stage, [*look, *notices], open_page)


def _take_resources() -> None:
    """Raise the limit of open files, and the priority. Raises `SettingsError` if the system allows too little."""
    if problem := shortage(SHOW_FILES, SHOW_ADDRESS_SPACE):
        raise SettingsError(problem)
    raise_file_limit()
    raise_priority()


def _ports(
    opened: Settings,
    osc: str,
    osc_tcp: str,
    osc_allow: list[str] | None,
    control: str,
    web: str,
    token: str | None,
    state: Path,
) -> Settings:
    """Return the settings with these addresses to listen on. Raises `SettingsError`."""
    from daemon.stage.page_token import page_token
    from io_bridges.osc.admission import read_networks

    page = parse_address(web)
    return replace(
        opened,
        osc=parse_address(osc),
        osc_tcp=parse_address(osc_tcp),
        osc_allow=read_networks(osc_allow or ()),
        control=zmq_endpoint(control),
        web=page,
        web_token=page_token(page.host, state.with_name("page-token"), token) if page else "",
    )


def _output(settings: Settings, size: str | None, fps: str | None, values: "Mapping[str, Value]") -> Settings:
    """Return the settings with the size and the rate of the output, by default the drawn size at 30 Hz."""
    drawn = int(values["/width"]), int(values["/height"])
    rate, follow_source = parse_output_rate(fps or f"{FIRST_RATE:g}")
    return replace(settings, output_size=parse_size(size) if size else drawn, fps=rate, follow_source=follow_source)


def _addresses(texts: list[str] | None) -> tuple[Address, ...]:
    return tuple(address for text in texts or [] if (address := parse_address(text)))


def _control_settings(
    ports: Settings,
    osc_aliases: list[str] | None,
    midi: list[str] | None,
    midi_map: Path | None,
    dmx: Path | None,
    dmx_host: str,
    audio: str | None,
) -> Settings:
    """Return settings with these inputs of control. Raises `StreamflowError` for a file or an address that is wrong."""
    from io_bridges.audio.listener import AudioSource
    from presets.address_aliases import read_alias_tables
    from presets.dmx_file import read_dmx_setup
    from presets.midi_file import read_midi_setup

    return replace(
        ports,
        osc_aliases=read_alias_tables(osc_aliases or ()),
        midi=read_midi_setup(midi or (), midi_map),
        dmx=read_dmx_setup(dmx, dmx_host),
        audio=AudioSource.read(audio) if audio else None,
    )


def _play(stage: "Stage", notices: "Sequence[Notice]", open_page: bool) -> None:
    """Run the stage until a signal asks for its end."""
    from daemon.commands.page_invitation import page_urls, print_invitation, protections
    from daemon.stage.notices import log_notices
    from daemon.stage.show_lock import LockedEnd
    from io_bridges.local_network import ANY_HOST

    stop = stop_on_signals(LockedEnd(lambda: bool(stage.store.value(LOCK)), logging.getLogger("stage").warning).goes_on)
    try:
        stage.start()
    except StreamflowError:
        stage.pair.end()  # the first show must not count on a backup that did not start
        raise
    try:
        for line in stage.where():
            logging.getLogger("stage").info(line)
        for line in protections(stage.settings):
            logging.getLogger("stage").warning(line)
        log_notices(notices)
        web, token = stage.settings.web, stage.settings.web_token
        if web is not None and token:
            print_invitation(page_urls(web.host, web.port, token))
        if open_page and web is not None and has_screen():
            host = "127.0.0.1" if web.host in ANY_HOST else web.host
            webbrowser.open(f"http://{replace(web, host=host)}/" + (f"?token={token}" if token else ""))
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
