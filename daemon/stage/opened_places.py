"""`OpenedPlaces`: the folders, files and destinations on a network that messages to a show may name.

Any page, program or user of this machine reaches a port on loopback, so one rule holds for all wires: a message names
only what the user opened. That is a folder of the command line, of the presets, of the recordings or of the models, a
destination of the command line, or a place in the very words of the command line, of a preset or of the last show.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from daemon.stage.opened_destinations import OpenedDestinations
from daemon.stage.recording_names import recordings_folder
from daemon.stage.settings import Settings
from daemon.stage.source_addresses import SOURCES
from io_bridges.scheme import Kind, without_password
from io_bridges.uri import BridgeUri, parse
from presets.errors import ModelError, SettingsError
from presets.model_store import find_depth_model, find_model, is_built_in, store_folder
from presets.parameter_table import PARAMETERS, Value
from presets.paths import home_path

ADD_SINK = "/sink/add"

FILES = frozenset(
    address
    for address in PARAMETERS
    if address.startswith(("/model", "/engine", "/lora", "/controlnet", "/ip_adapter"))
    and PARAMETERS[address].kind == "text"
)
"""Addresses of the parameters that name a file or a folder."""

_FINDERS = {"/model": find_model, "/controlnet_depth_model": find_depth_model}
"""Functions that look up a name of the models on this disk."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*(?:/[A-Za-z0-9][A-Za-z0-9 ._-]*)?")
_IPC = "ipc://"


class NamedPlace(NamedTuple):
    """A place on the disk that a message names."""

    path: str
    """Text of the path, unchanged."""
    writes: bool = False
    """True if the show would write there."""
    is_name: bool = False
    """True for what may be the name of a model. A folder of the working directory goes before a name."""


def named_place(address: str, text: str) -> NamedPlace | None:
    """Return the place that a value or a sink names; None if it names none. No disk is asked."""
    if address in FILES:
        if not text or (address in _FINDERS and is_built_in(text)):
            return None
        return NamedPlace(text, is_name=address in _FINDERS and _NAME.fullmatch(text) is not None)
    uri = _bridge(address, text)
    kind: Kind = "sink" if address == ADD_SINK else "source"
    if uri is None:
        return None
    if uri.location.startswith(_IPC):
        return NamedPlace(uri.location.removeprefix(_IPC), writes=True)
    return NamedPlace(uri.location, writes=kind == "sink") if uri.scheme.location == "path" else None


def _bridge(address: str, text: str) -> BridgeUri | None:
    """Return the source or the sink that a value names; None if it names none, or one that is not valid."""
    if address not in (*SOURCES, ADD_SINK):
        return None
    try:
        return parse(text, "sink" if address == ADD_SINK else "source")
    except SettingsError:  # it is refused by the one who would open it
        return None


class OpenedPlaces:
    """The places on the disk and on networks that are open to messages. Any thread may call it."""

    def __init__(self, presets: Path, values: Mapping[str, Value]) -> None:
        """Open the folders of presets and models for reading, and what the first `values` by address name."""
        self._readable: list[Path] = []
        self._writable: list[Path] = []
        self._trusted: set[NamedPlace] = set()
        self._destinations = OpenedDestinations()
        self._trusted_bridges: set[tuple[str, str, str]] = set()
        """Kind, scheme and location of the sources and sinks that a file of the user's, or the command line, names."""
        self._read_from(presets, store_folder())
        self.trust(values)

    def open(self, settings: Settings) -> None:
        """Open what the command line names: folders for reading and writing, sources and sinks to the letter."""
        self._read_from(recordings_folder(settings), *settings.allow_folders)
        self._writable += _spellings([recordings_folder(settings), *settings.allow_folders])
        self._destinations.open(settings.allow_destinations)
        for named in (settings.sources, *({ADD_SINK: sink} for sink in settings.sinks)):
            self.trust(named)
        if settings.play_controls is not None:
            self.trust(settings.play_controls.start.values)
            for message in settings.play_controls.messages:
                if message.address in (*SOURCES, ADD_SINK):
                    self.trust({message.address: str(message.arguments[0])})

    def trust(self, values: Mapping[str, Value]) -> None:
        """Let messages name the same places as these values by address, which a file of the user's holds."""
        self._trusted.update(place for key, value in values.items() if (place := named_place(key, str(value))))
        for address, value in values.items():
            # A surface that shows an address sends it back without the password.
            for text in (str(value), without_password(str(value))):
                if (bridge := _bridge(address, text)) is not None:
                    self._trusted_bridges.add(_words(bridge))

    def check(self, address: str, text: str) -> None:
        """Refuse a value or a sink that names a place outside, as it is spelled. It asks no disk and no network.

        Raises:
            SettingsError: The sentence says how to open the place.
        """
        bridge = _bridge(address, text)
        if bridge is not None and _words(bridge) not in self._trusted_bridges:
            self._destinations.check(bridge)
        place = named_place(address, text)
        if place is None or place.is_name or place in self._trusted:
            return
        path = _absolute(place.path)
        if ".." in home_path(place.path).parts or path is None or not self._holds(path, place.writes):
            raise SettingsError(_closed(place))

    def check_on_disk(self, address: str, text: str) -> None:
        """Refuse a value or a sink that leads outside through a symbolic link. The disk may hang.

        Raises:
            SettingsError: The sentence says how to open the place.
        """
        place = named_place(address, text)
        if place is None or place in self._trusted:
            return
        try:
            path = _FINDERS[address](text) if place.is_name else home_path(place.path)
            real = Path(os.path.realpath(path))
        except ModelError:  # the renderer says that there is none
            return
        except (OSError, ValueError):
            real = None
        if real is None or not self._holds(real, place.writes):
            raise SettingsError(_closed(place))

    def needs_disk(self, address: str, text: str) -> bool:
        """Return True if only the disk can tell whether a value of `FILES` is open."""
        place = named_place(address, text)
        return place is not None and place not in self._trusted

    def _read_from(self, *folders: Path) -> None:
        self._readable += _spellings(folders)

    def _holds(self, path: Path, writes: bool) -> bool:
        return any(path.is_relative_to(folder) for folder in (self._writable if writes else self._readable))


def _words(bridge: BridgeUri) -> tuple[str, str, str]:
    return bridge.scheme.kind, bridge.scheme.name, bridge.location


def allowed_folders(folders: Iterable[Path]) -> tuple[Path, ...]:
    """Return the folders of ``--allow-folder``. Raises `SettingsError` for one that is not there."""
    found = tuple(home_path(str(folder)) for folder in folders)
    for folder in found:
        if not folder.is_dir():
            raise SettingsError(f"--allow-folder {folder}: there is no such folder")
    return found


def _spellings(folders: Iterable[Path]) -> list[Path]:
    """Return each folder as it is written and as the disk has it."""
    found = [home_path(str(folder)) for folder in folders]
    return [Path(spelling(folder)) for folder in found for spelling in (os.path.abspath, os.path.realpath)]


def _absolute(text: str) -> Path | None:
    """Return an absolute path without asking the disk; None for a text that no path can have."""
    return None if "\0" in text else Path(os.path.abspath(home_path(text)))  # noqa: PTH100


def _closed(place: NamedPlace) -> str:
    does = "write to" if place.writes else "read"
    folder = Path(place.path).parent
    return (
        f"a message may not make the show {does} {place.path[:200]}: it is outside of the folders that are open. "
        f"Start the show with --allow-folder {str(folder)[:200]} to open that one"
    )
