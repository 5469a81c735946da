"""`Settings`: addresses, sizes, rates and folders that stay fixed during a show. Everything live is a parameter."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.cluster.address import ClusterAddress
from daemon.stage.opened_destinations import AllowedDestination
from io_bridges import scheme_options, uri
from io_bridges.audio.listener import AudioSource
from io_bridges.claims import PlaceTaken
from io_bridges.frames import LONGEST_SIDE
from io_bridges.local_network import is_host, is_loopback
from io_bridges.osc.admission import Network
from io_bridges.rates import exact_rate, parse_rate
from presets.address_aliases import AliasTable
from presets.build import TextEncoderRule, UnderstudyMode
from presets.control_file import RecordedControls
from presets.dmx_file import DmxSetup
from presets.errors import SettingsError
from presets.midi_file import MidiSetup
from presets.set_list import Cue

FIRST_RATE = 30.0
"""Rate of the output if none is given, and until that of the source is known."""

MOST_PIXELS = LONGEST_SIDE * LONGEST_SIDE
"""Pixels of all sinks together, beyond which none is added. Eight sinks of 3840x2160 fit.

Each sink holds several pictures, so that sixteen of the largest would take more memory than most machines have.
"""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one show. Every port is on loopback by default."""

    source: str = "card:"
    source_must_open: bool = True
    """True if the show must not start without its source. Otherwise it is tried again until it opens."""
    source2: str = ""
    """Second source, which lies over the first one; empty for none."""
    source2_must_open: bool = False
    """True if the show must not start without its second source."""
    sinks: tuple[str, ...] = ("zmq:tcp://127.0.0.1:5556",)
    held_sinks: tuple[str, ...] = ()
    """Sinks that stay closed until the show, which is one of two, goes on air."""
    asks_backup: bool = False
    """True if the show starts off air, and asks its backup first whether that is on air."""
    output_size: tuple[int, int] = (256, 256)
    """Width and height in pixels, constant during a show: Resolume binds a clip by name and size."""
    fps: float = FIRST_RATE
    """Rate of the output, or its first one if it follows the source."""
    follow_source: bool = False
    """True if the output takes the rate of the first source."""
    osc: Address | None = field(default_factory=lambda: Address("127.0.0.1", 9000))
    osc_feedback: tuple[Address, ...] = ()
    osc_tcp: Address | None = None
    """Host and port of OSC over TCP; None for none."""
    osc_allow: tuple[Network, ...] = ()
    """Networks that OSC and OSCQuery hear beyond this machine."""
    osc_aliases: AliasTable = field(default_factory=AliasTable)
    """Addresses of other programs that OSC control understands too."""
    midi: MidiSetup | None = None
    """MIDI devices and their mapping; None for none."""
    dmx: DmxSetup | None = None
    """DMX channels and the address that they come to; None for none."""
    link: bool = False
    """True to share the tempo by Ableton Link."""
    audio: AudioSource | None = None
    """Sound that moves numbers; None for none."""
    control: str | None = "tcp://127.0.0.1:5557"
    web: Address | None = field(default_factory=lambda: Address("127.0.0.1", 8090))
    web_token: str = ""
    """Token of the page, which it needs beyond loopback; empty for none."""
    webrtc: bool = True
    """True if the page may get the preview over WebRTC."""
    cues: tuple[Cue, ...] = ()
    set_list: Path | None = None
    """File that the cues were read from, which is read again when it is saved; None for none."""
    """Set list of the show; empty for none."""
    recordings: Path | None = None
    """Folder of the recorded controls that surfaces name; None takes that of the two below, or else the user's."""
    record_controls: Path | None = None
    """File that the controls are recorded to from the start."""
    play_controls: RecordedControls | None = None
    """Recorded controls that play from the start."""
    loop_controls: bool = False
    """True if they play in a loop."""
    allow_folders: tuple[Path, ...] = ()
    """Folders in which messages may have the show read and write."""
    allow_destinations: tuple[AllowedDestination, ...] = ()
    """Hosts and NDI senders that messages may have the show reach."""
    state: Path | None = None
    safe_picture: Path | None = None
    processors: Path | None = None
    """Folder of the user's processors; None takes the one in the configuration."""
    threads: int | None = None
    """Threads of the renderer on a CPU; None leaves the number to the accelerator."""
    gpu_share: float | None = None
    """Share of the device's memory and time for the renderer, above 0; None is all of it."""
    text_encoder: TextEncoderRule = "auto"
    """Rule for a large text encoder in main memory once its texts are encoded."""
    renderers: int = 1
    """Renderers that draw at once."""
    cluster: ClusterAddress | None = None
    """Ray cluster that they run on; None for this machine."""
    understudy: UnderstudyMode = "auto"
    """Rule for a second renderer that waits to take the place of the one on air."""
    skip_memory_check: bool = False
    """True if a model is loaded even where the memory seems to be too short for it."""

    def __post_init__(self) -> None:
        """Raise `SettingsError` for sources and sinks that can't play together."""
        if self.web is not None and not self.web_token and not is_loopback(self.web.host):
            raise SettingsError(f"--web {self.web}: a page that is open to a network needs a token")
        for option, address in ("--osc", self.osc), ("--osc-tcp", self.osc_tcp):
            if address is not None and not self.osc_allow and not is_loopback(address.host):
                raise SettingsError(
                    f"{option} {address} is open to a network. Say who is heard there, as in --osc-allow 192.168.1.0/24"
                )
        self.check_bridges(self.source, self.source2, self.sinks)
        self.check_bridges(self.source2, "", self.sinks)

    @property
    def renderer_count(self) -> dict[str, Any]:
        """Renderers that draw at once, and the rule for an understudy: several need none, unless it is asked for."""
        is_spare = self.renderers > 1 and self.understudy == "auto"
        understudy = "off" if is_spare else self.understudy
        return {"renderers": self.renderers, "understudy": understudy, "cluster": self.cluster}

    @property
    def link_host(self) -> str:
        """Address of this machine for renderers on others; empty if there are none. Raises `SettingsError`."""
        return "" if self.cluster is None else self.cluster.own_host()

    @property
    def sources(self) -> dict[str, str]:
        """Both sources by the address of their parameter."""
        return {"/source": self.source, "/source2": self.source2}

    def check_bridges(self, source: str, other: str, sinks: Sequence[str]) -> None:
        """Raise `SettingsError` if a URI is not valid, or two bridges claim the same port, file or folder.

        A sink cannot be faster than the show.

        Args:
            source: A source of the show; empty for none.
            other: The other source; empty for none.
            sinks: All sinks.
        """
        if not source:
            return
        if other and uri.share_a_place(source, other):
            raise SettingsError(f"{source} and {other} can't be open at once: give each source an input of its own")
        listeners = {"--control": self.control, "--web": self.web and f"tcp://{self.web}"}
        uri.refuse_duplicates(source, sinks, {name: each for name, each in listeners.items() if each})
        for sink in sinks:
            self.check_sink(sink)

    def check_source(self, source: str, other: str, sinks: Sequence[str]) -> None:
        """Raise `SettingsError` as `check_bridges` does for a source that is asked for during the show.

        It reads no disk, so it returns at once.
        """
        try:
            self.check_bridges(source, other, [sink for sink in sinks if uri.binds_a_port(sink)])
        except PlaceTaken as taken:
            raise taken.for_request("--source", lambda uri: "the sink") from taken

    def check_sink(self, sink: str) -> None:
        """Raise `SettingsError` for a sink that is not valid, or faster than the show."""
        rate = uri.sink_rate(sink)
        if rate is not None and not self.follow_source and exact_rate(rate) > exact_rate(self.fps):
            raise SettingsError(f"{sink!r}: fps is at most the show's rate of {self.fps:g} (--fps), not {rate:g}")

    def check_pixels(self, sinks: Sequence[str]) -> None:
        """Raise `SettingsError` if the sinks are too large together. The last one is that which is added."""
        sizes = [uri.sink_size(sink) or self.output_size for sink in sinks]
        pixels = sum(width * height for width, height in sizes)
        if pixels > MOST_PIXELS:
            raise SettingsError(
                f"{sinks[-1]!r}: the sinks would have {pixels / 1e6:.0f} million pixels together; "
                f"the limit is {MOST_PIXELS / 1e6:.0f}. Give it a smaller ?size=, or remove another one"
            )


