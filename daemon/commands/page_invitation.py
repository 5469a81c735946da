"""What `run` prints about a page that is open to a network: its addresses with the token, and one as a QR code.

It goes to the terminal alone, never to the log: the page shows the log.
"""

import io
import sys
import threading
from collections.abc import Sequence

import segno

from io_bridges.local_network import reachable_addresses


def page_urls(host: str, port: int, token: str) -> list[str]:
    """Return the addresses with the token at which other machines open the page."""
    hosts = [f"[{each}]" if ":" in each else each for each in reachable_addresses(host)]
    return [f"http://{each}:{port}/?token={token}" for each in hosts]


def invitation(urls: Sequence[str], with_code: bool) -> str:
    """Return the lines about these addresses. The first one is the QR code."""
    if not urls:
        return "The page is open to the network, but this machine is on none.\n"
    lines = [
        "The page is open to the network, with this token:",
        *(f"  {url}" for url in urls),
        "Who has it controls the show. It is sent unencrypted, so use a network of the show's own.",
    ]
    code = io.StringIO()
    if with_code:
        segno.make(urls[0], error="l").terminal(code, border=2, compact=True)
    return "\n".join(lines) + f"\n{code.getvalue()}"


def print_invitation(urls: Sequence[str]) -> None:
    """Print the lines on standard error, with the code if it is a terminal. A blocked terminal holds nothing up."""

    def write() -> None:
        sys.stderr.write(invitation(urls, sys.stderr.isatty()))
        sys.stderr.flush()

    threading.Thread(target=write, name="invitation", daemon=True).start()
