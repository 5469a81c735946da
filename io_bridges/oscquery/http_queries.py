"""HTTP side of OSCQuery: the JSON of a node, one of its attributes, or the description of the host."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from io_bridges.local_network import ANY_HOST, osc_address
from io_bridges.oscquery.address_space import ATTRIBUTES, EXTENSIONS, AddressSpace
from io_bridges.show_control import MAX_ADDRESS
from io_bridges.web import json_messages

HOST_INFO = "HOST_INFO"
NAME = "streamflow-live"
"""Name of the host that clients list."""


def is_query(request: Request) -> bool:
    """Return True if a request for ``/`` wants the tree of nodes: it asks for an attribute, or for no HTML."""
    asked = request.query_params.keys()
    return bool(asked & {HOST_INFO, *ATTRIBUTES}) or "text/html" not in request.headers.get("accept", "")


def is_osc_query(scope: Scope, space: AddressSpace) -> bool:
    """Return True for a request that an OSCQuery client makes: to read nodes, or to listen to them."""
    path = str(scope["path"])
    if scope["type"] == "websocket":
        return path == "/"
    if scope["method"] not in ("GET", "HEAD"):
        return False
    return is_query(Request(scope)) if path == "/" else f"/{path.split('/')[1]}" in space


def query_response(space: AddressSpace, status: Mapping[str, object], request: Request) -> Response:
    """Return the response to a request for a path, with an attribute's name as its query or with none.

    200 with JSON; 204 for an attribute that the node does not have; 400 for an unknown attribute, 404 for an unknown
    path, each with a sentence.
    """
    path = "/" + request.url.path.strip("/")
    asked = [name for name in request.query_params if name]
    if asked == [HOST_INFO]:
        return _json(host_info(status))
    if path not in space:
        return _json({"error": f"{path[:MAX_ADDRESS]} is no address of this show. All of them: /"}, 404)
    if not asked:
        return _json(space.node(path))
    if len(asked) > 1 or asked[0] not in ATTRIBUTES:
        known = ", ".join(sorted({HOST_INFO, *ATTRIBUTES}))
        return _json({"error": f"one attribute is expected, not {'&'.join(asked)[:100]!r}. Known: {known}"}, 400)
    node = space.node(path)
    return _json({asked[0]: node[asked[0]]}) if asked[0] in node else Response(status_code=204)


def host_info(status: Mapping[str, object]) -> dict[str, object]:
    """Return the description of the host. The WebSocket has the address of the HTTP server, the default."""
    info: dict[str, object] = {"NAME": NAME, "EXTENSIONS": EXTENSIONS}
    if (address := osc_address(status)) is not None:
        host, port = address
        info |= {"OSC_PORT": port, "OSC_TRANSPORT": "UDP"}
        if host not in ANY_HOST:
            info["OSC_IP"] = host
    return info


def _json(value: object, status_code: int = 200) -> Response:
    return Response(json_messages.encode(value), status_code, media_type="application/json")
