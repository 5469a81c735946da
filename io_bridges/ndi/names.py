"""Names of NDI senders: ``MACHINE (name)``, found on the network, matched with what a user wrote.

This package needs the extra ``ndi``. cyndilib is MIT-licensed and carries the NDI runtime
of Vizrt NDI AB, which has a licence of its own (https://ndi.video).
"""

import html
import time
from collections.abc import Sequence

from cyndilib.finder import Finder

from io_bridges.scheme import write_uri

_SEARCH_SECONDS = 3.0
_POLL_SECONDS = 0.1


def available() -> list[str]:
    """Return the URIs of the senders heard within three seconds, by name."""
    finder = Finder()
    deadline = time.monotonic() + _SEARCH_SECONDS
    while time.monotonic() < deadline:
        finder.update_sources()
        time.sleep(_POLL_SECONDS)
    return [write_uri("ndi", name) for name in sorted(set(map(plain_name, finder.update_sources())))]


def plain_name(name: str) -> str:
    """Return a sender's name as it was given. One found by its address, not by mDNS, comes escaped for XML."""
    return html.unescape(name)


def match_sender(wanted: str, names: Sequence[str]) -> str | None:
    """Return the sender that `wanted` names, or None.

    `wanted` is a full name, ``MACHINE (name)``, or the name alone. A full name goes before a short one, the exact
    spelling before another case, and of several machines the first in the alphabet.
    """
    exact, folded = plain_name(wanted), plain_name(wanted).casefold()
    ordered = sorted(names)
    for key, same in (
        (lambda name: name, exact),
        (_short, exact),
        (str.casefold, folded),
        (lambda name: _short(name).casefold(), folded),
    ):
        for name in ordered:
            if key(plain_name(name)) == same:
                return name
    return None


def _short(name: str) -> str:
    return name.partition(" (")[2].removesuffix(")")
