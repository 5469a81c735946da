"""The token of a page that is open to a network, which is kept in the state folder."""

import re
import secrets
from pathlib import Path

from io_bridges.local_network import is_loopback
from presets.atomic_write import write_atomically
from presets.errors import SettingsError

NEW = "new"
"""Word in place of a token that has another one made."""

_FORM = re.compile(r"[A-Za-z0-9._~-]{12,100}")
_MOST_BYTES = 1024


def page_token(host: str, file: Path, given: str | None) -> str:
    """Return the token of a page on this host; empty on loopback, which needs none.

    Args:
        host: Address that the page listens on.
        file: File that keeps the token, which only this user can read.
        given: Token that the user chose, `NEW`, or None for the one that is kept. Without one it is made.

    Raises:
        SettingsError: `given` can't be a token, or the file can't be written.
    """
    if is_loopback(host):
        return ""
    if given and given != NEW:
        if not _FORM.fullmatch(given):
            raise SettingsError("--web-token takes 12 to 100 letters, digits and . _ ~ -, or the word new")
        token = given
    else:
        kept = "" if given == NEW else _read(file)
        token = kept or secrets.token_urlsafe(18)
    try:
        if token != _read(file):
            write_atomically(file, f"{token}\n".encode(), private=True)
    except OSError as error:
        raise SettingsError(f"{file}: the token of the page can't be kept: {error.strerror or error}") from error
    return token


def _read(file: Path) -> str:
    """Return the token that is kept; empty if there is none that can be used."""
    try:
        with file.open("rb") as kept:
            text = kept.read(_MOST_BYTES).decode("ascii", "replace").strip()
    except OSError:
        return ""
    return text if _FORM.fullmatch(text) else ""
