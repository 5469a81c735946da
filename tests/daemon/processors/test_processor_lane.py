"""One processor with real processes: its pictures, its memory, its pace, what it starts and what is left of it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from hand_clock import HandClock
from show import until

from daemon.commands.processors import examples
from daemon.processors.failure_pause import FAILURES_IN_A_ROW, FIRST_PAUSE, LONGEST_PAUSE, STAYS, FailurePause
from daemon.processors.picture_segments import Picture
from daemon.processors.processor_file import Moment, read_processor
from daemon.processors.processor_lane import ProcessorLane
from daemon.shared.clock import NS, SystemClock

MEMORY = 400 << 20
DOCUMENT = Path(__file__).parents[3] / "docs" / "processors.md"


def picture(value: int = 0, size: tuple[int, int] = (48, 64)) -> Picture:
    pixels = np.random.default_rng(value).integers(0, 256, (*size, 3), dtype=np.uint8)
    pixels.flags.writeable = False
    return pixels


class Rig:
    """A lane and its file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mine.py"
        self.lanes: list[ProcessorLane] = []

    def lane(self, text: str, moment: Moment = "before", patience: float = 5.0) -> ProcessorLane:
        self.path.write_text(text)
        lane = ProcessorLane(1, "mine", moment, SystemClock(), patience, MEMORY)
        self.file = read_processor(self.path)
        self.lanes.append(lane)
        return lane

    def changed(self, lane: ProcessorLane, given: Picture, *shares: float) -> Picture:
        """Give the picture until it is changed."""

        found: list[Picture] = []

        def attempt() -> bool:
            lane.tend(self.file)
            found[:] = [lane.process(given, shares)]
            return found[0] is not given

        until(attempt)
        return found[0]

    def until_told(self, lane: ProcessorLane, condition: Callable[[str], bool]) -> str:
        """Give pictures, which come back as they are, until the trouble is told."""

        def attempt() -> str:
            lane.tend(self.file)
            given = picture()
            assert lane.process(given, ()) is given
            time.sleep(0.01)
            return lane.trouble if condition(lane.trouble) else ""

        return str(until(attempt))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    for lane in made.lanes:
        lane.end()


def test_pictures_go_there_and_back(rig: Rig) -> None:
    lane = rig.lane('PARAMETERS = {"by": (0, 9, 0)}\n\n\ndef before(frame, by):\n    return frame[::-1] // 2 + by\n')
    for number, size in enumerate([(48, 64), (48, 64), (33, 17), (64, 128)]):
        given = picture(number, size)
        back = rig.changed(lane, given, 1.0)
        assert np.array_equal(back, given[::-1] // 2 + 9)
        assert not back.flags.writeable
    assert lane.status()["starts"] == 1
    shared = Path("/dev/shm")
    assert not list(shared.glob(f"sfp-{os.getpid()}-*")) if shared.exists() else True


def test_state_lasts_and_prints_harm_nothing(rig: Rig) -> None:
    text = (
        "import os, sys\ncount = 0\n\n\ndef before(frame):\n    global count\n    count += 1\n"
        "    print('x' * 100_000)\n    os.write(1, b'{\"picture\": 1}\\n[[[\\n')\n    sys.stdin.read()\n"
        "    return frame * 0 + count\n"
    )
    lane = rig.lane(text)
    found = [int(rig.changed(lane, picture(number)).max()) for number in range(3)]
    assert found == [1, 2, 3]


def test_examples_play(rig: Rig) -> None:
    lane = rig.lane(examples()["mirror"])
    given = picture()
    mirrored = rig.changed(lane, given, 0.0, 1.0)
    assert np.array_equal(mirrored[:, :32], given[:, :32])
    assert np.array_equal(mirrored[:, 32:], given[:, :32][:, ::-1])
    assert np.array_equal(rig.changed(lane, given, 1.0, 1.0)[24:], given[:24][::-1])
    assert np.array_equal(rig.changed(lane, given, 0.0, 0.0), given)
    trails = rig.lane(examples()["trails"], "after")
    white, black = np.full((8, 8, 3), 200, np.uint8), np.zeros((8, 8, 3), np.uint8)
    assert np.array_equal(rig.changed(trails, white, 0.5), white)
    assert rig.changed(trails, black, 0.5).max() == int(200 * 0.495)
    assert rig.changed(trails, black, 0.0).max() == 0


def test_processor_of_the_document_plays(rig: Rig) -> None:
    (text,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    white = np.full((64, 64, 3), 200, np.uint8)
    darkened = rig.changed(rig.lane(text), white, 1.0)
    assert darkened[0, 0].max() == 0
    assert darkened[32, 32].min() >= 199
    assert rig.changed(rig.lanes[0], white, 0.5)[0, 0].max() == 100


def test_growing_processor_ends_itself(rig: Rig) -> None:
    lane = rig.lane("def before(frame):\n    held = []\n    while True:\n        held.append(bytearray(1 << 26))\n")
    assert "mine.py:4: MemoryError" in rig.until_told(lane, lambda text: "Memory" in text or "memory" in text)


def test_slow_processor_is_stopped_for_a_while(rig: Rig) -> None:
    lane = rig.lane("import time\n\n\ndef before(frame):\n    time.sleep(0.3)\n    return frame // 2\n", patience=0.02)
    rig.until_told(lane, lambda text: "a picture took more than 0.02 s" in text and lane.status()["state"] != "playing")
    assert lane.status()["failures"] >= FAILURES_IN_A_ROW


def test_processor_dies_with_all_it_started(rig: Rig, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    text = (
        "import subprocess, sys\n"
        f"held = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(told)!r}, 'w').write(str(held.pid))\n\n\ndef before(frame):\n    return frame // 2\n"
    )
    lane = rig.lane(text)
    rig.changed(lane, picture())
    pid = int(told.read_text())
    assert psutil.pid_exists(pid)
    lane.end()
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.skipif(sys.platform == "win32", reason="wants SIGKILL")
def test_looping_processor_ends_with_a_killed_stage(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    (tmp_path / "mine.py").write_text(
        f"import os\nopen({str(told)!r}, 'w').write(str(os.getpid()))\nwhile True: pass\n\n\ndef before(frame): ...\n"
    )
    stage = (
        "import sys, time; from pathlib import Path\n"
        "from daemon.processors.processor_file import read_processor\n"
        "from daemon.processors.processor_process import ProcessorProcess\n"
        "from daemon.shared.clock import SystemClock\n"
        "held = ProcessorProcess(read_processor(Path(sys.argv[1])), 'before', SystemClock(), 1 << 29)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", stage, str(tmp_path / "mine.py")])
    until(lambda: told.exists() and told.read_text())
    pid = int(told.read_text())
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_pauses_grow_and_end_with_a_file() -> None:
    clock = HandClock()
    pause = FailurePause(clock)
    waits = []
    for _ in range(9):
        started = clock.time
        assert [pause.failed("mine.py:2: no") for _ in range(FAILURES_IN_A_ROW)] == [False, False, True]
        pause.stopped(started)
        waits.append((pause.next_start - clock.time) / NS)
        clock.time = pause.next_start + 60 * NS
        assert pause.trouble == "mine.py:2: no", "it lasts until a picture comes back"
    assert waits[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert waits[-1] == LONGEST_PAUSE
    pause.worked()
    assert pause.trouble == ""
    assert not pause.failed("once")
    assert pause.trouble == "once"
    clock.time += round(STAYS * NS) + 1
    assert pause.trouble == ""
    pause.forget()
    assert pause.next_start == clock.time
