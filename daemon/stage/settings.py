"""`Settings`: what is fixed for an evening: addresses, sizes, rates, folders. What a performer turns is a parameter."""

from dataclasses import dataclass, field
from pathlib import Path

from io_bridges import schemes, uri
from presets.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """The show's fixed points. Everything listens on loopback unless an address says otherwise."""

    source: str = "card:"
    sinks: tuple[str, ...] = ("zmq:tcp://127.0.0.1:5556",)
    output_size: tuple[int, int] = (256, 256)
    """Width and height in pixels, constant all evening: Resolume binds a clip by name and size."""
    fps: float = 30.0
    osc: Address | None = field(default_factory=lambda: Address("127.0.0.1", 9000))
    osc_feedback: tuple[Address, ...] = ()
    control: str | None = "tcp://127.0.0.1:5557"
    web: Address | None = field(default_factory=lambda: Address("127.0.0.1", 8090))
    state: Path | None = None
    safe_picture: Path | None = None
    threads: int | None = None
    """Of the renderer's on a CPU; None leaves it to the accelerator."""
    gpu_share: float | None = None
    """How much of the device's memory and time the renderer may take, above 0; None is all of it."""

    def __post_init__(self) -> None:
        """Raise `SettingsError` if two bridges claim the same port, file or folder."""
        listeners = {"--control": self.control, "--web": self.web and f"tcp://{self.web}"}
        uri.refuse_duplicates(self.source, self.sinks, {name: each for name, each in listeners.items() if each})


def parse_size(text: str) -> tuple[int, int]:
    """``640x480`` to (640, 480)."""
    try:
        return schemes.parse_size(text)
    except ValueError as error:
        raise SettingsError(f"a size is {error}; {text!r} stands there") from error


def parse_address(text: str) -> Address | None:
    """``9000`` (loopback), ``0.0.0.0:9000`` or ``off`` (None)."""
    if text.lower() == "off":
        return None
    host, _, port = text.rpartition(":")
    if port.isascii() and port.isdigit() and int(port) <= 65535:
        return Address(host.strip("[]") or "127.0.0.1", int(port))
    raise SettingsError(f"a port, HOST:PORT or 'off' is expected; {text!r} stands there")