def parse_size(text: str) -> tuple[int, int]:
    """Return (640, 480) for ``640x480``. Raises `SettingsError`."""
    try:
        return scheme_options.parse_size(text)
    except ValueError as error:
        raise SettingsError(f"a size is {error}; {text!r} was given") from error


def parse_output_rate(text: str) -> tuple[float, bool]:
    """Return `Settings.fps` and `Settings.follow_source` for ``25``, ``30000/1001`` or ``source``.

    Raises `SettingsError`.
    """
    if text.strip().lower() == "source":
        return FIRST_RATE, True
    try:
        return parse_rate(text), False
    except ValueError as error:
        raise SettingsError(f"--fps takes {error}, such as 25, 29.97 or 30000/1001, or source; not {text!r}") from error


def parse_address(text: str) -> Address | None:
    """Return the address of ``9000`` (on loopback) or ``0.0.0.0:9000``; None for ``off``. Raises `SettingsError`."""
    if text.lower() == "off":
        return None
    host, _, port = text.rpartition(":")
    plain = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if port.isascii() and port.isdigit() and int(port) <= 65535 and is_host(plain):
        return Address(plain or "127.0.0.1", int(port))
    raise SettingsError(f"a port, HOST:PORT or 'off' is expected; {text!r} was given")


def zmq_endpoint(text: str) -> str | None:
    """Return the ZeroMQ endpoint of ``5557`` (on loopback) or ``0.0.0.0:5557``; None for ``off``.

    Raises `SettingsError`.
    """
    address = parse_address(text)
    return None if address is None else uri.parse_endpoint(str(address))
