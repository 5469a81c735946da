"""The process of a device crashes, hangs and comes back. Its messages wait in bounded queues."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_bridges.midi import device as device_module
from io_bridges.midi.decoding import MidiDecoder
from io_bridges.midi.device import MidiDevice
from io_bridges.midi.device_report import DeviceReport, decode_line, encode_messages
from io_bridges.midi.message_queue import MOST_EVENTS, MessageQueue

OPEN = json.dumps(asdict(DeviceReport("open", "", "Box in", "Box out", ("Box in",), ("Box out",))))
OPENING = json.dumps(asdict(DeviceReport("opening", "", "Box in")))

Make = Callable[[str], MidiDevice]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes a device whose process runs this Python code."""
    made: list[MidiDevice] = []

    def device(code: str) -> MidiDevice:
        made.append(MidiDevice("box", lambda: None, (sys.executable, "-c", code)))
        return made[-1]

    yield device
    for each in made:
        each.close()


def tend(device: MidiDevice, condition: Callable[[], object]) -> None:
    """Tend the device until a condition is true."""
    until = time.monotonic() + 60
    while not condition():
        device.tend(time.monotonic())
        assert time.monotonic() < until, "the condition did not become true in time"
        time.sleep(0.01)


def test_messages_pass_both_ways(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "got"
    device = make(
        f"import sys; print('words of a library'); print({OPEN!r}); print('[[0.5, 176, 7, 3]]', flush=True);"
        f"open({str(file)!r}, 'w').write(sys.stdin.readline()); sys.stdin.read()"
    )
    tend(device, lambda: device.report.state == "open")
    assert device.opened()
    assert not device.opened()
    device.send({"first": b"\xb0\x01\x02"})
    tend(device, lambda: file.exists() and file.read_text())
    assert decode_line(file.read_bytes()) == [(0.0, b"\xb0\x01\x02")]
    assert device.take() == [(0.5, b"\xb0\x07\x03")]
    assert device.status()["received"] == 1
    assert device.problem == ""


def test_lost_device_is_started_again(make: Make) -> None:
    device = make(f"print({OPEN!r}, flush=True); import time; time.sleep(0.2)")
    tend(device, lambda: device.status()["lost"] == 2)
    assert device.status()["state"] == "searching"
    assert device.problem == "no MIDI port has 'box' in its name; it is looked for"
    assert device.report.inputs == ("Box in",), "the ports that it told of are still shown"


def test_crash_while_opening_names_the_port(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_module, "FIRST_DELAY", 0.01)
    device = make(f"print({OPENING!r}, flush=True); import os; os.abort()")
    tend(device, lambda: device.status()["restarts"] == 2)
    assert device.problem == "Box in can't be opened; another program may have it, or it was pulled out"


def test_hung_process_is_killed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    device = make(f"print({OPEN!r}, flush=True); import time; time.sleep(1000)")
    tend(device, lambda: device.report.state == "open")
    monkeypatch.setattr(device_module, "SILENCE", 0.1)
    for _ in range(20_000):  # more than the pipe of a process that does not read takes
        device.send(dict.fromkeys(range(8), b"\xb0\x01\x02"))
    tend(device, lambda: device.status()["lost"] == 1)
    assert device.status()["hangs"] == 1


def test_missing_extra_is_told(make: Make) -> None:
    failed = json.dumps(asdict(DeviceReport("failed", "The package rtmidi2 is not installed.")))
    device = make(f"print({failed!r}, flush=True)")
    tend(device, lambda: device.status()["restarts"] == 1)
    assert device.problem == "The package rtmidi2 is not installed."


@given(moves=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 127)), max_size=200))
def test_no_press_is_lost_in_a_flood(moves: list[tuple[int, int]]) -> None:
    queue, all_of_them = MessageQueue(), MidiDecoder()
    for number, value in moves:
        queue.add(0.0, [0xB0, number, value])
    taken = queue.take()
    assert len(taken) <= 8
    last = dict(moves)
    assert {data[1]: data[2] for _, data in taken} == last
    pressed = {number for number, value in moves if all_of_them.decode([0xB0, number, value])[0].pressed}
    decoder = MidiDecoder()
    assert {data[1] for _, data in taken if decoder.decode(data)[0].pressed} == pressed


def test_events_are_bounded_and_in_order() -> None:
    queue = MessageQueue()
    for place in range(MOST_EVENTS + 10):
        queue.add(float(place), [0x90, place % 128, 1])
        queue.add(float(place), [0xB0, 1, 1])
    taken = queue.take()
    assert [seconds for seconds, _ in taken] == [*map(float, range(10, MOST_EVENTS + 10)), MOST_EVENTS + 9.0]
    assert (queue.dropped, queue.superseded) == (10, MOST_EVENTS + 9)
    assert queue.take() == []


@given(line=st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | st.just(b'[[1, 2, "x"]]\n'))
def test_no_line_raises(line: bytes) -> None:
    found = decode_line(line)
    assert found is None or found == [] or decode_line(encode_messages(found)) == found  # type: ignore[arg-type]
