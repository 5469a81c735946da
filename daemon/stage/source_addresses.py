"""`SourceAddresses`: which sources a show wants, by URI with password, and which come back after a preset's own."""

from collections.abc import Mapping

from presets.parameter_table import PARAMETERS, Value

SOURCES = ("/source", "/source2")
"""Addresses of the sources. A change of one opens another source."""


class SourceAddresses:
    """The URIs of the sources by address."""

    def __init__(self, start: Mapping[str, Value], of_preset: Mapping[str, Value]) -> None:
        """Take the URIs of `start`. A source that the preset's values `of_preset` name gives way to the default."""
        self._uris = {address: str(start[address]) for address in SOURCES}
        self._before_presets = {
            address: str(PARAMETERS[address].default) for address in SOURCES if of_preset.get(address) == start[address]
        }
        """URIs to bring back when a preset names none, by address, while that of a preset is wanted."""

    def uri(self, address: str) -> str:
        """Return the URI of a source with its password."""
        return self._uris[address]

    def all(self) -> dict[str, str]:
        """Return the URIs of all sources with their passwords, by address."""
        return dict(self._uris)

    def take(self, address: str, uri: str) -> None:
        """Keep the URI that is on air."""
        self._uris[address] = uri

    def choose(self, address: str) -> None:
        """Note that a source is chosen by hand: no other comes back after it."""
        self._before_presets.pop(address, None)

    def wanted_by(self, values: Mapping[str, Value]) -> dict[str, str | None]:
        """Return the URI that a preset with these values wants at each address; None to leave what is on air."""
        wanted: dict[str, str | None] = {}
        for address in SOURCES:
            if address in values:
                self._before_presets.setdefault(address, self._uris[address])
                wanted[address] = str(values[address])
            else:
                wanted[address] = self._before_presets.pop(address, None)
        return wanted
