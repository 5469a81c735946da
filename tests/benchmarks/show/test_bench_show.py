"""Tools that measure a show from outside: received frames, the relay, the OSC flood, child processes."""

import socket
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks.child_process import ChildProcess
from benchmarks.report.findings import NotMeasured
from benchmarks.show.card_sender import CardSender
from benchmarks.show.measure_show import end_of_longest_gap
from benchmarks.show.measure_switch import longest_hold_ms
from benchmarks.show.received_frames import (
    ReceivedFrame,
    distinct_fps,
    distinct_frames,
    interval_quantiles,
    intervals_ms,
    quantile,
    tick_intervals_ms,
)
from benchmarks.show.sink_reader import SinkReader
from daemon.renderer.echo_stream import arrival_stamp, stamp
from daemon.shared.clock import NS

OSC_SENDER = "benchmarks.show.osc_sender"


def frame(at: float, index: int, tick: int = 0) -> ReceivedFrame:
    return ReceivedFrame(round(at * NS), tick, index, index, 0, 1)


def test_repeated_frame_counts_once() -> None:
    held = [frame(tick / 30, 1 + tick // 3, tick) for tick in range(30)]  # ten frames, each shown three times
    assert distinct_fps(held, 0, NS) == 10
    assert [each.index for each in distinct_frames(held)] == list(range(1, 11))
    assert distinct_fps([frame(tick / 30, 7, tick) for tick in range(30)], 0, NS) == 1


def test_slates_and_old_frames_not_counted() -> None:
    indices = [-1, 0, 1, 2, -1, 2, 1, 3]
    received = [frame(place, index) for place, index in enumerate(indices)]
    assert [each.index for each in distinct_frames(received)] == [1, 2, 3]


def test_frame_counts_at_first_receipt() -> None:
    shown = [frame(0.9, 1), frame(1.1, 1), frame(1.5, 2), frame(2.0, 3)]
    assert distinct_fps(shown, NS, 2 * NS) == 1, "frame 1 came before the turn, frame 3 at its end"


def test_intervals_and_quantiles() -> None:
    assert intervals_ms([0, 10_000_000, 40_000_000]) == [10.0, 30.0]
    values = [float(value) for value in range(1, 1001)]
    assert quantile(values, 0.5) == 501
    assert interval_quantiles(values)["p999_ms"] == 1000
    assert interval_quantiles([5.0])["longest_ms"] == 5.0


def test_longest_hold_between_changes() -> None:
    shown = [frame(place / 10, index) for place, index in enumerate([1, 1, 2, 2, 2, 2, 3, 3])]
    assert longest_hold_ms(shown) == pytest.approx(400)
    assert longest_hold_ms(shown[:2]) == 0


def test_end_of_longest_gap() -> None:
    shown = [frame(0.0, 1), frame(0.1, 2), frame(0.9, 3), frame(1.0, 4)]
    assert end_of_longest_gap(shown) == shown[2]


def test_stopped_output_is_not_measured() -> None:
    with pytest.raises(NotMeasured, match="output of the show stopped"):
        tick_intervals_ms([frame(0.0, 1)])
    with pytest.raises(NotMeasured, match="fewer than two frames"):
        end_of_longest_gap([frame(0.0, 1), frame(0.1, 1), frame(0.2, 0)])


def test_relay_returns_stamped_frames(tmp_path: Path) -> None:
    with ChildProcess("benchmarks.show.frame_relay", tmp_path) as relay:
        ends = relay.ask({"do": "open"}, 60.0)
        reader, sender = SinkReader(ends["out"]), CardSender([ends["in"]], 64, 32, 60.0, jitter=0.001)
        reader.start()
        sender.start()
        try:
            first = reader.wait_for(lambda each: True, 60.0, "a frame")
            later = reader.wait_for(lambda each: each.index >= first.index + 5, 60.0, "another frame")
        finally:
            sender.stop()
            reader.stop()
    for each in (first, later):
        assert each.captured_at <= each.stamp <= each.at
    assert reader.since(later.at)[0] == later


def test_missing_frame_raises() -> None:
    with pytest.raises(NotMeasured, match=r"a slate did not come within 0\.01 s"):
        SinkReader("tcp://127.0.0.1:1").wait_for(lambda each: True, 0.01, "a slate")


def test_stamp_is_first_eight_bytes() -> None:
    picture = np.zeros((2, 4, 3), np.uint8)
    before = time.monotonic_ns()
    stamp(picture)
    assert before <= arrival_stamp(picture) <= time.monotonic_ns()
    assert arrival_stamp(picture) == int.from_bytes(picture.data.cast("B")[:8], "little")


def test_child_that_ends_early(tmp_path: Path) -> None:
    missing = ChildProcess("benchmarks.no_such_module", tmp_path)
    with missing as child, pytest.raises(NotMeasured, match="No module named"):
        child.ask({"do": "anything"}, 60.0)


def test_silent_child_times_out(tmp_path: Path) -> None:
    with ChildProcess(OSC_SENDER, tmp_path) as flood:
        flood.pause()
        with pytest.raises(NotMeasured, match=r"no answer within 0\.05 s"):
            flood.ask({"do": "flood"}, 0.05)
    assert not psutil.pid_exists(flood.pid)


def test_flood_sends_its_count(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, ChildProcess(OSC_SENDER, tmp_path) as flood:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(30)
        request = {"port": receiver.getsockname()[1], "address": "/strength", "low": 0.2, "high": 0.4}
        answer = flood.ask({"do": "flood", "rate": 200, "seconds": 0.3, **request}, 60.0)
        received = [receiver.recv(1000) for _ in range(answer["sent"])]
    assert answer["sent"] >= 1
    assert all(datagram.startswith(b"/strength\0\0\0,f\0\0") and len(datagram) == 20 for datagram in received)
