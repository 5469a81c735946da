"""The page's preview over WebRTC: offers of an aiortc client and of Chromium, answered by the server alone."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import numpy as np
import psutil
import pytest
from aioice import ice
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from av.packet import Packet
from hypothesis import given
from hypothesis import strategies as st
from web_browser import ARGUMENTS, CHROMIUM, needs_chromium
from web_client import closing_code, eventually, open_socket
from web_show_control import WebShow, serving
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from io_bridges.frames import Pixels, RenderedFrame, Tick
from io_bridges.web import peer_socket, preview_peers
from io_bridges.web.preview_peers import MOST_PEERS
from io_bridges.web.server import WebControl
from io_bridges.webrtc import peers, process
from io_bridges.webrtc.messages import PeerReport, PeerRequest
from io_bridges.webrtc.offers import OfferRefused, checked_offer
from io_bridges.webrtc.packet_track import MOST_PACKETS, PacketTrack

RED, GREEN, BLUE, GREY = (200, 40, 40), (40, 180, 60), (50, 60, 200), (120, 120, 120)
NEAR = 14
"""Levels by which a codec may miss a colour in the middle of a plane of it."""


def quarters(*colours: tuple[int, int, int]) -> Pixels:
    """A picture of four planes: above left, above right, below left, below right."""
    pixels = np.empty((97, 129, 3), np.uint8)  # odd sides, whose last row and column VP8 can't keep
    for place, colour in enumerate(colours):
        down, across = divmod(place, 2)
        pixels[down * 48 : down * 48 + 49, across * 64 : across * 64 + 65] = colour
    return pixels


FIRST, SECOND = quarters(RED, GREEN, BLUE, GREY), quarters(GREY, BLUE, GREEN, RED)


def shows(pixels: Pixels, expected: Pixels) -> bool:
    """True if the middle of each quarter has the expected colour."""
    places = [(24, 32), (24, 96), (72, 32), (72, 96)]
    return all(
        np.abs(pixels[y - 4 : y + 4, x - 4 : x + 4].mean((0, 1)) - expected[y, x]).max() < NEAR for y, x in places
    )


def show_picture(control: WebControl, pixels: Pixels, index: int = 1) -> None:
    """Write one picture, as the sink's thread does."""
    control.preview.write(RenderedFrame(pixels, index, -1, 0, 0), Tick(index, time.monotonic_ns(), False))


