"""``stream:`` source against real servers and senders on loopback, lost connections, and hostile playlists."""

import contextlib
import io
import socket
import time

import av
import numpy as np
import pytest
from stream_peers import SIZE, free_port, http_server, live_page, page, rtsp_server, send_card, sender

from io_bridges.capture import grabber
from io_bridges.capture.grabber import FrameGrabber
from io_bridges.capture.network_stream import StreamSource
from io_bridges.capture.stream_protocols import PROTOCOLS
from io_bridges.card import draw_card
from io_bridges.image_files import encode_still
from io_bridges.scheme import without_password
from io_bridges.uri import make_source, parse
from presets.errors import BridgeError, SettingsError

PATIENCE = 60.0
LOSS = 12.0
"""Mean difference of a channel that the fast encoder may cause. A card that is flipped differs by more than 30."""


def read_until(source, found=lambda frame: True):
    """Read until a frame fits. As the stage does, open the source again after an error."""
    deadline = time.monotonic() + PATIENCE
    errors = []
    while time.monotonic() < deadline:
        try:
            frame = source.read(0.25)
        except BridgeError as error:
            errors.append(str(error))
            time.sleep(0.1)
            source.open()
            continue
        if frame is not None and found(frame):
            return frame
    raise AssertionError(f"no such frame: {source.status()}, {errors[-3:]}")


def read_error(source):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            source.read(0.25)
        except BridgeError as error:
            return str(error)
    raise AssertionError(f"no error: {source.status()}")


def number_of(frame):
    """Return the number of the card that a frame shows, and the mean difference from it."""
    errors = [np.abs(frame.pixels.astype(int) - draw_card(number, *SIZE)).mean() for number in range(400)]
    return int(np.argmin(errors)), min(errors)


def check_playing(source):
    """Check that frames are upright, in order and stamped."""
    first = read_until(source)
    assert first.pixels.shape == (SIZE[1], SIZE[0], 3)
    later = read_until(source, lambda frame: frame.index >= first.index + 5)
    numbers = [number_of(frame) for frame in (first, later)]
    assert all(error < LOSS for _, error in numbers)
    assert numbers[0][0] < numbers[1][0]
    assert first.captured_at < later.captured_at <= time.monotonic_ns()
    assert not first.pixels.flags.writeable
    assert source.status()["size"] == "320x240"


def test_http_transport_stream():
    with http_server({"/live.ts": live_page}) as (address, _):
        source = make_source(f"stream:{address}/live.ts")
        source.open()
        check_playing(source)
        source.close()
        source.close()


def test_mjpeg_over_http():
    """Play what network cameras and telephones serve."""

    def motion_jpeg(request):
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        for number in range(100_000):
            data = encode_still(draw_card(number, *SIZE), ".jpg")
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            request.wfile.write(head.encode() + data + b"\r\n")
            time.sleep(1 / 30)

    with http_server({"/video": motion_jpeg}) as (address, _):
        source = make_source(f"stream:{address}/video")
        source.open()
        check_playing(source)
        source.close()


def test_rtsp_camera():
    with rtsp_server() as address:
        source = make_source(f"stream:{address}")
        source.open()
        check_playing(source)
        source.close()


def test_rtmp_push():
    """Take the stream of a program such as OBS, which connects here, twice."""
    address = f"rtmp://127.0.0.1:{free_port()}/live/card"
    source = make_source(f"stream:{address}?listen=1")
    source.open()
    assert source.read(0.1) is None
    for _ in range(2):
        with sender(address, "flv"):
            check_playing(source)
        assert read_error(source)
        source.close()
        source.open()
    source.close()


def test_udp_transport_stream():
    address = f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    source = make_source(f"stream:{address}")
    source.open()
    with sender(address, "mpegts"):
        check_playing(source)
    source.close()


def test_killed_server_comes_back():
    address = f"tcp://127.0.0.1:{free_port()}"
    source = make_source(f"stream:{address}")
    source.open()
    for _ in range(2):
        with sender(f"{address}?listen=1", "mpegts"):
            check_playing(source)
        read_error(source)
        source.close()
        source.open()
    source.close()


def transport_stream(frames=60):
    written = io.BytesIO()
    send_card(written, "mpegts", frames=frames, real_time=False)
    return written.getvalue()


def playlist(*segments, ended=True):
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2", "#EXT-X-MEDIA-SEQUENCE:0"]
    for segment in segments:
        lines += ["#EXTINF:2.0,", segment]
    return page("\n".join(lines + ["#EXT-X-ENDLIST"] * ended).encode() + b"\n", "application/vnd.apple.mpegurl")


def test_hls_plays_at_its_own_rate():
    """Two seconds arrive at once, and are shown over two seconds."""
    segment = transport_stream()
    pages = {"/live.m3u8": playlist("a.ts"), "/a.ts": page(segment, "video/mp2t")}
    with http_server(pages) as (address, _):
        source = make_source(f"stream:{address}/live.m3u8")
        source.open()
        stamps, ended = [], ""
        while not ended:
            try:
                frame = source.read(0.25)
            except BridgeError as error:
                ended = str(error)
            else:
                stamps.extend([] if frame is None else [frame.captured_at])
        assert "has ended" in ended
        assert len(stamps) > 20
        assert stamps[-1] - stamps[0] > 1.7e9
        source.close()


