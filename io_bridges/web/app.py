"""`WebApp`: the routes of the page, of plain HTTP for scripts, of OSCQuery, and of the WebSockets."""

from collections.abc import Callable
from itertools import count

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from io_bridges.local_network import is_loopback
from io_bridges.oscquery.address_space import AddressSpace
from io_bridges.oscquery.http_queries import is_osc_query, is_query, query_response
from io_bridges.oscquery.listener_socket import ListenerSocket
from io_bridges.show_control import (
    FoundSources,
    LateReplies,
    ShowControl,
    apply_values,
)
from io_bridges.web import json_messages, picture_socket
from io_bridges.web.control_socket import ControlSocket
from io_bridges.web.input_preview import InputPreview, send_input
from io_bridges.web.osc_reference import OscReference
from io_bridges.web.page_content import INDEX, PageFeeds, page_routes
from io_bridges.web.peer_socket import serve_peer
from io_bridges.web.preview import WebPreview
from io_bridges.web.preview_peers import PreviewPeers
from io_bridges.web.rate_gate import URGENT, URGENT_ONLY, RateGate
from io_bridges.web.responses import (
    client_of,
    error_response,
    json_response,
    no_response,
    replies_response,
    sender_of,
)
from io_bridges.web.security import Guard, Hosts
from io_bridges.web.small_pictures import picture_response
from io_bridges.web.sockets import LoopReceiver, SocketLimit, outcome
from io_bridges.web.token_gate import TokenGate

MOST_SOCKETS = 32
"""Open WebSockets of each kind. More pages than this are a mistake or an attack."""


