"""Bridges that fail, hang and recover, on real threads."""

import threading
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hand_clock import HandClock

from daemon.shared.clock import NS, SystemClock
from daemon.stage.newest_frame import NewestFrame
from daemon.stage.sink_thread import SinkThread
from daemon.stage.source_thread import Fitting, SourceThread
from daemon.stage.tick_picker import TickPicker
from io_bridges.frames import Frame, RenderedFrame, Tick
from io_bridges.framing import FitMode, Framing
from presets.errors import BridgeError
from presets.parameters import Parameters


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.005)


def frame(index: int, width: int = 64, height: int = 48) -> Frame:
    return Frame(np.full((height, width, 3), index, dtype=np.uint8), index, 1)


class Camera:
    """A source that follows a script and records the threads that call it."""

    def __init__(self, *script: Frame | Exception | threading.Event | None) -> None:
        self.script = list(script)
        self.opened = self.closed = 0
        self.threads: set[int] = set()
        self.refuses_to_open = 0

    def open(self) -> None:
        self.threads.add(threading.get_ident())
        self.opened += 1
        if self.refuses_to_open:
            self.refuses_to_open -= 1
            raise BridgeError("the camera is not plugged in")

    def read(self, timeout: float) -> Frame | None:
        self.threads.add(threading.get_ident())
        if not self.script:
            time.sleep(0.01)
            return None
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, threading.Event):
            step.wait(30)
            return None
        return step

    def close(self) -> None:
        self.threads.add(threading.get_ident())
        self.closed += 1

    def status(self) -> dict[str, object]:
        return {"kind": "camera"}


def source_thread(
    camera: Camera, clock: HandClock | SystemClock, fitting: Callable[[], Fitting] = lambda: Fitting(32, 32)
) -> tuple[SourceThread, NewestFrame]:
    newest = NewestFrame(clock, Parameters)
    return SourceThread("camera:", camera, clock, newest, fitting), newest


def test_frames_are_fitted_on_the_source_thread() -> None:
    camera = Camera(frame(1), frame(2))
    thread, newest = source_thread(camera, SystemClock())
    thread.start()
    until(lambda: newest.peek()[1] == 2)
    thread.stop()
    thread.join(10)
    taken, _ = newest.peek()
    assert taken is not None
    assert taken.pixels.shape == (32, 32, 3)
    assert taken.index == 2
    assert camera.threads == {thread.ident}
    assert (camera.opened, camera.closed) == (1, 1)


def test_still_frame_is_fitted_again() -> None:
    """The controls act on the last frame of a source that gives no others."""
    pixels = np.zeros((32, 64, 3), dtype=np.uint8)
    pixels[:, 48:] = 200
    wanted = [Fitting(32, 32)]
    camera = Camera(Frame(pixels, 7, 5))
    thread, newest = source_thread(camera, SystemClock(), lambda: wanted[0])
    thread.start()

    def taken() -> Frame:
        frame, _ = newest.peek()
        return frame or Frame(pixels, -1, 0)

    until(lambda: taken().index == 7)
    assert (taken().pixels.max(), taken().captured_at) == (0, 5), "the middle"
    wanted[0] = Fitting(32, 32, Framing(pan_x=1.0))
    until(lambda: taken().pixels.max() == 200)
    assert (taken().index, taken().captured_at) == (7, 0), "its capture is no measure of the delay"
    _, serial = newest.peek()
    wanted[0] = Fitting(16, 64)
    until(lambda: taken().pixels.shape == (64, 16, 3))
    assert newest.peek()[1] == serial + 1, "once for each change"
    assert thread.rate.total == 1, "no frame has come"
    thread.stop()
    thread.join(10)


def test_repeated_still_is_fitted_once() -> None:
    pixels = np.zeros((64, 64, 3), dtype=np.uint8)
    pixels.flags.writeable = False
    camera = Camera()
    thread, newest = source_thread(camera, SystemClock())
    thread.start()
    taken: list[Frame] = []
    for number in range(2):
        camera.script.append(Frame(pixels, number, 10 + number))
        until(lambda: newest.peek()[1] == number + 1)  # noqa: B023  read before the loop goes on
        found, _ = newest.peek()
        assert found is not None
        taken.append(found)
    thread.stop()
    thread.join(10)
    assert taken[0].pixels is taken[1].pixels
    assert [(each.index, each.captured_at) for each in taken] == [(0, 10), (1, 11)]


def test_failed_source_is_reopened() -> None:
    camera = Camera(frame(1), BridgeError("the cable came out"), frame(2))
    thread, newest = source_thread(camera, SystemClock())
    thread.start()
    until(lambda: newest.peek()[1] == 2)
    thread.stop()
    thread.join(10)
    assert (camera.opened, camera.closed) == (2, 2)
    assert thread.status()["failures"] == 1
    assert thread.status()["failure"] == "", "it is open again"


def test_first_failed_opening_raises() -> None:
    camera = Camera()
    camera.refuses_to_open = 1
    thread, _ = source_thread(camera, SystemClock())
    thread.start()
    with pytest.raises(BridgeError, match="not plugged in"):
        thread.wait_until_open(10)
    thread.join(10)
    assert not thread.is_alive()
    assert camera.closed == 1


def test_hung_call_is_trouble() -> None:
    stuck = threading.Event()
    camera = Camera(frame(1), stuck)
    clock = HandClock()
    thread, newest = source_thread(camera, clock)
    thread.start()
    until(lambda: newest.peek()[1] == 1 and not camera.script)
    assert not thread.trouble
    clock.time += 6 * NS
    until(lambda: "does not return" in thread.trouble)
    thread.stop()
    stuck.set()
    thread.join(10)
    assert not thread.trouble


