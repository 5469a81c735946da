"""`Scheme` declares one kind of source or sink. The rows are in `io_bridges.schemes` and `io_bridges.sink_schemes`."""

import re
import sys
from dataclasses import dataclass
from typing import Literal

from io_bridges.lazy_imports import missing_extra

Kind = Literal["source", "sink"]

System = Literal["linux", "win32", "darwin"]

Location = Literal["none", "path", "bind", "connect", "name", "device", "url"]
"""None, a file or folder, a ZeroMQ endpoint to bind or to connect to, a sender's name, a device, or a network address.

Two sinks of one show cannot have the same one.
"""

_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]*@")
_SYSTEMS: dict[System, str] = {"linux": "Linux", "win32": "Windows", "darwin": "macOS"}


@dataclass(frozen=True, slots=True)
class Scheme:
    """One kind of source or sink, as it is written on the command line: ``name:location?option=value``."""

    name: str
    """The word before the colon. One name may stand for a source and for a sink, in two rows."""
    kind: Kind
    description: str
    """A phrase for ``doctor`` and the docs."""
    example: str
    """A complete URI. A test makes the bridge from it."""
    target: str
    """The class, as ``module:Class``. The module is imported only when the scheme is used."""
    location: Location
    """The text after the colon."""
    default: str = ""
    """The location if none is written. Without a default a location must be written."""
    unnamed: str = ""
    """Phrase for what an empty name means; empty if a name must be written."""
    choices: tuple[str, ...] = ()
    """All locations that there are; empty if they cannot be listed here."""
    options: tuple[str, ...] = ()
    """Names in `scheme_options.OPTIONS` that the class takes as keyword arguments."""
    package: str = ""
    """Package that the bridge imports and that not every installation has."""
    extra: str = ""
    """The extra of this distribution that installs `package`."""
    title: str = ""
    """Name on the page; empty for `name` with a capital letter."""
    systems: tuple[System, ...] = ()
    """Values of ``sys.platform`` that the bridge runs on; empty for all."""
    python_below: tuple[int, int] | None = None
    """First version of Python for which `package` is not made; None if there is none."""
    finder: str = ""
    """A function, as ``module:available``, that lists what a source can open now; empty for a scheme without a list."""

    is_announced: bool = False
    """True for a name that is found, or announced, on a network."""
    announces_rate: bool = False
    """True for a sink that tells its rate to others. It is opened again when the rate of the output changes."""

    def unavailable(self) -> str:
        """Return why the bridge cannot run here and what to do, or an empty string. Imports nothing."""
        if self.systems and sys.platform not in self.systems:
            names = " and ".join(_SYSTEMS[system] for system in self.systems)
            return f"It runs on {names} only. Use: shm:NAME or zmq:PORT"
        if self.python_below and sys.version_info >= self.python_below:
            newest = f"{self.python_below[0]}.{self.python_below[1] - 1}"
            return f"The package {self.package} is not made for this Python. Use: Python {newest}"
        return missing_extra(self.package, self.extra) if self.package else ""

    def shown_title(self) -> str:
        """Return the name of the scheme for people."""
        return self.title or self.name.capitalize()

    def all_options(self) -> tuple[str, ...]:
        """Return `options`, and for a sink those that the stage applies to what it gets: size, fit, scale and fps."""
        common = ("size", "fit", "scale", "fps") if self.kind == "sink" else ()
        return tuple(dict.fromkeys((*common, *self.options)))


def write_uri(name: str, location: str) -> str:
    """Return the URI of a scheme and a location, which may contain any character."""
    return f"{name}:{location}" + ("?" if "?" in location else "")


def without_password(uri: str) -> str:
    """Return a URI or an address with the password of a network address in it replaced by stars."""
    return _PASSWORD.sub(r"\1:***@", uri)
