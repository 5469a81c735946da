"""The WebSocket ``/ws/webrtc``: one offer, its answer, and then nothing while the browser has the picture.

The peer lives as long as the socket. Messages of the page are ``{"offer": "v=0…"}``, those of the show ``{"answer":
"v=0…"}``, ``{"refused": "sentence"}`` and ``{"ended": "sentence"}``; after the last two the show closes the socket.
"""

import asyncio
import contextlib

from starlette.websockets import WebSocket, WebSocketDisconnect

from io_bridges.web.json_messages import decode, encode
from io_bridges.web.preview_peers import PeerReports, PreviewPeers
from io_bridges.web.sockets import messages_of, run_until_gone, send_text
from io_bridges.webrtc.messages import PeerReport
from presets.errors import BridgeError

OFFER_SECONDS = 10.0
"""Time for a page to send its offer."""
ANSWER_SECONDS = 30.0
"""Time for the process to answer. It starts with the first offer."""


async def serve_peer(socket: WebSocket, peers: PreviewPeers) -> None:
    """Answer one offer over an accepted `socket`, and hold the peer until either side ends it."""
    with contextlib.suppress(WebSocketDisconnect):
        try:
            if problem := peers.problem():
                raise BridgeError(problem)
            address = (socket.scope.get("server") or ("127.0.0.1",))[0]
            async with peers.peer(await _offer(socket), address) as reports:
                await run_until_gone(_receive(socket), _send(socket, peers, reports))
        except BridgeError as error:
            await send_text(socket, encode({"refused": str(error)}))
        await socket.close()


async def _offer(socket: WebSocket) -> object:
    try:
        async with asyncio.timeout(OFFER_SECONDS):
            message = await socket.receive()
    except TimeoutError:
        raise BridgeError(f"No offer came within {OFFER_SECONDS:.0f} s.") from None
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    return decode(message.get("text") or message.get("bytes") or "").get("offer")


async def _receive(socket: WebSocket) -> None:
    async for _ in messages_of(socket):
        await send_text(socket, encode({"refused": "A connection takes one offer. Open another one."}))
        return


async def _send(socket: WebSocket, peers: PreviewPeers, reports: PeerReports) -> None:
    try:
        report: PeerReport = await asyncio.wait_for(reports.get(), ANSWER_SECONDS)
    except TimeoutError:
        peers.restart()
        await send_text(socket, encode({"refused": "The process of WebRTC does not answer."}))
        return
    while report.state in ("answered", "connected"):
        if report.state == "answered":
            await send_text(socket, encode({"answer": report.text}))
        report = await reports.get()
    await send_text(socket, encode({report.state: report.text}))
