"""`Guard`: refuses requests of other sites to the web server, and requests under a rebound name.

A browser lets any site send requests to 127.0.0.1, and DNS rebinding lets it read the replies. Therefore the Host
header of every request must name this server, and an Origin header must name the page it served. There is no CORS.
"""

import ipaddress
import re
import socket
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::([0-9]{1,5}))?")


class Hosts:
    """The host names that mean this server."""

    def __init__(self, host: str, port: int) -> None:
        self.port = port
        self._any_address = host in {"", "0.0.0.0", "::"}
        self._names = {*_LOOPBACK, f"[{host}]" if ":" in host else host.lower()}
        if host not in {"localhost", "127.0.0.1", "::1"}:  # reachable over the network, also by the name of the machine
            name = socket.gethostname().lower()
            self._names |= {name, f"{name}.local"}

    def includes(self, header: str) -> bool:
        """Return True if a Host header (``name:port``) names this server."""
        match = _HOST.fullmatch(header.lower())
        if match is None or int(match[2] or 80) != self.port:
            return False
        # Only a name can be rebound, so a server on every address accepts every literal address.
        return match[1] in self._names or (self._any_address and _is_address(match[1]))


class Guard:
    """ASGI middleware that refuses foreign hosts and origins with 403 and adds security headers to each response."""

    def __init__(self, app: ASGIApp, hosts: Hosts, refused: Callable[[str, str], None]) -> None:
        """`refused` is called with the client's address and the reason."""
        self._app = app
        self._hosts = hosts
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        reason = self._reason(host, headers.get("origin"))
        if reason:
            client = scope.get("client")
            self._refused(client[0] if client else "", reason)
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})  # before the accept, the client gets a 403
            else:
                await JSONResponse({"error": reason}, status_code=403)(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_security_headers(host))
            await send(message)

        await self._app(scope, receive, send_guarded)

    def _reason(self, host: str, origin: str | None) -> str:
        if not self._hosts.includes(host):
            return f"{host[:100]!r} is not a name of this server. Use the address that it printed."
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            return f"Pages of {origin[:100]!r} may not use this server."
        return ""


def _security_headers(host: str) -> dict[str, str]:
    return {
        # Safari before 15.4 does not include ws: in 'self'.
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
