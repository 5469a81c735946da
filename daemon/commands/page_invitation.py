"""Lines of `run` about ports that are open to a network: what protects each, and where the page is, with its token.

The token goes to the terminal alone, never to the log: the page shows the log.
"""

import io
import sys
import threading
from collections.abc import Sequence

import segno

from daemon.stage.settings import Settings
from io_bridges.local_network import is_loopback, reachable_addresses
from io_bridges.uri import parse_endpoint
from io_bridges.zmq_keys import is_open


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


def protections(settings: Settings) -> list[str]:
    """Return a sentence for each port but the page's that is open to a network: what protects it, and what does not."""
    heard = ", ".join(map(str, settings.osc_allow))
    lines = [
        f"{name} on {address} hears {heard} and this machine. Addresses can be forged, and nothing is encrypted."
        for name, address in (("OSC", settings.osc), ("OSC over TCP", settings.osc_tcp))
        if address is not None and not is_loopback(address.host)
    ]
    uris = (*settings.sources.values(), *settings.sinks)
    sockets = [settings.control or "", *(uri.partition(":")[2].partition("?")[0] for uri in uris if uri[:4] == "zmq:")]
    return lines + [
        f"ZeroMQ on {address} lets in clients with keys alone, and encrypts everything."
        for address in filter(None, sockets)
        if is_open(parse_endpoint(address))
    ]


def print_invitation(urls: Sequence[str]) -> None:
    """Print the lines on standard error, with the code if it is a terminal. A blocked terminal holds nothing up."""

    def write() -> None:
        sys.stderr.write(invitation(urls, sys.stderr.isatty()))
        sys.stderr.flush()

    threading.Thread(target=write, name="invitation", daemon=True).start()
