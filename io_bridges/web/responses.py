"""Responses of plain HTTP, and the names of those who ask."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from io_bridges.show_control import ControlReply
from io_bridges.web import json_messages


def json_response(value: object, status_code: int = 200) -> Response:
    """Return a response with a value as JSON."""
    return Response(json_messages.encode(value), status_code, media_type="application/json")


def replies_response(replies: list[ControlReply], omitted: int = 0) -> Response:
    """Return 200 if every value was taken, otherwise 422. A refused value does not hold back the others."""
    accepted = not omitted and all(reply.accepted for reply in replies)
    body: dict[str, object] = {"answers": [json_messages.reply_json(reply) for reply in replies]}
    if omitted:
        body["omitted"] = omitted  # Unknown addresses that got no reply of their own.
    return json_response(body, 200 if accepted else 422)


async def error_response(request: Request, error: Exception) -> Response:
    """Return the sentence of an `HTTPException` as JSON. Raises any other error."""
    if not isinstance(error, HTTPException):
        raise error
    response = json_response({"error": error.detail}, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def no_response(request: Request, error: Exception) -> Response:
    """Return a response that nobody reads: the client is gone, and that is no fault of the program."""
    return Response(status_code=400)


def client_of(connection: Request | WebSocket) -> str:
    """Return the address of a client, or ``local`` for one that has none."""
    return connection.client.host if connection.client else "local"


def sender_of(request: Request) -> str:
    """Return the name of who sent a request, for refusals and recordings."""
    return f"web:http:{client_of(request)}"