def test_playlist_opens_no_local_file(tmp_path):
    """A playlist of a remote host names files of this machine, by URL, by path, and through another playlist."""
    local = tmp_path / "secret.ts"
    local.write_bytes(transport_stream(30))
    with av.open(str(local)) as container:
        assert next(container.decode(video=0)), "it would play if it were opened"
    inner = tmp_path / "inner.m3u8"
    inner.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n{local}\n#EXT-X-ENDLIST\n")
    pages = {
        f"/{number}.m3u8": playlist(segment)
        for number, segment in enumerate(
            [
                f"file://{local}",
                f"file:{local}",
                f"concat:{local}",
                f"subfile,,start,0,end,0,,:{local}",
                f"file://{inner}",
            ]
        )
    }
    script = f"ffconcat version 1.0\nfile '{local}'\n".encode()
    pages["/concat"] = page(script, "text/plain")
    pages["/concat.ffconcat"] = page(script, "application/octet-stream")

    def redirect(request):
        request.send_response(302)
        request.send_header("Location", f"file://{local}")
        request.end_headers()

    pages["/moved"] = redirect
    with http_server(pages) as (address, asked):
        for path in pages:
            source = make_source(f"stream:{address}{path}")
            source.open()
            assert read_error(source)
            assert source.status()["pictures"] == 0
            source.close()
        assert set(asked) == set(pages)


def test_whitelist_is_what_refuses(monkeypatch, tmp_path):
    """Without the limits of the formats, the concat script of the test above is understood."""
    local = tmp_path / "secret.ts"
    local.write_bytes(transport_stream(30))
    script = f"ffconcat version 1.0\nfile 'file:{local}'\n".encode()
    with http_server({"/concat": page(script, "text/plain")}) as (address, _):
        with pytest.raises(av.error.FFmpegError) as closed:
            av.open(f"{address}/concat", options={"format_whitelist": PROTOCOLS["http"].formats})
        limits = {"protocol_whitelist": "http,tcp,file", "safe": "0"}
        with av.open(f"{address}/concat", options=limits) as container:
            assert next(container.decode(video=0))
        assert closed.value


@pytest.mark.parametrize(
    "address",
    ["clip.mp4", "/etc/passwd", "file:///etc/passwd", "concat:http://a/b", "pipe:0", "data://a", "lavfi://a", "http:a",
     "http://a b", "http://a\nb"],
)  # fmt: skip
def test_other_addresses_are_refused(address):
    with pytest.raises(SettingsError, match=r"is not a stream's address\. It starts with http://"):
        StreamSource(address)


def test_query_belongs_to_the_address():
    assert parse("stream:http://a/b?token=1&listen=0", "source").location == "http://a/b?token=1&listen=0"
    parsed = parse("stream:http://a/b?token=1?listen=1", "source")
    assert (parsed.location, dict(parsed.options)) == ("http://a/b?token=1", {"listen": True})
    assert parse("stream:rtsp://a/b?transport=udp", "source").options["transport"] == "udp"
    assert parse("stream:http://a/b?", "source").location == "http://a/b"


def test_password_is_not_shown():
    source = make_source("stream:rtsp://eve:s3cret@127.0.0.1:1/a")
    source.open()
    shown = f"{source.status()} {read_error(source)}"
    assert "rtsp://eve:***@127.0.0.1:1/a" in shown
    assert "s3cret" not in shown
    assert without_password("stream:rtsp://eve:s3cret@a/b") == "stream:rtsp://eve:***@a/b"
    for plain in ("ndi:A (b)", "stream:rtsp://eve@a/b", "file:C:\\a@b", "http://a:80/b@c"):
        assert without_password(plain) == plain
    with pytest.raises(SettingsError) as caught:
        make_source("stream:ftp://eve:s3cret@a/b")
    assert "s3cret" not in str(caught.value)


def test_refused_connection_is_an_error():
    source = make_source(f"stream:http://127.0.0.1:{free_port()}/a")
    source.open()
    assert "cannot be opened: Connection refused" in read_error(source)
    source.close()


def test_silent_server_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = make_source(f"stream:tcp://127.0.0.1:{silent.getsockname()[1]}")
        source.open()
        assert "does not answer within 5 s" in read_error(source)
        source.close()


def test_stream_without_video_is_an_error():
    with http_server({"/page": page(b"<html>not a stream</html>" * 100, "text/html")}) as (address, _):
        source = make_source(f"stream:{address}/page")
        source.open()
        assert "cannot be opened" in read_error(source)
        source.close()
        missing = make_source(f"stream:{address}/nothing")
        missing.open()
        assert "cannot be opened: " in read_error(missing)
        missing.close()


@pytest.mark.parametrize("seed", range(8))
def test_damaged_stream_is_survived(seed):
    data = bytearray(transport_stream(90))
    random = np.random.default_rng(seed)
    for at in random.integers(2000, len(data), 60):
        data[at : at + 20] = random.bytes(20)
    with http_server({"/a.ts": page(bytes(data), "video/mp2t")}) as (address, _):
        source = make_source(f"stream:{address}/a.ts")
        source.open()
        assert read_error(source)
        source.close()


def test_slow_decoder_skips_to_key_frames(monkeypatch, tmp_path):
    """Read a file, which is there at once, with a decoder that takes ten milliseconds for each frame."""
    monkeypatch.setattr(grabber, "_BEHIND_SECONDS", 0.2)
    monkeypatch.setattr(grabber, "_WAIT_SECONDS", 60)  # A busy machine reads a file slowly.
    path = tmp_path / "fast.ts"
    path.write_bytes(transport_stream(300))
    shown = []

    def decode_slowly(frame, stopping):
        shown.append(frame)
        time.sleep(0.01)
        return False

    behind = FrameGrabber("a test", lambda stopping: av.open(str(path)), decode_slowly)
    with contextlib.suppress(BridgeError):
        while behind.is_running:
            behind.take(0.1)
    assert behind.is_hurried
    assert 20 < len(shown) < 150
    assert all(frame.key_frame for frame in shown[-5:])


def test_read_before_open_is_refused():
    with pytest.raises(BridgeError, match="before it was open"):
        make_source("stream:http://a/b").read(0)