def test_opening_is_tried_again() -> None:
    camera = Camera(frame(1))
    camera.refuses_to_open = 2
    thread, newest = source_thread(camera, SystemClock())
    thread.start()
    until(lambda: newest.peek()[1] == 1)
    assert thread.status()["failures"] == 2
    thread.stop()
    thread.join(10)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_crashed_thread_is_trouble() -> None:
    defective, sound = Camera(ZeroDivisionError("a defect")), Camera()
    broken, _ = source_thread(defective, SystemClock())
    stopped, _ = source_thread(sound, SystemClock())
    assert not broken.trouble, "it has not started"
    for thread in (broken, stopped):
        thread.start()
    until(lambda: "crashed" in broken.trouble)
    assert defective.closed == 1
    stopped.stop()
    stopped.join(10)
    assert not stopped.trouble


class Screen:
    """A sink that records what it gets."""

    def __init__(self) -> None:
        self.size: tuple[int, int, float] | None = None
        self.shown: list[tuple[RenderedFrame, Tick]] = []

    def open(self, width: int, height: int, fps: float) -> None:
        self.size = (width, height, fps)

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        self.shown.append((frame, tick))

    def close(self) -> None:
        pass

    def status(self) -> dict[str, object]:
        return {}


def rendered(index: int, side: int) -> RenderedFrame:
    return RenderedFrame(np.zeros((side, side, 3), dtype=np.uint8), index, index, 5, 9)


def test_held_picture_is_scaled_once() -> None:
    screen = Screen()
    thread = SinkThread("screen:", screen, SystemClock(), 32, 16, 25.0)
    thread.start()
    thread.wait_until_open(10)
    held = rendered(1, 64)
    for tick in range(2):
        thread.put((held, Tick(tick, 0, tick > 0)))
        until(lambda tick=tick: len(screen.shown) == tick + 1)
    thread.stop()
    thread.join(10)
    first, second = (shown for shown, _ in screen.shown)
    assert first is second
    assert first.pixels.shape == (16, 32, 3)
    assert (first.index, first.captured_at, first.revision) == (1, 5, 9)
    assert screen.size == (32, 16, 25.0)


@pytest.mark.parametrize(("mode", "lit"), [("fit", 16 * 16), ("fill", 32 * 16), ("stretch", 32 * 16)])
def test_picture_of_another_shape(mode: FitMode, lit: int) -> None:
    """The whole picture goes out between bars. A sink can ask for a cropped or a distorted one."""
    screen = Screen()
    thread = SinkThread("screen:", screen, SystemClock(), 32, 16, 25.0, framing=Framing(mode))
    thread.start()
    # Its upper half is red: the crop of `fill` leaves the middle, half red.
    picture = np.full((64, 64, 3), (0, 0, 200), np.uint8)
    picture[:32] = (200, 0, 0)
    thread.put((RenderedFrame(picture, 1, 1, 5, 9), Tick(0, 0, False)))
    until(lambda: screen.shown)
    thread.stop()
    thread.join(10)
    shown = screen.shown[0][0].pixels
    assert int(shown.any(axis=2).sum()) == lit
    assert (shown[7, 16] == (200, 0, 0)).all()
    assert (shown[8, 16] == (0, 0, 200)).all()


def test_picture_of_the_right_size_is_passed_on() -> None:
    screen = Screen()
    thread = SinkThread("screen:", screen, SystemClock(), 64, 64, 25.0)
    thread.start()
    picture = rendered(1, 64)
    thread.put((picture, Tick(0, 0, False)))
    until(lambda: screen.shown)
    thread.stop()
    thread.join(10)
    assert screen.shown[0][0] is picture


def test_latency_of_a_sink() -> None:
    """Each picture counts once, from its capture until it was written. One without a capture does not count."""
    clock, screen = HandClock(), Screen()
    thread = SinkThread("screen:", screen, clock, 8, 8, 25.0, number=3)
    thread.start()
    thread.wait_until_open(10)
    assert (thread.status()["latency_ms"], thread.status()["latency_p99_ms"]) == (None, None)
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    captured = clock.now()
    for tick, (index, at, later) in enumerate([(1, captured, 30), (1, captured, 500), (2, 0, 0), (3, captured, 10)]):
        clock.time += later * NS // 1000
        thread.put((RenderedFrame(pixels, index, index, at, 0), Tick(tick, 0, False)))
        until(lambda tick=tick: thread.rate.total == tick + 1)
    status = thread.status()
    assert (status["latency_ms"], status["latency_p99_ms"]) == (540.0, 540.0)
    assert (status["number"], status["size"], status["rate"]) == (3, "8x8", 25.0)
    thread.stop()
    thread.join(10)


def test_sink_with_a_rate_of_its_own() -> None:
    screen = Screen()
    thread = SinkThread("screen:", screen, SystemClock(), 64, 64, 10.0, TickPicker(Fraction(10), Fraction(30)))
    thread.start()
    thread.wait_until_open(10)
    for tick, repeated in enumerate([False, True, True, True, False, True, True, True, True, True]):
        thread.put((rendered(1, 64), Tick(100 + tick, 0, repeated)))
        until(lambda tick=tick: len(screen.shown) == tick // 3 + 1)
    thread.stop()
    thread.join(10)
    assert [(tick.index, tick.repeated) for _, tick in screen.shown] == [(0, False), (1, True), (2, False), (3, True)]
    assert screen.size == (64, 64, 10.0)
