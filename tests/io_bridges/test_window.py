"""``window:`` sink: the pixels on a virtual X server, keys, and a window that is closed, killed, hung or unplugged."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
from picture_without_symmetry import picture, rendered, tick

from daemon.doctor.display_search import search_displays
from daemon.shared.clock import SystemClock
from daemon.stage.bridge_set import BridgeSet
from daemon.stage.sink_thread import SinkThread
from io_bridges.lazy_imports import opencv
from io_bridges.uri import make_sink
from presets.errors import BridgeError, BridgeUnavailable

pytest.importorskip("sdl2")
if sys.platform != "linux":
    pytest.skip("it wants a virtual X server", allow_module_level=True)

from x_server import PRIMARY, PROJECTOR, XServer, attempts


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A laptop with a projector."""
    server = XServer(tmp_path)
    monkeypatch.setenv("DISPLAY", server.name)
    monkeypatch.setenv("LIBGL_ALWAYS_SOFTWARE", "1")
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    server.plug_in(PRIMARY, PROJECTOR)
    yield server
    server.close()


@pytest.fixture
def opened(server):
    """A function that opens sinks by their URI and leaves none behind."""
    sinks = []

    def open_(uri, size):
        sink = make_sink(uri)
        sinks.append(sink)
        sink.open(*size, 30.0)
        play_until(sink, lambda: sink.status()["window"] != "starting")
        return sink

    yield open_
    for sink in sinks:
        sink.close()


def play_until(sink, done, pixels=None):
    """Write pictures until something is so."""
    frame = rendered(picture(64, 64) if pixels is None else pixels)
    for _ in attempts():
        if pixels is not None:
            sink.write(frame, tick())
        if done():
            return
    raise AssertionError(f"it never came: {sink.status()}")


def play_thread_until(thread, done, pixels=None):
    """Write pictures through the sink's thread until something is so."""
    frame = rendered(picture(*PROJECTOR) if pixels is None else pixels)
    for _ in attempts():
        thread.put((frame, tick()))
        if done():
            return
    raise AssertionError(f"it never came: {thread.status()}")


def on_display(server, number):
    """Return RGB of one of the two displays."""
    screenshot = server.screenshot()
    width, height = PRIMARY
    return screenshot[:height, :width] if number == 1 else screenshot[: PROJECTOR[1], width:]


def shows(server, number, expected, tolerance=0):
    difference = on_display(server, number).astype(int) - expected
    return np.abs(difference).max() <= tolerance


def child_of(sink):
    return psutil.Process(sink._process.pid)


def segments():
    return {path.name for path in Path("/dev/shm").glob("window-*")}


def test_projector_shows_the_picture(server, opened):
    shown = picture(*PROJECTOR)
    sink = opened("window:", PROJECTOR)
    play_until(sink, lambda: shows(server, 2, shown), shown)
    later = picture(*PROJECTOR, seed=90)
    play_until(sink, lambda: shows(server, 2, later), later)
    assert not on_display(server, 1).any(), "the laptop's own screen is left alone"
    status = sink.status()
    assert (status["window"], status["display"], status["size"]) == ("full screen", 2, "320x240")


@pytest.mark.parametrize(
    ("fit", "target"), [("fit", (40, 0, 240, 240)), ("fill", (0, -40, 320, 320)), ("stretch", (0, 0, 320, 240))]
)
def test_square_picture_on_a_wide_screen(server, opened, fit, target):
    cv2 = opencv()
    small = cv2.resize(np.ascontiguousarray(picture(40, 40)), (120, 120), interpolation=cv2.INTER_LINEAR)
    x, y, width, height = target
    expected = np.zeros((240, 320, 3), int)
    scaled = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    expected[max(y, 0) :, x : x + width] = scaled[max(-y, 0) : max(-y, 0) + 240]
    sink = opened(f"window:?display=2&fit={fit}", (120, 120))
    play_until(sink, lambda: shows(server, 2, expected, 8), small)


def test_named_display_is_full_screen(server, opened):
    shown = picture(*PRIMARY)
    sink = opened("window:?display=1", PRIMARY)
    play_until(sink, lambda: shows(server, 1, shown), shown)


