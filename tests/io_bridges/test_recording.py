"""``record:`` sink: real files, played back with PyAV, after a close, a SIGKILL and a full disk."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from io_bridges import disk_space
from io_bridges.card import draw_card
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.recording import encoders
from io_bridges.recording.sink import RecordingSink
from io_bridges.uri import make_sink
from presets.errors import BridgeError, BridgeUnavailable, SettingsError

av = pytest.importorskip("av")

SIZE = (128, 96)
FPS = 30.0
PERIOD = 1_000_000_000 // 30
ORIGIN = 987_654_321_000


def rendered(index, size=SIZE):
    return RenderedFrame(draw_card(index, *size), index, index, 0, 0)


def tick(number):
    return Tick(number, ORIGIN + number * PERIOD, repeated=False)


def record(sink, numbers, size=SIZE, fps=FPS):
    """Write the card of each number at its time."""
    sink.open(*size, fps)
    for number in numbers:
        sink.write(rendered(number, size), tick(number))
    sink.close()


def play(path):
    """Return times in seconds and RGB of the frames that can be decoded."""
    times, frames = [], []
    with av.open(str(path)) as container:
        try:
            for frame in container.decode(video=0):
                times.append(float(frame.pts * frame.time_base))
                frames.append(frame.to_ndarray(format="rgb24"))
        except av.error.InvalidDataError:
            pass  # The last fragment of a killed recording is cut.
    return times, frames


def write_until_refused(sink, size, before=lambda number: None):
    """Write up to 2000 cards. Return the number of the refused one and the error."""
    for number in range(2000):
        before(number)
        try:
            sink.write(rendered(number, size), tick(number))
        except BridgeError as error:
            return number, error
    raise AssertionError("nothing was refused")


def closest_card(pixels, count):
    errors = [np.abs(pixels.astype(int) - draw_card(index, *SIZE)).mean() for index in range(count)]
    return int(np.argmin(errors)), min(errors)


@pytest.mark.parametrize(
    ("name", "options", "codec", "loss"),
    [
        ("a.mp4", "", "h264", 6),
        ("a.mov", "?quality=100", "h264", 6),
        ("a.mkv", "?quality=30", "h264", 12),
        ("a.mp4", "?codec=hevc", "hevc", 6),
        ("a.mov", "?codec=prores", "prores", 4),
        ("a.mkv", "?codec=ffv1", "ffv1", 0),
    ],
)
def test_recording_plays_back(tmp_path, name, options, codec, loss):
    sink = make_sink(f"record:{tmp_path / name}{options}")
    record(sink, range(40))
    times, frames = play(tmp_path / name)
    assert len(frames) == 40
    for index in (0, 17, 39):
        found, error = closest_card(frames[index], 40)
        assert found == index
        assert error <= loss
        assert times[index] == pytest.approx(index / 30, abs=0.002)
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == codec
        assert stream.average_rate == 30
        assert container.duration / av.time_base == pytest.approx(40 / 30, abs=0.04)
    status = sink.status()
    assert (status["path"], status["pictures"], status["seconds"]) == (str(tmp_path / name), 40, 1.3)
    assert status["encoder"]


def test_quality_changes_the_size(tmp_path):
    sizes = []
    for quality in (10, 60, 100):
        path = tmp_path / f"{quality}.mp4"
        record(RecordingSink(str(path), quality=quality), range(20))
        sizes.append(path.stat().st_size)
    assert sizes[0] * 1.5 < sizes[1]
    assert sizes[1] * 1.5 < sizes[2]


def test_missed_ticks_stay_in_time(tmp_path):
    path = tmp_path / "a.mp4"
    sink = RecordingSink(str(path))
    sink.open(*SIZE, FPS)
    # A suspended show skips periods, while its ticks are numbered on.
    for number, at in enumerate([0, 1, 2, 32, 33, 33, 20]):
        sink.write(rendered(number), Tick(number, ORIGIN + at * PERIOD, repeated=False))
    sink.close()
    times, _ = play(path)
    assert times == pytest.approx([each / 30 for each in (0, 1, 2, 32, 33)], abs=0.002)
    assert (sink.status()["pictures"], sink.status()["dropped"]) == (5, 2)


def test_odd_rate_keeps_its_time(tmp_path):
    path = tmp_path / "a.mov"
    sink = RecordingSink(str(path))
    sink.open(*SIZE, 59.94)
    for number in range(90):
        sink.write(rendered(number), Tick(number, round(number * 1e9 / 59.94), repeated=False))
    sink.close()
    times, _ = play(path)
    assert len(times) == 90
    assert times[-1] == pytest.approx(89 / 59.94, abs=0.002)


def test_recordings_are_never_replaced(tmp_path):
    path = tmp_path / "show.mp4"
    path.write_bytes(b"another recording")
    names = []
    for _ in range(2):
        sink = RecordingSink(str(path))
        record(sink, range(3))
        names.append(Path(sink.status()["path"]).name)
    assert path.read_bytes() == b"another recording"
    assert names == ["show-2.mp4", "show-3.mp4"]
    assert len(play(tmp_path / "show-3.mp4")[1]) == 3


def test_reopened_sink_starts_a_file(tmp_path):
    sink = RecordingSink(str(tmp_path / "show.mp4"))
    record(sink, range(5))
    record(sink, range(100, 104), size=(64, 64))
    assert [len(play(tmp_path / name)[1]) for name in ("show.mp4", "show-2.mp4")] == [5, 4]
    assert play(tmp_path / "show-2.mp4")[0][0] == 0


def test_empty_recording_leaves_no_file(tmp_path):
    for name in ("a.mp4", "a.mkv"):
        record(RecordingSink(str(tmp_path / name)), [])
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from test_recording import FPS, SIZE, rendered, tick
from io_bridges.uri import make_sink
sink = make_sink(sys.argv[1])
sink.open(*SIZE, FPS)
for number in range(200):
    sink.write(rendered(number), tick(number))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it wants SIGKILL")
@pytest.mark.parametrize(
    ("name", "options"),
    [("a.mp4", ""), ("a.mov", ""), ("a.mkv", ""), ("p.mov", "?codec=prores"), ("f.mkv", "?codec=ffv1")],
)
def test_killed_recording_plays(tmp_path, name, options):
    path = tmp_path / name
    folders = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, f"record:{path}{options}"],
        check=False,
        timeout=110,
        env=os.environ | {"PYTHONPATH": folders},
    )
    assert done.returncode == -signal.SIGKILL
    times, frames = play(path)
    assert len(frames) >= 200 - 2.2 * FPS, "two seconds are the most that a crash may cost"
    assert times[-1] == pytest.approx((len(frames) - 1) / 30, abs=0.002)
    last = len(frames) - 1
    assert closest_card(frames[last], 200)[0] == last


@contextmanager
def small_disk(folder, size="1500k"):
    """Mount a file system in memory."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_full_disk_leaves_a_playable_file(tmp_path, monkeypatch, name):
    monkeypatch.setattr(disk_space, "RESERVE", 0)
    size = (640, 480)
    with small_disk(tmp_path) as disk:
        sink = RecordingSink(str(disk / name), quality=100)
        sink.open(*size, FPS)
        written, error = write_until_refused(sink, size)
        assert "No space left" in str(error) or "is full" in str(error)
        sink.close()
        _, frames = play(disk / name)
        assert len(frames) >= min(written - 3 * FPS, FPS)
        assert np.abs(frames[-1].astype(int) - draw_card(len(frames) - 1, *size)).mean() < 3
        with pytest.raises(BridgeUnavailable, match="is full"):
            sink.open(*size, FPS)
        assert [path.name for path in disk.iterdir()] == [name], "a full disk is not littered"
        (disk / name).unlink()
        sink.open(*size, FPS)
        sink.write(rendered(0, size), tick(0))
        sink.close()
        assert len(play(disk / name)[1]) == 1


