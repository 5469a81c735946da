"""`WebControl`: the page as a control surface, served by Starlette and uvicorn in the thread that calls `serve`."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator

import uvicorn

from io_bridges.local_network import is_loopback
from io_bridges.oscquery.announcement import Announcement
from io_bridges.show_control import ShowControl
from io_bridges.web.app import WebApp
from io_bridges.web.connections import BoundedConnection, QuietWebSocket
from io_bridges.web.json_messages import LONGEST_MESSAGE
from io_bridges.web.page_content import PageFeeds
from io_bridges.web.preview import WebPreview
from io_bridges.web.security import Hosts
from presets.errors import BridgeUnavailable

CLOSING_TIME = 1.0
"""Seconds for open connections to end when the server stops. Those still open are aborted."""


class WebControl:
    """Implements `io_bridges.bridges.Control`. `preview` is the sink whose pictures the page shows."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8090,
        *,
        preview: WebPreview | None = None,
        webrtc: bool = True,
        feeds: PageFeeds = PageFeeds(),
        token: str = "",
        osc_hears: Callable[[str], bool] = is_loopback,
    ) -> None:
        """Create it with its port and what it shows.

        Args:
            host: Address to listen on.
            port: Port to listen on; 0 takes a free one.
            preview: Sink whose pictures the page shows.
            webrtc: False if the page gets the preview as JPEGs alone.
            feeds: Functions that return what else the page shows.
            token: Token that every request needs; empty for none.
            osc_hears: Returns True for the address of an OSCQuery client that needs no token.
        """
        self.preview = preview or WebPreview()
        self._host = host
        self._port = port
        self._webrtc = webrtc
        self._feeds = feeds
        self._token, self._osc_hears = token, osc_hears
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._app: WebApp | None = None
        self._announcement: Announcement | None = None

    @property
    def url(self) -> str:
        """Address of the page for a browser on this machine. After `open` it has the port that was taken."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}/"

    def open(self, show: ShowControl) -> None:
        """Bind and listen. Requests wait until `serve` runs. Raises `BridgeUnavailable`, which names the port."""
        self._socket = self._bind()
        self._port = self._socket.getsockname()[1]
        self._app = WebApp(show, self.preview, self._feeds, self._webrtc)
        config = uvicorn.Config(
            self._app.asgi(Hosts(self._host, self._port), self._token, self._osc_hears),
            loop="asyncio",
            http=BoundedConnection,
            ws=QuietWebSocket,
            ws_max_size=LONGEST_MESSAGE,
            ws_ping_interval=10.0,
            ws_ping_timeout=10.0,
            ws_per_message_deflate=False,  # JPEGs cannot be compressed further
            lifespan="off",
            log_config=None,
            log_level="error",  # a warning would be logged for each malformed request
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=10,  # never reached: connections are aborted before
            backlog=64,  # connections accepted in one turn, before any can be aborted
        )
        self._server = _Server(config)
        if not is_loopback(self._host):
            self._announcement = Announcement(self._host, self._port, show.status())
            self._announcement.start()

    def serve(self) -> None:
        """Serve until `stop` is called. Installs no signal handlers."""
        if self._server is not None and self._socket is not None:
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Make `serve` return within about a second. Called from any thread, also before `serve`."""
        if self._server is not None:
            self._server.should_exit = True

    def close(self) -> None:
        """Release the port. May be called twice."""
        if self._socket is not None:
            self._socket.close()
        if self._announcement is not None:
            self._announcement.close()
        if self._app is not None:
            self._app.peers.close()
        self._socket = self._server = self._announcement = None

    def status(self) -> dict[str, object]:
        """Return the address and the numbers of open pages, viewers and OSCQuery clients, and of refused requests."""
        app = self._app
        return {
            "kind": "web",
            "url": self.url,
            "pages": app.pages.open if app else 0,
            "viewers": app.viewers.open if app else 0,
            "peers": app.peers.open if app else 0,
            "listeners": app.listeners.open if app else 0,
            "forbidden": app.forbidden if app else 0,
            "limited": app.limited if app else 0,
        }

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            return socket.create_server((self._host, self._port), family=family, backlog=64)
        except OSError as error:
            raise BridgeUnavailable(_sentence(error, self._host, self._port)) from error
        except OverflowError:
            raise BridgeUnavailable(
                f"{self._port} is not a port for the web page. Use 1 to 65535, or 0 for a free one."
            ) from None


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all connections, and abort them after `CLOSING_TIME`: a client that does not read keeps one open."""
        asyncio.get_running_loop().call_later(CLOSING_TIME, self._abort_connections)
        await super().shutdown(sockets)

    def _abort_connections(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _sentence(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} for the web page is in use. Another streamflow-live may be running."
            f" Stop it, or choose another port with --web {port + 1 if port < 65535 else 8090}."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} for the web page needs administrator rights. Choose one above 1023 with --web 8090."
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{host!r} is not an address of this machine. Use 127.0.0.1, or 0.0.0.0 for every address."
    return f"The web page cannot open port {port} on {host!r}: {error}"
