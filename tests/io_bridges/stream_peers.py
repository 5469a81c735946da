"""Servers and senders of network streams for tests: PyAV's encoder behind HTTP, RTSP, TCP, UDP and RTMP.

``stream_peers.py URL FORMAT`` sends a moving card to a URL until it is killed.
"""

import contextlib
import http.server
import socket
import socketserver
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import av

sys.path.insert(0, str(Path(__file__).parents[2]))  # It runs as a script, outside pytest.

from io_bridges.card import draw_card

SIZE = (320, 240)
RATE = 30
SDP = """v=0\r
o=- 0 0 IN IP4 127.0.0.1\r
s=card\r
c=IN IP4 0.0.0.0\r
t=0 0\r
m=video 0 RTP/AVP 96\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1\r
a=control:track0\r
"""


def send_card(target, format, frames=100_000, real_time=True, options=None):
    """Encode the moving card into a URL or a file object."""
    with av.open(target, "w", format=format, options=options or {}) as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 15
        stream.codec_context.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "repeat-headers=1"}
        start = time.monotonic()
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(draw_card(number, *SIZE), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
            if real_time:
                time.sleep(max(0.0, start + (number + 1) / RATE - time.monotonic()))
        container.mux(stream.encode(None))


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def sender(url, format):
    """Send from a process of its own."""
    command = [sys.executable, __file__, url, format]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextlib.contextmanager
def http_server(pages):
    """Serve each path by a function of the request handler. Yield the address and the list of requested paths."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            with contextlib.suppress(OSError, av.error.FFmpegError):
                if self.path in pages:
                    pages[self.path](self)
                else:
                    self.send_error(404)

        def log_message(self, *arguments):
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def page(content, kind):
    """Return a page with content of a type."""

    def answer(request):
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    return answer


def live_page(request):
    """Answer with an endless MPEG transport stream."""
    request.send_response(200)
    request.send_header("Content-Type", "video/mp2t")
    request.end_headers()
    send_card(request.wfile, "mpegts")


class _RtspHandler(socketserver.StreamRequestHandler):
    """Answers a player's requests, and sends RTP packets inside the connection once it plays."""

    def handle(self):
        with contextlib.suppress(OSError):
            self.answer()

    def answer(self):
        while line := self.rfile.readline().decode():
            method, url = line.split()[:2]
            headers = {}
            while header := self.rfile.readline().decode().strip():
                name, _, value = header.partition(":")
                headers[name.lower()] = value.strip()
            reply, body = {"OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN", "")}.get(method, ("", ""))
            if method == "DESCRIBE":
                reply, body = f"Content-Base: {url}/\r\nContent-Type: application/sdp", SDP
            elif method == "SETUP":
                reply = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1"
            text = f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\n"
            text += f"{reply}\r\n" if reply else ""
            self.wfile.write(f"{text}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            if method == "PLAY":
                self.play()

    def play(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
            packets.bind(("127.0.0.1", 0))
            url = f"rtp://127.0.0.1:{packets.getsockname()[1]}?pkt_size=1200"
            with sender(url, "rtp"):
                while True:
                    packet = packets.recv(65536)
                    self.wfile.write(b"$\0" + len(packet).to_bytes(2, "big") + packet)


@contextlib.contextmanager
def rtsp_server():
    """Serve the moving card over RTSP, as a network camera does. Yield the address."""
    socketserver.ThreadingTCPServer.daemon_threads = True
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _RtspHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"rtsp://127.0.0.1:{server.server_address[1]}/card"
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    send_card(*sys.argv[1:3])