class WebApp:
    """The requests that the page and scripts can make."""

    def __init__(
        self,
        show: ShowControl,
        preview: WebPreview,
        feeds: PageFeeds,
        webrtc: bool = True,
    ) -> None:
        self._show = show
        self._preview = preview
        self._feeds = feeds
        self._input = InputPreview(feeds.input_pixels)
        self.peers = PreviewPeers(preview, webrtc)
        self._page_numbers = count(1)
        self._space = AddressSpace(show)
        self._osc = OscReference(show, feeds.osc_messages)
        self.pages = SocketLimit(MOST_SOCKETS)
        self.viewers = SocketLimit(MOST_SOCKETS)
        self.listeners = SocketLimit(MOST_SOCKETS)
        """Clients of OSCQuery."""
        self.forbidden = 0
        """Requests refused because of their Host or Origin header, or without the token."""
        self.limited = 0
        """Requests refused because their client made too many."""

    def asgi(self, hosts: Hosts, token: str = "", osc_hears: Callable[[str], bool] = is_loopback) -> Starlette:
        """Return the application for uvicorn, behind the guard, and behind the gate if there is a token."""
        gate = Middleware(
            TokenGate,
            token=token,
            port=hosts.port,
            needs_none=lambda scope, client: osc_hears(client) and is_osc_query(scope, self._space),
            refused=self._count_forbidden,
        )
        return Starlette(
            routes=[
                Route("/", self._get_root),
                *page_routes(),
                Route("/api/parameters", self._get_parameters),
                Route("/api/values", self._get_values, methods=["GET"]),
                Route("/api/values", self._put_values, methods=["PUT"]),
                Route("/api/actions/{name:path}", self._post_action, methods=["POST"]),
                Route("/api/status", self._get_status),
                Route("/api/osc", self._get_osc),
                Route("/api/osc/messages", self._get_osc_messages),
                Route("/api/words", self._get_words),
                Route("/api/log", self._get_log),
                Route("/api/sources", self._get_sources),
                Route("/output.jpg", self._get_picture),
                Route("/looks/{name}.jpg", self._get_look),
                Route("/metrics", self._get_metrics),
                WebSocketRoute("/ws", self._serve_controls),
                WebSocketRoute("/ws/picture", self._serve_pictures),
                WebSocketRoute("/ws/input", self._serve_input),
                WebSocketRoute("/ws/webrtc", self._serve_peer),
                WebSocketRoute("/", self._serve_listener),
                *(Route(path, self._get_node) for path in self._space.route_paths()),
            ],
            # Requests of other sites come from this machine's browser. They take nothing from its own page's rate.
            middleware=[
                Middleware(Guard, hosts=hosts, refused=self._count_forbidden),
                Middleware(RateGate, limited=self._count_limited),
                *([gate] if token else []),
            ],
            exception_handlers={HTTPException: error_response, ClientDisconnect: no_response},
        )

    async def _get_root(self, request: Request) -> Response:
        return await self._get_node(request) if is_query(request) else INDEX

    async def _get_node(self, request: Request) -> Response:
        return query_response(self._space, self._show.status(), request)

    async def _get_parameters(self, request: Request) -> Response:
        return json_response(json_messages.declaration(self._show))

    async def _get_values(self, request: Request) -> Response:
        return json_response(self._show.values())

    async def _put_values(self, request: Request) -> Response:
        sender = sender_of(request)
        values, late = await self._body(request, sender), LateReplies()
        if (seconds := getattr(request.state, URGENT_ONLY, 0)) and not values.keys() <= set(URGENT):
            self._count_limited(client_of(request), "more values than the rate of requests")
            raise HTTPException(
                429, f"Too many requests: only {', '.join(URGENT)} are taken.", {"retry-after": f"{seconds}"}
            )
        replies, omitted = apply_values(self._show, values, sender, late.add)
        return replies_response([*(await outcome(replies, late)).values()], omitted)

    async def _post_action(self, request: Request) -> Response:
        sender, address = sender_of(request), f"/{request.path_params['name']}"
        if address in self._show.parameters:
            key = f'{{"{address}": VALUE}}'
            raise HTTPException(404, f"{address} is a parameter. Send PUT /api/values with the body {key}.")
        if address not in self._show.actions:
            known = ", ".join(name.removeprefix("/") for name in self._show.actions)
            raise HTTPException(404, f"There is no action {address[:100]!r}. Actions: {known}")
        body, late = await self._body(request, sender), LateReplies()
        reply = self._show.apply(address, (body["value"],) if "value" in body else (), sender, late.add)
        return replies_response([*(await outcome({address: reply}, late)).values()])

    async def _get_status(self, request: Request) -> Response:
        return json_response(json_messages.status(self._show))

    async def _get_osc(self, request: Request) -> Response:
        return json_response(self._osc.document())

    async def _get_osc_messages(self, request: Request) -> Response:
        return json_response({"messages": self._osc.messages()})

    async def _get_words(self, request: Request) -> Response:
        return json_response(self._feeds.words())

    async def _get_log(self, request: Request) -> Response:
        return json_response({"lines": self._feeds.log_lines()})

    async def _get_sources(self, request: Request) -> Response:
        receiver = LoopReceiver[FoundSources]()
        self._show.find_sources(receiver.take)
        return json_response(json_messages.sources_json(await receiver.future))

    async def _get_picture(self, request: Request) -> Response:
        picture = self._preview.still()
        if picture is None:
            raise HTTPException(503, "There is no picture yet. Try again in a moment.")
        return Response(picture.data, media_type="image/jpeg")

    async def _get_look(self, request: Request) -> Response:
        return picture_response(self._feeds.looks(), request)

    async def _get_metrics(self, request: Request) -> Response:
        if self._feeds.metrics is None:
            raise HTTPException(404, "This server was started without metrics.")
        return Response(self._feeds.metrics(), headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _serve_controls(self, socket: WebSocket) -> None:
        # The number ends in a colon, so that no page's name is a prefix of another's.
        name = f"web:{next(self._page_numbers)}:{client_of(socket)}"
        feeds = self._feeds
        await self.pages.run(
            socket, ControlSocket(socket, self._show, name, feeds.words, feeds.looks, feeds.meters).run
        )

    async def _serve_pictures(self, socket: WebSocket) -> None:
        await self.viewers.run(socket, lambda: picture_socket.send_pictures(socket, self._preview))

    async def _serve_input(self, socket: WebSocket) -> None:
        await self.viewers.run(socket, lambda: send_input(socket, self._input))

    async def _serve_peer(self, socket: WebSocket) -> None:
        await self.viewers.run(socket, lambda: serve_peer(socket, self.peers))

    async def _serve_listener(self, socket: WebSocket) -> None:
        name = f"web:{next(self._page_numbers)}:{client_of(socket)}"
        await self.listeners.run(socket, ListenerSocket(socket, self._show, self._space, name).run)

    async def _body(self, request: Request, sender: str) -> dict[str, object]:
        """Return the JSON object of a request; an empty body is an empty object. Raises `HTTPException`."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > json_messages.LONGEST_MESSAGE:
                raise HTTPException(413, f"The body may have at most {json_messages.LONGEST_MESSAGE} bytes.")
        if not body:
            return {}
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "The body must be JSON with the header 'Content-Type: application/json'.")
        try:
            return json_messages.decode(bytes(body))
        except json_messages.MalformedJson as error:
            self._show.refused(sender, str(error))
            raise HTTPException(400, str(error)) from None

    def _count_forbidden(self, client: str, reason: str) -> None:
        self.forbidden += 1
        self._show.refused(f"web:{client}", reason)

    def _count_limited(self, client: str, reason: str) -> None:
        self.limited += 1
        self._show.refused(f"web:{client}", reason)