def test_single_display_gets_a_plain_window(server, opened):
    server.plug_in(PRIMARY)
    sink = opened("window:", (200, 100))
    shown = picture(200, 100)
    expected = np.zeros((PRIMARY[1], PRIMARY[0], 3), np.uint8)
    expected[150:250, 220:420] = shown
    play_until(sink, lambda: shows(server, 1, expected), shown)
    window, connection = server.window()
    window.configure(width=400)
    connection.sync()
    # The stage writes nothing: the last picture is drawn again, between bars.
    play_until(sink, lambda: np.array_equal(server.screenshot()[150:250, 320:520], shown))
    connection.close()


@pytest.mark.parametrize(("uri", "visible"), [("window:", False), ("window:?fullscreen=0", True)])
def test_full_screen_hides_the_cursor(server, opened, uri, visible):
    server.point(PRIMARY[0] + 160, 120)
    sink = opened(uri, (200, 200))
    play_until(sink, lambda: server.windows() == 1 and server.cursor_is_visible() == visible, picture(200, 200))
    server.point(10, 10)
    assert server.cursor_is_visible()


def test_unplugged_projector_comes_back(server):
    thread = SinkThread("window:", make_sink("window:"), SystemClock(), *PROJECTOR, 30.0)
    thread.start()
    try:
        thread.wait_until_open(60)
        play_thread_until(thread, lambda: shows(server, 2, picture(*PROJECTOR)))
        server.plug_in(PRIMARY)
        play_thread_until(thread, lambda: "no display 2" in thread.status()["failure"])
        assert not server.screenshot().any(), "the performer's own screen is left alone"
        server.plug_in(PRIMARY, PROJECTOR)
        play_thread_until(thread, lambda: shows(server, 2, picture(*PROJECTOR)))
    finally:
        thread.stop()
        thread.join(60)


@pytest.mark.parametrize("key", ["Escape", "q"])
def test_key_leaves_full_screen(server, opened, key):
    sink = opened("window:?display=2", (64, 64))
    play_until(sink, lambda: sink.status()["shown"] > 0, picture(64, 64))
    server.press(key)
    play_until(sink, lambda: server.window_size() == (64, 64), picture(64, 64))
    play_until(sink, lambda: sink.status()["window"] == "open", picture(64, 64))
    server.press("f")
    play_until(sink, lambda: server.window_size() == PROJECTOR, picture(64, 64))
    play_until(sink, lambda: sink.status()["window"] == "full screen", picture(64, 64))


def test_closed_window_stays_closed(server, opened):
    sink = opened("window:", (64, 64))
    process = child_of(sink)
    server.press_close()
    play_until(sink, lambda: sink.status()["window"] == "closed", picture(64, 64))
    process.wait(60)
    for _ in range(3):
        sink.close()
        sink.open(64, 64, 30.0)
        sink.write(rendered(picture(64, 64)), tick())
        assert sink.status()["window"] == "closed"
    assert sink.status()["stopped"] == "the window was closed"
    assert server.windows() == 0


def test_closed_window_is_opened_by_request(server):
    def make():
        return SinkThread("window:", make_sink("window:"), SystemClock(), *PROJECTOR, 30.0, number=1)

    bridges = BridgeSet(lambda: None, [make])
    bridges.sinks[0].start()
    try:
        bridges.sinks[0].wait_until_open(60)
        play_thread_until(bridges.sinks[0], lambda: shows(server, 2, picture(*PROJECTOR)))
        with pytest.raises(BridgeError, match="it is open"):
            bridges.exchange_stopped(1)
        server.press_close()
        play_thread_until(bridges.sinks[0], lambda: bridges.sinks[0].stopped == "the window was closed")
        former, successor = bridges.exchange_stopped(1)
        former.join(60)
        successor.start()
        assert bridges.sinks == (successor,)
        later = picture(*PROJECTOR, seed=33)
        play_thread_until(successor, lambda: shows(server, 2, later), later)
    finally:
        for sink in bridges.sinks:
            sink.stop()
            sink.join(60)


def test_killed_window_opens_again(server):
    before = segments()
    thread = SinkThread("window:", make_sink("window:"), SystemClock(), *PROJECTOR, 30.0)
    thread.start()
    try:
        thread.wait_until_open(60)
        play_thread_until(thread, lambda: shows(server, 2, picture(*PROJECTOR)))
        child_of(thread._sink).kill()
        later = picture(*PROJECTOR, seed=33)
        play_thread_until(thread, lambda: shows(server, 2, later), later)
        assert thread.failures >= 1
    finally:
        thread.stop()
        thread.join(60)
    assert not thread.is_alive()
    assert segments() == before


