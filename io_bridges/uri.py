"""Make sources and sinks from URIs: ``scheme:location?option=value&option=value``.

The options stand after the last ``?``, so a path or name that contains one must end in another: ``file:what?.mp4?``. A
network address may have a query of its own: it ends where options of the scheme begin.
The location is not percent-decoded: it is a path of this machine, a sender's name or a ZeroMQ endpoint.
"""

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from io_bridges.bridges import Sink, Source
from io_bridges.claims import NOUNS, Claim, PlaceTaken, same_place
from io_bridges.framing import BETWEEN_BARS, Framing
from io_bridges.scaling import Scaler
from io_bridges.scheme import Kind, Scheme
from io_bridges.scheme_options import OPTIONS
from io_bridges.schemes import schemes
from presets.errors import BridgeUnavailable, SettingsError
from presets.paths import home_path

_RECORDED_SUFFIXES = frozenset({".mp4", ".mov", ".mkv"})


@dataclass(frozen=True, slots=True)
class BridgeUri:
    """A URI that has been parsed and checked."""

    text: str
    scheme: Scheme
    location: str
    """A path, name or device as it was written, a ZeroMQ endpoint in its full form, or an empty string."""
    options: MappingProxyType[str, Any]
    """Values by option."""


def make_source(uri: str, keep_alpha: bool = False) -> Source:
    """Return the source that a URI names, not opened yet.

    With `keep_alpha` its frames have their alpha, unless the URI says otherwise.
    Raises `SettingsError` for a URI that is not valid, `BridgeUnavailable` for one that cannot run here.
    """
    parsed = parse(uri, "source")
    options = dict(parsed.options)
    if keep_alpha and "alpha" in parsed.scheme.options and "matte" not in options:
        options.setdefault("alpha", "keep")
    return cast(Source, _load(parsed.scheme, parsed.scheme.target)(parsed.location, **options))


def make_sink(uri: str) -> Sink:
    """Return the sink that a URI names, not opened yet. Raises as `make_source` does."""
    parsed = parse(uri, "sink")
    options = {name: value for name, value in parsed.options.items() if name in parsed.scheme.options}
    return cast(Sink, _load(parsed.scheme, parsed.scheme.target)(parsed.location, **options))


def available(scheme: Scheme) -> list[str]:
    """Return the URIs that a scheme with a finder can open now. This takes seconds, and loads native libraries.

    Raises `BridgeUnavailable` for a scheme that cannot run here.
    """
    return cast(list[str], _load(scheme, scheme.finder)())


def source_problem(uri: str) -> str:
    """Return what is wrong with the URI of a source, as a sentence; empty if it is valid. Imports no bridge."""
    try:
        parse(uri, "source")
    except SettingsError as error:
        return str(error)
    return ""


def share_a_place(source: str, other: str) -> bool:
    """Return True if two sources may not be open at once: both bind one port, or open one device or stream."""
    one, two = parse(source, "source"), parse(other, "source")
    places = {one.scheme.location, two.scheme.location}
    return places in ({"bind"}, {"device"}, {"url"}) and same_place(_canonical(one), _canonical(two))


def binds_a_port(sink: str) -> bool:
    """Return True for a sink that binds a port or a socket, which no source can bind too."""
    return parse(sink, "sink").scheme.location == "bind"


def sinks_of_one_kind(sinks: Sequence[str]) -> list[str]:
    """Return the sinks whose location is of the same kind as that of the last one, such as a path or a port."""
    use = parse(sinks[-1], "sink").scheme.location
    return [sink for sink in sinks if parse(sink, "sink").scheme.location == use]


def sink_size(uri: str) -> tuple[int, int] | None:
    """Return the width and height in pixels of a sink's ``?size=``, or None for the size of the output."""
    return parse(uri, "sink").options.get("size")


def sink_framing(uri: str) -> Framing:
    """Return how pictures of another shape fit into a sink, by its ``?fit=``: between bars without one."""
    mode = parse(uri, "sink").options.get("fit")
    return BETWEEN_BARS if mode is None else Framing(mode)


def sink_scaler(uri: str) -> Scaler:
    """Return what scales the pictures of a sink, by its ``?scale=``."""
    return Scaler(parse(uri, "sink").options.get("scale", "auto"))


def sink_rate(uri: str) -> float | None:
    """Return the pictures a second of a sink's ``?fps=``, or None for the rate of the output."""
    return parse(uri, "sink").options.get("fps")


def announces_rate(uri: str) -> bool:
    """Return True for a sink that must be opened again when the rate of the output changes."""
    return parse(uri, "sink").scheme.announces_rate


