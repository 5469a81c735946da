"""`TokenGate`: lets in only who has the token of the page, and OSCQuery clients at addresses that OSC is open to.

The first visit has the token in its address. The server answers with a cookie and an address without it, so that it
stays in no history and in no Referer.
"""

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from io_bridges.allowances import client_network

PARAMETER = "token"
"""Name in the query of a URL."""

LONGEST_TOKEN = 200
"""Characters of the longest token that is compared."""

MOST_WRONG, WRONG_SECONDS = 10, 60.0
"""Wrong tokens from one address within so many seconds, after which it is refused until they are over."""

MOST_ADDRESSES = 1024
"""Addresses whose wrong tokens are remembered. The oldest of more is forgotten."""

_YEAR = 365 * 24 * 3600


class WrongTokens:
    """Counts the wrong tokens of each address, so that nobody can try many."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` returns seconds on a monotonic clock."""
        self._now = now
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def count(self, address: str) -> None:
        """Count a wrong token."""
        since, count = self._counts.pop(network := client_network(address), (self._now(), 0))
        if self._now() - since >= WRONG_SECONDS:
            since, count = self._now(), 0
        self._counts[network] = since, count + 1
        if len(self._counts) > MOST_ADDRESSES:
            self._counts.popitem(last=False)

    def are_many(self, address: str) -> bool:
        """Return True if the address has to wait."""
        since, count = self._counts.get(client_network(address), (0.0, 0))
        return count >= MOST_WRONG and self._now() - since < WRONG_SECONDS


class TokenGate:
    """ASGI middleware that refuses requests without the token: 401, or 429 after many wrong ones."""

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        port: int,
        needs_none: Callable[[Scope, str], bool],
        refused: Callable[[str, str], None],
    ) -> None:
        """
        Args:
            app: The application behind it.
            token: The token.
            port: Port of the server. Cookies of one host are shared by all of its ports, so their name has it.
            needs_none: Returns True for a request from an address that is let in without the token.
            refused: Called with the client's address and the reason.
        """
        self._app = app
        self._digest = _digest(token)
        self._cookie = f"streamflow_{port}"
        # Not the token itself: a program that reads the browser's files gets no more than this page.
        self._cookie_value = hashlib.sha256(b"cookie " + self._digest).hexdigest()
        self._needs_none = needs_none
        self._refused = refused
        self._wrong = WrongTokens()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        address = client[0] if client else ""
        if self._wrong.are_many(address):
            await self._refuse(scope, receive, send, 429, address, "Too many wrong tokens. Try again in a minute.")
            return
        headers = Headers(scope=scope)
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        in_query = next((value for name, value in query if name == PARAMETER), "")
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = in_query or (bearer.strip() if scheme.lower() == "bearer" else "")
        if given and self._is_token(given):
            rest = urlencode([pair for pair in query if pair[0] != PARAMETER])
            is_visit = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/"
            if in_query and is_visit and "text/html" in headers.get("accept", ""):
                await self._welcome(rest)(scope, receive, send)
            else:
                await self._app({**scope, "query_string": rest.encode("latin-1")}, receive, send)
        elif not given and (self._has_cookie(headers) or self._needs_none(scope, address)):
            await self._app(scope, receive, send)
        else:
            if given:
                self._wrong.count(address)
            what = "This token is wrong." if given else "This page needs a token."
            reason = f"{what} Open the address that the show printed, with ?{PARAMETER}= at its end."
            await self._refuse(scope, receive, send, 401, address, reason)

    def _is_token(self, text: str) -> bool:
        return len(text) <= LONGEST_TOKEN and hmac.compare_digest(_digest(text), self._digest)

    def _has_cookie(self, headers: Headers) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        value = cookie.value if cookie else ""
        return hmac.compare_digest(value.encode("utf-8", "replace"), self._cookie_value.encode())

    def _welcome(self, query: str) -> Response:
        response = RedirectResponse(f"/?{query}" if query else "/", 303)
        # Lax: a link in a chat opens the page. Requests of other sites are refused by their Origin.
        response.set_cookie(self._cookie, self._cookie_value, max_age=_YEAR, httponly=True, samesite="lax")
        return response

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, status: int, address: str, reason: str) -> None:
        self._refused(address, reason)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before the accept, the client gets a 403
            return
        headers = {"www-authenticate": "Bearer"} if status == 401 else {"retry-after": f"{WRONG_SECONDS:.0f}"}
        await JSONResponse({"error": reason}, status, headers)(scope, receive, send)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
