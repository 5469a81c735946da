"""The page: its files, read once and served from memory, and everything it shows besides controls and output."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePath

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from io_bridges.frames import Pixels
from io_bridges.osc.monitor import SeenMessages
from io_bridges.web.json_messages import KnownWordsByKind, Meters
from io_bridges.web.small_pictures import LookPicturesByName

_MEDIA_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FILES = {file.name: file.read_bytes() for file in (resources.files("io_bridges.web") / "page").iterdir()}

INDEX = Response(_FILES["index.html"], media_type="text/html")
"""The page itself."""


def page_routes() -> list[Route]:
    """Return a route for each file of the page."""
    return [
        Route(f"/{name}", _serve_file(_FILES[name], media_type))
        for name in sorted(_FILES)
        if (media_type := _MEDIA_TYPES.get(PurePath(name).suffix)) is not None
    ]


def _serve_file(content: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return serve


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class PageFeeds:
    """Functions that return what the page shows. The web thread calls them, and each returns at once."""

    words: KnownWordsByKind = dict
    """Words that the model knows, by kind; empty if it takes any text."""
    looks: LookPicturesByName = dict
    """Pictures of presets."""
    meters: Meters = dict
    """Features of the sound that is heard, by name; empty for none."""
    metrics: Callable[[], bytes] | None = None
    """Text of ``/metrics`` in the format of Prometheus."""
    osc_messages: SeenMessages = tuple
    """Last messages that came by OSC."""
    input_pixels: Callable[[], Pixels | None] = _nothing
    """Newest frame that the model redraws, uint8 ``[H, W, 3 or 4]``; None before the first."""
    log_lines: Callable[[], Sequence[Mapping[str, object]]] = tuple
    """Last lines of the log as JSON objects, the oldest first."""
