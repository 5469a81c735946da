"""`Claim`: the port, sender's name, file or folder that one bridge of a show takes, and two that take the same."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from io_bridges.scheme import Location
from presets.errors import SettingsError

NOUNS: Mapping[Location, str] = {
    "none": "display",  # Two sinks without a location are windows.
    "path": "path",
    "bind": "address",
    "connect": "address",
    "name": "name",
    "device": "device",
    "url": "address",
}

_ALL_HOSTS = ("*", "0.0.0.0", "[::]")


class Claim(NamedTuple):
    """One place that a show takes."""

    use: Location
    place: str
    """The location in the one spelling that all its spellings have."""
    option: str
    """``--source``, ``--sink``, or the option of a port that the show listens on."""
    text: str
    """The location or URI as the user wrote it."""

    @property
    def written(self) -> str:
        """The option with its value."""
        return f"{self.option} {self.text}"


class PlaceTaken(SettingsError):
    """Two bridges of one show claim the same place."""

    def __init__(self, first: Claim, second: Claim) -> None:
        """Take both claims, in the order of the command line."""
        self.first = first
        self.second = second
        noun = NOUNS[first.use]
        super().__init__(
            f"{first.written} and {second.written} are the same {noun} ({first.place}). "
            f"Leave one out, or give it another {'port' if first.use in ('bind', 'connect') else noun}"
        )

    def for_request(self, option: str, name_of: Callable[[str], str]) -> SettingsError:
        """Return the refusal of a bridge that was asked for during a show.

        Args:
            option: ``--source`` or ``--sink``: the kind of the bridge that was asked for.
            name_of: Returns the name of the sink with a URI, such as ``sink 2``.
        """
        asked, holder = (self.second, self.first) if self.second.option == option else (self.first, self.second)
        names = {"--sink": name_of(holder.text), "--source": "the source"}
        name = names.get(holder.option, holder.option)
        if (asked.option, asked.text) == (holder.option, holder.text):
            return SettingsError(f"{asked.text} is there already: it is {name}")
        return SettingsError(f"{asked.text}: {name} ({holder.text}) has the same {NOUNS[asked.use]} already")


def same_place(one: str, other: str) -> bool:
    """Return True if two places are the same. An endpoint on all hosts includes that of each host."""
    if not (one.startswith("tcp://") and other.startswith("tcp://")):
        return one == other
    hosts, ports = zip(*(each.removeprefix("tcp://").rpartition(":")[::2] for each in (one, other)), strict=True)
    if ports[0] != ports[1] or ports[0] in ("*", "0"):  # The system chooses a free port for each of these.
        return False
    return hosts[0] == hosts[1] or any(host in _ALL_HOSTS for host in hosts)