def parse(uri: str, kind: Kind) -> BridgeUri:
    """Parse a URI and check every part of it. Imports no bridge. Raises `SettingsError`."""
    known = schemes(kind)
    name, _, rest = uri.partition(":")
    scheme = known.get(name.lower())
    if scheme is None:
        meant = _likely_scheme(uri, kind)
        hint = f" Did you mean {meant}:{uri}?" if meant else ""
        names = ", ".join(f"{each}:" for each in known)
        raise SettingsError(f"{uri!r} is not a {kind}. It must start with one of {names}.{hint}")
    location, question, query = rest.rpartition("?")
    if not question or (scheme.location == "url" and not _names_options(query, scheme)):
        location, query = rest, ""
    if location and scheme.location == "none":
        raise SettingsError(f"{uri!r}: {scheme.name}: takes options only, as in {scheme.example}")
    location = location or scheme.default
    if not location and scheme.location != "none" and not scheme.unnamed:
        raise SettingsError(f"{uri!r}: the {NOUNS[scheme.location]} is missing after the colon, as in {scheme.example}")
    if scheme.location in ("bind", "connect"):
        location = parse_endpoint(location)
    if scheme.choices:
        location = location.lower()
        if location not in scheme.choices:
            names = ", ".join(scheme.choices)
            raise SettingsError(f"{uri!r}: there is no {name.lower()} {rest.partition('?')[0]!r}. It is one of {names}")
    return BridgeUri(uri, scheme, location, MappingProxyType(_parse_options(uri, scheme, query)))


def _likely_scheme(text: str, kind: Kind) -> str:
    """Return the scheme that a path without one was probably meant for; empty if it looks like no path.

    The disk is not asked: a control's thread may call this, and a disk may hang.
    """
    suffix = Path(text).suffix.lower()
    if kind == "sink":
        return "record" if suffix in _RECORDED_SUFFIXES else ""
    is_path = "/" in text or os.sep in text or bool(suffix)
    return "file" if is_path and "://" not in text else ""


def parse_endpoint(text: str) -> str:
    """Return the full ZeroMQ endpoint of ``5555``, ``host:5555``, ``tcp://host:5555`` or ``ipc://path``.

    A number alone is a port on loopback. Different spellings of one endpoint give the same text.
    Raises `SettingsError`.
    """
    if text.startswith("ipc://") and len(text) > len("ipc://"):
        return text
    address = text.removeprefix("tcp://")
    if "://" in address:
        raise SettingsError(f"{text!r} is not a ZeroMQ address. Write tcp://host:port or ipc://path")
    host, colon, port = address.rpartition(":")
    if not colon and port.isdigit():
        host = "127.0.0.1"
    if not host or not (port == "*" or (port.isascii() and port.isdigit() and int(port[:6]) <= 65535)):
        raise SettingsError(f"{text!r} is not an address. Write tcp://host:port, as in tcp://127.0.0.1:5555")
    host = host.lower()
    if host == "localhost":  # ZeroMQ binds to numeric addresses only.
        host = "127.0.0.1"
    return f"tcp://{host}:{port if port == '*' else int(port)}"


def refuse_duplicates(source: str, sinks: Sequence[str], listeners: Mapping[str, str] | None = None) -> None:
    """Raise `PlaceTaken` if two bridges of one show claim the same port, receiver, file or folder.

    `listeners` are further TCP endpoints that the show binds, by the option that names each, such as ``--web``.
    """
    claims: list[Claim] = []
    for option, endpoint in (listeners or {}).items():
        claims.append(Claim("bind", parse_endpoint(endpoint), option, endpoint.removeprefix("tcp://")))
    bridges = [parse(uri, "sink") for uri in sinks]
    if (parsed := parse(source, "source")).scheme.location == "bind":
        bridges.insert(0, parsed)
    for bridge in bridges:
        claims.append(Claim(bridge.scheme.location, _canonical(bridge), f"--{bridge.scheme.kind}", bridge.text))
    for number, claim in enumerate(claims):
        for other in claims[:number]:
            if claim.use == other.use and same_place(claim.place, other.place):
                raise PlaceTaken(other, claim)


def _canonical(bridge: BridgeUri) -> str:
    """Return the location such that one file, folder, endpoint or sender has one spelling."""
    if bridge.scheme.location in ("name", "device"):
        return f"{bridge.scheme.name}:{bridge.location}"  # One name may be given to an NDI and to a Spout sender.
    if bridge.scheme.location == "path":
        return os.path.normcase(os.path.realpath(home_path(bridge.location)))
    if bridge.scheme.location == "none":
        return f"{bridge.scheme.name}:{bridge.options.get('display', '')}"
    if bridge.location.startswith("ipc://"):
        # Not the real path: this asks no disk. A socket that a symbolic link leads to is found when it is opened.
        return "ipc://" + os.path.abspath(bridge.location.removeprefix("ipc://"))  # noqa: PTH100
    return bridge.location


def _names_options(query: str, scheme: Scheme) -> bool:
    """Return True if a query holds options of the scheme only. Any other is part of a network address."""
    return all(pair.partition("=")[0] in scheme.all_options() for pair in query.split("&") if pair)


def _parse_options(uri: str, scheme: Scheme, query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        if name not in scheme.all_options():
            known = ", ".join(scheme.all_options()) or "no options"
            raise SettingsError(f"{uri!r}: {scheme.name}: has no option {name!r}. It takes {known}")
        if name in options:
            raise SettingsError(f"{uri!r}: the option {name} is given twice")
        try:
            options[name] = OPTIONS[name](value)
        except ValueError as error:
            raise SettingsError(f"{uri!r}: {name} takes {error}, not {value!r}") from error
    return options


def _load(scheme: Scheme, target: str) -> Callable[..., object]:
    module, _, name = target.partition(":")
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        raise BridgeUnavailable(scheme.unavailable() or f"{scheme.name}: cannot run here: {error}") from error
    return cast(Callable[..., object], getattr(loaded, name))