@pytest.fixture(scope="module")
def control() -> Iterator[WebControl]:
    """A server whose preview holds one picture, and clients with ports on loopback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "CONNECT_SECONDS", 300.0)  # the process of WebRTC is niced, and busy machines stop it
        patch.setattr(ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
        control = WebControl(port=0)
        show_picture(control, FIRST)
        with serving(control, WebShow()):
            yield control


@pytest.fixture(scope="module")
def offer() -> str:
    """The offer of a browser for one video."""

    async def make() -> str:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.addTransceiver("video", direction="recvonly")
        await connection.setLocalDescription()
        text = connection.localDescription.sdp
        await connection.close()
        return text

    return asyncio.run(make())


def process_of() -> psutil.Process:
    """The process of WebRTC."""
    children = psutil.Process().children(recursive=True)
    (found,) = [child for child in children if "io_bridges.webrtc" in child.cmdline()]
    return found


def ask_peer(control: WebControl, message: object) -> tuple[ClientConnection, dict[str, Any]]:
    """Open a socket, send a message, and return the socket and the first reply."""
    client = open_socket(control, "/ws/webrtc")
    with contextlib.suppress(ConnectionClosed):  # refused before the offer was read
        client.send(message if isinstance(message, str) else json.dumps(message))
    return client, json.loads(client.recv(60))


def watch(control: WebControl, look: Callable[[MediaStreamTrack], Awaitable[None]]) -> str:
    """Receive the preview as a browser does. Return the answer."""

    async def run() -> str:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.addTransceiver("video", direction="recvonly")
        track: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
        connection.on("track", track.set_result)
        await connection.setLocalDescription()
        client, reply = await asyncio.to_thread(ask_peer, control, {"offer": connection.localDescription.sdp})
        await connection.setRemoteDescription(RTCSessionDescription(reply["answer"], "answer"))
        async with asyncio.timeout(20):
            await look(await track)
        await connection.close()
        await asyncio.to_thread(client.close)
        return str(reply["answer"])

    return asyncio.run(run())


async def until(track: MediaStreamTrack, expected: Pixels) -> None:
    """Receive until a frame shows the picture."""
    while not shows((await track.recv()).to_ndarray(format="rgb24"), expected):
        pass


def test_frames_follow_the_output(control: WebControl) -> None:
    """A picture that is held comes too, and the process is reached at the page's address alone."""

    async def look(track: MediaStreamTrack) -> None:
        frame = await track.recv()
        assert (frame.width, frame.height) == (128, 96)
        await until(track, FIRST)
        assert control.status()["peers"] == 1
        places = [connection.laddr for connection in process_of().net_connections("inet")]
        assert [place.ip for place in places] == ["127.0.0.1"], places
        show_picture(control, SECOND, 2)
        await until(track, SECOND)
        show_picture(control, FIRST, 3)
        await until(track, FIRST)

    answer = watch(control, look)
    (candidate,) = [line for line in answer.splitlines() if line.startswith("a=candidate:")]
    assert candidate.split()[4] == "127.0.0.1"
    eventually(lambda: control.status()["peers"] == 0)
    eventually(lambda: not process_of().net_connections("inet"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda offer: "no JSON", "this is not JSON"),
        (lambda offer: {"offer": 5}, "An offer is expected"),
        (lambda offer: {}, "An offer is expected"),
        (lambda offer: {"offer": "hello"}, "must begin with v=0"),
        (lambda offer: {"offer": offer + "nonsense\r\n"}, "is not a letter"),
        (lambda offer: {"offer": offer + "a=x:" + 17_000 * "y"}, "at most 16384 bytes"),
        (lambda offer: {"offer": offer + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"}, "one video and nothing else"),
        (lambda offer: {"offer": offer.replace("a=fingerprint", "a=finger")}, "lacks a=fingerprint"),
        (lambda offer: {"offer": offer.replace("a=recvonly", "a=sendonly")}, "must ask to receive"),
        (lambda offer: {"offer": offer.replace("VP8", "VP7")}, "can't be answered"),
        (lambda offer: {"offer": offer.replace("a=rtpmap:", "a=rtpmap:x")}, "can't be answered"),
    ],
)
def test_bad_offers_are_refused(
    control: WebControl, offer: str, change: Callable[[str], object], sentence: str
) -> None:
    client, reply = ask_peer(control, change(offer))
    assert sentence in reply["refused"]
    assert closing_code(client) == 1000
    eventually(lambda: control.status()["peers"] == 0)


def test_message_beyond_the_limit(control: WebControl) -> None:
    client = open_socket(control, "/ws/webrtc")
    client.send(json.dumps({"offer": 70_000 * "v"}))
    assert closing_code(client) == 1009


def test_hundred_offers(control: WebControl, offer: str) -> None:
    """Most are refused with a sentence. The others are freed when their clients are gone without a word."""
    replies = [ask_peer(control, {"offer": offer}) for _ in range(100)]
    assert all("answer" in reply for _, reply in replies[:MOST_PEERS])
    assert all(f"{MOST_PEERS} pages" in reply["refused"] for _, reply in replies[MOST_PEERS:])
    held = [client for client, _ in replies[:MOST_PEERS]]
    held[0].send(json.dumps({"offer": offer}))
    assert "takes one offer" in json.loads(held[0].recv(60))["refused"]
    for client in held:
        client.socket.shutdown(socket.SHUT_RDWR)
    eventually(lambda: control.status()["peers"] == 0)
    eventually(lambda: not process_of().net_connections("inet"))


def test_browser_that_never_connects(offer: str) -> None:
    reports: list[PeerReport] = []

    async def run() -> None:
        held = peers.Peers(reports.append, lambda: None, lambda is_watched: None, patience=0.05)
        held.take(PeerRequest(7, checked_offer(offer), "127.0.0.1"))
        while not reports:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        held.look()
        held.take(PeerRequest(7))  # the stage ends it too
        await asyncio.sleep(0.05)

    peers.use_page_address()
    asyncio.run(run())
    assert [(report.number, report.state) for report in reports] == [(7, "answered"), (7, "ended")]


def test_slow_sender_gets_a_whole_picture() -> None:
    """A full queue is emptied, and nothing follows before a picture that stands alone."""
    wanted: list[bool] = []

    def packet(size: int, is_whole: bool) -> "Packet[Any]":
        made: Packet[Any] = Packet(size)
        made.is_keyframe = is_whole
        return made

    async def run() -> list[int]:
        track = PacketTrack(lambda: wanted.append(True))
        track.put(packet(1, False))
        track.put(packet(2, True))
        for size in range(3, 2 + MOST_PACKETS):
            track.put(packet(size, False))
        assert len(wanted) == 1
        track.put(packet(20, False))  # one more than may wait
        track.put(packet(21, False))
        track.put(packet(22, True))
        track.put(packet(23, False))
        return [(await track.recv()).size for _ in range(2)]

    assert asyncio.run(run()) == [22, 23]
    assert len(wanted) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGSTOP")
def test_process_that_hangs(control: WebControl, offer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_socket, "ANSWER_SECONDS", 0.3)
    hung = process_of()
    hung.send_signal(signal.SIGSTOP)
    _, reply = ask_peer(control, {"offer": offer})
    assert reply["refused"] == "The process of WebRTC does not answer."
    eventually(lambda: not hung.is_running())
    monkeypatch.setattr(peer_socket, "ANSWER_SECONDS", 20)
    client, reply = ask_peer(control, {"offer": offer})
    assert "answer" in reply, "another process has started"
    client.close()


@needs_chromium
def test_page_takes_what_comes(control: WebControl) -> None:
    """The page draws the picture of WebRTC, and JPEGs again at once when the process is killed."""
    from playwright.sync_api import sync_playwright

    at = "() => document.getElementById('picture').getContext('2d').getImageData(32, 24, 1, 1).data.slice(0, 3).join()"
    by = "(by) => document.getElementById('picture').dataset.by === by"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page()
        page.goto(control.url)
        page.wait_for_function(by, arg="webrtc")
        eventually(lambda: control.status()["viewers"] == 1)
        show_picture(control, SECOND, 5)
        eventually(lambda: np.abs(np.fromstring(page.evaluate(at), int, sep=",") - GREY).max() < NEAR)
        process_of().kill()
        page.wait_for_function(by, arg="jpeg")
        show_picture(control, FIRST, 6)
        eventually(lambda: np.abs(np.fromstring(page.evaluate(at), int, sep=",") - RED).max() < NEAR)
        browser.close()


def test_process_that_has_ended(control: WebControl, offer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is started again at once, so that offers can't start one after another."""
    _, reply = ask_peer(control, {"offer": offer})
    assert "has just ended" in reply["refused"]
    monkeypatch.setattr(preview_peers, "missing_extra", lambda module, extra: f"no {module}: {extra}")
    client = open_socket(control, "/ws/webrtc")
    assert json.loads(client.recv(60)) == {"refused": "no aiortc: webrtc"}
    with pytest.raises(ConnectionClosed):
        client.recv(20)


@given(
    st.text()
    | st.lists(st.sampled_from(["v=0", "m=video 9 X 96", "a=ice-ufrag:a", "a=candidate:1", "\x00", "a=\ud800"]))
)
def test_any_text_as_an_offer(text: str | list[str]) -> None:
    try:
        checked = checked_offer(text if isinstance(text, str) else "\n".join(text))
    except OfferRefused:
        return
    assert "candidate" not in checked
