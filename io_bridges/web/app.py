"""The routes: the page, plain HTTP for scripts, and the page's two WebSockets."""

from collections.abc import Awaitable, Callable
from importlib import resources
from itertools import count

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from io_bridges.show_control import ControlReply, ShowControl
from io_bridges.web import json_messages, picture_socket
from io_bridges.web.control_socket import ControlSocket
from io_bridges.web.preview import WebPreview
from io_bridges.web.security import Guard, Hosts

MOST_SOCKETS = 32
"""Open WebSockets of each kind; more pages than anybody has screens are a mistake or an attack."""

_PAGE = {
    "/": ("index.html", "text/html"),
    "/app.js": ("app.js", "text/javascript"),
    "/controls.js": ("controls.js", "text/javascript"),
    "/style.css": ("style.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class WebApp:
    """What the page and scripts may ask for."""

    def __init__(self, desk: ShowControl, preview: WebPreview, metrics: Callable[[], bytes] | None) -> None:
        self._desk = desk
        self._preview = preview
        self._metrics = metrics
        self._numbers = count(1)
        self.pages = 0
        self.viewers = 0
        self.turned_away = 0

    def asgi(self, hosts: Hosts) -> Starlette:
        """The application for uvicorn, guarded."""
        page = [Route(path, _file(name, media_type)) for path, (name, media_type) in _PAGE.items()]
        return Starlette(
            routes=[
                *page,
                Route("/api/parameters", self._parameters),
                Route("/api/values", self._get_values, methods=["GET"]),
                Route("/api/values", self._put_values, methods=["PUT"]),
                Route("/api/actions/{name}", self._act, methods=["POST"]),
                Route("/api/status", self._status),
                Route("/output.jpg", self._still),
                Route("/metrics", self._tell_metrics),
                WebSocketRoute("/ws", self._converse),
                WebSocketRoute("/ws/picture", self._show),
            ],
            middleware=[Middleware(Guard, hosts=hosts, refused=self._turn_away)],
            exception_handlers={HTTPException: _tell_error},
        )

    async def _parameters(self, request: Request) -> Response:
        return _json(json_messages.declaration(self._desk))

    async def _get_values(self, request: Request) -> Response:
        return _json(self._desk.values())

    async def _put_values(self, request: Request) -> Response:
        sender = _sender(request)
        values = await self._body(request, sender)
        return _answered([self._desk.apply(address, (value,), sender) for address, value in values.items()])

    async def _act(self, request: Request) -> Response:
        sender, address = _sender(request), f"/{request.path_params['name']}"
        if address not in self._desk.actions:
            known = ", ".join(name.removeprefix("/") for name in self._desk.actions)
            raise HTTPException(404, f"there is no action {address[:100]!r}; there are: {known}")
        body = await self._body(request, sender)
        return _answered([self._desk.apply(address, (body["value"],) if "value" in body else (), sender)])

    async def _status(self, request: Request) -> Response:
        return _json(json_messages.status(self._desk))

    async def _still(self, request: Request) -> Response:
        picture = self._preview.still()
        if picture is None:
            raise HTTPException(503, "no picture has been put on air yet; ask again in a moment")
        return Response(picture.data, media_type="image/jpeg")

    async def _tell_metrics(self, request: Request) -> Response:
        if self._metrics is None:
            raise HTTPException(404, "this server was started without metrics")
        return Response(self._metrics(), headers={"content-type": _METRICS_TYPE})

    async def _converse(self, socket: WebSocket) -> None:
        if self.pages >= MOST_SOCKETS:
            await socket.close(1013)
            return
        self.pages += 1
        try:
            await socket.accept()
            # The number ends in a colon, so no page's name is the beginning of another's.
            await ControlSocket(socket, self._desk, f"web:{next(self._numbers)}:{_client(socket)}").run()
        finally:
            self.pages -= 1

    async def _show(self, socket: WebSocket) -> None:
        if self.viewers >= MOST_SOCKETS:
            await socket.close(1013)
            return
        self.viewers += 1
        try:
            await socket.accept()
            await picture_socket.show(socket, self._preview)
        finally:
            self.viewers -= 1

    async def _body(self, request: Request, sender: str) -> dict[str, object]:
        """The request's JSON object; an empty body is an empty object."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > json_messages.LONGEST_MESSAGE:
                raise HTTPException(413, f"at most {json_messages.LONGEST_MESSAGE} bytes are taken")
        if not body:
            return {}
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "the body must be JSON, with the header 'Content-Type: application/json'")
        try:
            return json_messages.decode(bytes(body))
        except json_messages.MalformedJson as error:
            self._desk.refused(sender, str(error))
            raise HTTPException(400, str(error)) from None

    def _turn_away(self, client: str, reason: str) -> None:
        self.turned_away += 1
        self._desk.refused(f"web:{client}", reason)


def _json(value: object, status_code: int = 200) -> Response:
    return Response(json_messages.encode(value), status_code, media_type="application/json")


def _answered(answers: list[ControlReply]) -> Response:
    """200 if everything was taken, 422 if anything was refused; the rest was taken all the same."""
    accepted = all(answer.accepted for answer in answers)
    return _json({"answers": [json_messages.answer_of(answer) for answer in answers]}, 200 if accepted else 422)


async def _tell_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    response = _json({"error": error.detail}, error.status_code)
    response.headers.update(error.headers or {})
    return response


def _client(connection: Request | WebSocket) -> str:
    return connection.client.host if connection.client else "local"


def _sender(request: Request) -> str:
    return f"web:http:{_client(request)}"


def _file(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    content = (resources.files("io_bridges.web") / "page" / name).read_bytes()

    async def serve(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return serve