def test_killed_window_is_reported(server, opened):
    sink = opened("window:", (64, 64))
    child_of(sink).send_signal(signal.SIGKILL)
    with pytest.raises(BridgeError, match="ended with signal 9"):
        play_until(sink, lambda: False, picture(64, 64))


def test_stopped_window_blocks_no_write(server, opened):
    sink = opened("window:", PROJECTOR)
    shown, unseen = picture(*PROJECTOR), picture(*PROJECTOR, seed=120)
    play_until(sink, lambda: shows(server, 2, shown), shown)
    child = child_of(sink)
    child.suspend()
    ended = threading.Event()

    def write():
        for _ in range(300):
            sink.write(rendered(unseen), tick())
        ended.set()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert ended.wait(60)
    assert shows(server, 2, shown), "it holds the last picture"
    with pytest.raises(BridgeError, match="not responded"):
        play_until(sink, lambda: False, unseen)
    sink.close()
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    sink.open(*PROJECTOR, 30.0)
    play_until(sink, lambda: shows(server, 2, unseen), unseen)


def test_silence_is_measured_in_time(server, opened):
    """The rate of the output may change while the window is open, and the machine may be suspended."""
    sink = opened("window:", (64, 64))
    child_of(sink).suspend()
    at, reports = 0, sink._process.reports

    def wait(seconds, fps):
        nonlocal at
        for _ in range(round(fps * seconds)):
            at += round(1e9 / fps)
            sink._watch(reports, at)

    wait(10, fps=240)  # opened with 30: counted in ticks it would hang by now
    wait(60, fps=1)  # each tick after a pause counts as one of 30 a second: two seconds
    wait(2, fps=60)
    with pytest.raises(BridgeError, match="not responded"):
        wait(2, fps=60)


def test_silent_stage_keeps_the_picture(server, opened):
    sink = opened("window:", PROJECTOR)
    shown = picture(*PROJECTOR)
    play_until(sink, lambda: shows(server, 2, shown), shown)
    reports = sink._process.reports
    for _ in attempts():  # four reports are longer than a writer may be silent
        assert shows(server, 2, shown)
        if sink._process.reports >= reports + 4:
            return
    raise AssertionError("the window does not report")


STAGE = """
import os, signal, sys
from io_bridges.uri import make_sink
sink = make_sink("window:")
sink.open(64, 64, 30.0)
print(sink._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_window_ends_with_its_stage(server):
    before = segments()
    done = subprocess.run([sys.executable, "-c", STAGE], capture_output=True, check=False, timeout=100)
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    for _ in attempts():
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            break
    else:
        raise AssertionError("the window outlives its stage")
    assert segments() == before
    for _ in attempts():
        if server.windows() == 0:
            return
    raise AssertionError("the window is still there")


def test_absent_display_is_refused(server):
    sink = make_sink("window:?display=3")
    with pytest.raises(BridgeUnavailable, match=r"no display 3. .*2 \(.*, 320x240\)"):
        open_until_refused(sink)


def test_displays_are_listed(server, opened):
    command = [sys.executable, "-m", "daemon", "displays", "--json"]
    listed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["displays"]
    sizes = [(each["width"], each["height"], each["x"]) for each in listed]
    assert sizes == [(*PRIMARY, 0), (*PROJECTOR, PRIMARY[0])]
    assert [each["default"] for each in listed] == [False, True]
    sink = opened(listed[0]["sink"], PRIMARY)
    assert sink.status()["display"] == 1


def test_machine_without_a_screen_is_refused(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    with pytest.raises(BridgeUnavailable, match="cannot be opened here"):
        open_until_refused(make_sink("window:"))


def test_pretended_display_is_refused(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(BridgeUnavailable, match="no display"):
        open_until_refused(make_sink("window:"))
    with pytest.raises(BridgeUnavailable, match="The displays cannot be listed: This machine has no display"):
        search_displays()
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    assert len(search_displays()) == 1


def open_until_refused(sink):
    """Open a sink. On a busy machine the refusal may come after `open`."""
    try:
        sink.open(64, 64, 30.0)
        for _ in attempts():
            sink._process.check()
    finally:
        sink.close()
