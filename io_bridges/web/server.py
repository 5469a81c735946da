"""`WebControl`: the page as a control surface. Starlette on uvicorn, in the one thread that calls `serve`."""

import contextlib
import errno
import socket
from collections.abc import Callable, Iterator

import uvicorn

from io_bridges.show_control import ShowControl
from io_bridges.web.app import WebApp
from io_bridges.web.bounded_connection import BoundedConnection
from io_bridges.web.json_messages import LONGEST_MESSAGE
from io_bridges.web.preview import WebPreview
from io_bridges.web.security import Hosts
from presets.errors import BridgeUnavailable

CLOSING_TIME = 1
"""Seconds that open connections have to end when the server stops."""


class WebControl:
    """Implements `io_bridges.bridges.Control`. The stage writes to `preview`, a sink, what the page shows."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8090,
        *,
        preview: WebPreview | None = None,
        metrics: Callable[[], bytes] | None = None,
    ) -> None:
        """Port 0 takes a free one. `metrics` gives ``/metrics`` its text in Prometheus' format."""
        self.preview = preview or WebPreview()
        self._host = host
        self._port = port
        self._metrics = metrics
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._app: WebApp | None = None

    @property
    def url(self) -> str:
        """Where the page is, as this machine's browser finds it. After `open` port 0 has become the one taken."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}/"

    def open(self, desk: ShowControl) -> None:
        """Bind and listen; pages are answered once `serve` runs. Raises `BridgeUnavailable` naming the port."""
        self._socket = self._bind()
        self._port = self._socket.getsockname()[1]
        self._app = WebApp(desk, self.preview, self._metrics)
        config = uvicorn.Config(
            self._app.asgi(Hosts(self._host, self._port)),
            loop="asyncio",
            http=BoundedConnection,
            ws="auto",
            ws_max_size=LONGEST_MESSAGE,
            ws_ping_interval=10.0,
            ws_ping_timeout=10.0,
            ws_per_message_deflate=False,  # JPEGs do not shrink
            lifespan="off",
            log_config=None,
            log_level="error",  # else every malformed request from the network is a line in the log
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=CLOSING_TIME,
            backlog=64,  # so many are accepted at once before any of them can be turned away
        )
        self._server = _Server(config)

    def serve(self) -> None:
        """Answer until `stop`; takes no signals, they are the daemon's."""
        if self._server is not None and self._socket is not None:
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Make `serve` return within about a second; from any thread, also before `serve`."""
        if self._server is not None:
            self._server.should_exit = True

    def close(self) -> None:
        """Give the port back."""
        if self._socket is not None:
            self._socket.close()
        self._socket = self._server = None

    def status(self) -> dict[str, object]:
        """The address, pages that are open, viewers of the picture, and requests refused for host or origin."""
        app = self._app
        return {
            "kind": "web",
            "url": self.url,
            "pages": app.pages if app else 0,
            "viewers": app.viewers if app else 0,
            "turned_away": app.turned_away if app else 0,
        }

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            return socket.create_server((self._host, self._port), family=family, backlog=64)
        except OSError as error:
            raise BridgeUnavailable(_sentence(error, self._host, self._port)) from error
        except OverflowError:
            raise BridgeUnavailable(f"{self._port} is no port for the web page: 1 to 65535, or 0 for any") from None


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _sentence(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} for the web page is in use: another streamflow-live may be running;"
            f" stop it, or choose another port with --web {port + 1 if port < 65535 else 8090}"
        )
    if error.errno == errno.EACCES:
        return f"port {port} for the web page needs the system's permission: choose one above 1023 with --web 8090"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{host!r} is no address of this machine: open the web page on 127.0.0.1, or on 0.0.0.0 for all"
    return f"the web page can't be opened on {host!r}, port {port}: {error}"