LIMITED = """
import resource, sys
from test_recording import FPS, write_until_refused
from io_bridges.uri import make_sink
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
sink = make_sink(sys.argv[1])
sink.open(320, 240, FPS)
print(*write_until_refused(sink, (320, 240)))
sink.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it limits the size of files")
def test_refused_write_names_the_file(tmp_path):
    path = tmp_path / "a.mp4"
    folders = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, f"record:{path}"],
        check=True,
        timeout=110,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": folders},
    )
    written, _, error = done.stdout.partition(" ")
    assert error.strip() == f"Cannot write to {path}: File too large"
    assert 30 <= len(play(path)[1]) <= int(written)


def test_reserve_stops_and_finishes_the_file(tmp_path, monkeypatch):
    sink = RecordingSink(str(tmp_path / "a.mp4"))
    sink.open(*SIZE, FPS)
    free = shutil.disk_usage(tmp_path).free
    fill = {45: lambda: monkeypatch.setattr(disk_space, "RESERVE", free * 2)}
    number, error = write_until_refused(sink, SIZE, before=lambda number: fill.get(number, lambda: None)())
    assert number == 60
    assert "MB are left, and a recording leaves" in str(error)
    sink.close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].frames == 60, "it is an ordinary MP4"
    with pytest.raises(BridgeUnavailable, match="is full"):
        sink.open(*SIZE, FPS)


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(BridgeUnavailable, match="Cannot record into"):
        RecordingSink(str(tmp_path / "unplugged" / "a.mp4")).open(*SIZE, FPS)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BridgeUnavailable, match="Cannot record into"):
        RecordingSink(str(tmp_path / "file" / "a.mp4")).open(*SIZE, FPS)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("record:show", "h264 is recorded into .mp4 or .mov or .mkv, not into no type"),
        ("record:show.avi", "not into .avi"),
        ("record:show.mp4?codec=ffv1", "ffv1 is recorded into .mkv"),
        ("record:show.mp4?codec=vp9", "h264 or hevc or prores or ffv1 or hap"),
        ("record:show.mp4?quality=0", "from 1 to 100"),
        ("record:", "path is missing"),
    ],
)
def test_wrong_recordings_are_explained(uri, message):
    with pytest.raises(SettingsError, match=message):
        make_sink(uri)


@pytest.mark.parametrize(
    ("codec", "size", "fitting"),
    [("h264", (129, 96), "128x96"), ("hevc", (128, 95), "128x94"), ("prores", (65, 95), "64x95")],
)
def test_unfitting_size_is_refused(tmp_path, codec, size, fitting):
    sink = RecordingSink(str(tmp_path / "a.mov"), codec=codec)
    with pytest.raises(BridgeUnavailable, match=rf"\?size={fitting}"):
        sink.open(*size, FPS)
    assert list(tmp_path.iterdir()) == []


def test_lossless_takes_odd_sizes(tmp_path):
    sink = RecordingSink(str(tmp_path / "a.mkv"), codec="ffv1")
    record(sink, range(3), size=(65, 63))
    assert (play(tmp_path / "a.mkv")[1][2] == draw_card(2, 65, 63)).all()


def test_absent_encoder_is_refused(tmp_path):
    if _encodes("hap"):
        pytest.skip("this FFmpeg encodes HAP")
    with pytest.raises(BridgeUnavailable, match="FFmpeg cannot encode hap here"):
        RecordingSink(str(tmp_path / "a.mov"), codec="hap").open(128, 96, FPS)
    assert list(tmp_path.iterdir()) == []


def _encodes(name):
    try:
        return av.Codec(name, "w") is not None
    except ValueError:
        return False


def test_hardware_records_or_is_refused(tmp_path):
    """A GPU's encoder is in the wheel, also where there is no GPU: it must open before it is taken."""
    assert encoders.hardware_encoders("h264", 75)
    sink = RecordingSink(str(tmp_path / "a.mp4"), hardware=True)
    refusal = ""
    try:
        record(sink, range(40))
    except BridgeUnavailable as error:
        refusal = str(error)
    if refusal:
        assert "No hardware encoder of h264 opens here" in refusal
        assert all(encoder.name in refusal for encoder in encoders.hardware_encoders("h264", 75))
        assert list(tmp_path.iterdir()) == []
    else:
        assert sink.status()["encoder"] != "libx264"
        assert len(play(tmp_path / "a.mp4")[1]) == 40


def test_closed_sink_refuses_frames(tmp_path):
    sink = RecordingSink(str(tmp_path / "a.mp4"))
    sink.close()
    with pytest.raises(BridgeError, match="before it was open"):
        sink.write(rendered(0), tick(0))
