"""The process of WebRTC: sends the pictures of a ring in shared memory to browsers. It ends with its standard input.

``python -m io_bridges.webrtc MEMORY PATIENCE``, which `PeerProcess` calls. It reads requests and writes reports, lines
of JSON. What comes over the network meets native libraries here alone, and encoding takes nothing from the stage's
interpreter.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import psutil
from av.packet import Packet

from io_bridges.shared_memory.segment import remove
from io_bridges.webrtc.messages import PeerReport, PeerRequest
from io_bridges.webrtc.peers import Peers, use_page_address
from io_bridges.webrtc.preview_encoder import PreviewEncoder

LOOK_SECONDS = 1.0
MOST_MEMORY = 768 * 1024 * 1024
"""Bytes of memory with which the process ends. aioice keeps every datagram that comes before a connection is made."""


def lower_priority() -> None:
    """Give the show precedence on the processor."""
    with contextlib.suppress(psutil.Error):
        if sys.platform == "win32":
            psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            psutil.Process().nice(10)


def write(report: PeerReport) -> None:
    """Write one report. Exit if the stage is gone."""
    line = report.encode()
    try:
        while line:
            line = line[os.write(1, line) :]
    except OSError:
        os._exit(0)


def read_requests(take: Callable[[PeerRequest], None], memory: str) -> NoReturn:
    """Pass on the requests until the standard input is closed, and exit."""
    with contextlib.suppress(OSError):
        while line := sys.stdin.buffer.readline():
            take(PeerRequest.decode(line))
    remove(memory)  # A stage that was killed leaves it.
    os._exit(0)


async def serve(memory: str, patience: float) -> NoReturn:
    """Answer requests for ever. A browser has `patience` seconds to connect."""
    loop = asyncio.get_running_loop()

    def deliver(packet: "Packet[Any]") -> None:
        loop.call_soon_threadsafe(peers.deliver, packet)

    def take(request: PeerRequest) -> None:
        loop.call_soon_threadsafe(peers.take, request)

    encoder = PreviewEncoder(memory, deliver)
    peers = Peers(write, encoder.want_whole, encoder.watch, patience)
    encoder.start()
    threading.Thread(target=read_requests, args=(take, memory), name="requests", daemon=True).start()
    process = psutil.Process()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        peers.look()
        if process.memory_info().rss > MOST_MEMORY:
            sys.exit("too much memory is taken")


def main() -> None:
    """Serve the peers of one show."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the stage, which ends this process.
    lower_priority()
    use_page_address()
    asyncio.run(serve(sys.argv[1], float(sys.argv[2])))


if __name__ == "__main__":
    main()
