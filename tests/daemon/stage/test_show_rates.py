"""Shows whose output follows the rate of the source."""

import threading
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from feed import Feed
from show import Show, until

av = pytest.importorskip("av")

SIDE = 64


def rate_of(path: Path) -> Fraction:
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) > 10, "it is finished"
        rate: Fraction = container.streams.video[0].average_rate
        return rate


def write_clip(path: Path, rate: Fraction) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width = stream.height = SIDE
        for number in range(30):
            frame = av.VideoFrame(SIDE, SIDE, "rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def sink(show: Show, start: str) -> dict[str, Any]:
    return next(each for each in show.status()["sinks"] if each["uri"].startswith(start))


def test_output_follows_the_clips(tmp_path: Path) -> None:
    write_clip(tmp_path / "film.mov", Fraction(24000, 1001))
    recording, slow = f"record:{tmp_path / 'show.mkv'}?codec=ffv1", "png:frames?fps=30"
    arguments = ("--source", f"file:{tmp_path / 'film.mov'}", "--size", f"{SIDE}x{SIDE}")
    arguments += ("--sink", recording, "--sink", slow.replace("frames", str(tmp_path / "frames")))
    with Show(tmp_path / "show", *arguments, fps="source") as show:
        until(lambda: sink(show, "record:")["pictures"] > 30)
        status = show.status()
        assert status["output_fps"] == pytest.approx(23.976)
        assert status["output_fps_from"] == "declared by the source"
        assert sink(show, "zmq:")["rate"] == pytest.approx(23.976)
        assert sink(show, "png:")["rate"] == 30, "its own, although the show is slower"
        answer = show.ask({"do": "source", "uri": f"card:?fps=50&size={SIDE}x{SIDE}"}, timeout=60_000)
        assert answer is not None
        assert answer["ok"]
        until(lambda: show.status()["output_fps"] == 50)
        until(lambda: sink(show, "record:")["path"].endswith("show-2.mkv"))
        until(lambda: sink(show, "record:")["pictures"] > 80)
        assert sink(show, "record:")["failures"] == 0
        added = show.ask({"do": "act", "address": "/sink/add", "arguments": ["zmq:tcp://127.0.0.1:0"]}, timeout=60_000)
        assert added is not None
        assert sink(show, "zmq:tcp://127.0.0.1:0")["rate"] == 50
        answer = show.ask({"do": "source", "uri": "none:"}, timeout=60_000)
        assert answer is not None
        until(lambda: show.status()["sources"][0]["status"] == "no source")
        assert show.status()["output_fps"] == 50, "without a source the last rate goes on"
        show.end()
        assert "output: 50 pictures a second, declared by the source" in " ".join(show.log.read_text().split())
    assert rate_of(tmp_path / "show.mkv") == Fraction(24000, 1001)
    assert rate_of(tmp_path / "show-2.mkv") == 50


def test_output_follows_a_sender_that_says_nothing(tmp_path: Path) -> None:
    feed, over = Feed(SIDE), threading.Event()

    def send() -> None:
        for _ in count():
            if over.wait(1 / 12):
                return
            feed.push(feed.still)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        arguments = ("--source", f"zmq:{feed.address}", "--size", f"{SIDE}x{SIDE}")
        with Show(tmp_path / "show", *arguments, fps="source") as show:
            assert show.status()["output_fps"] == 30, "until the rate is known"
            # A pause of a twelfth and the sending itself: a little under 12 a second, each shown twice.
            until(lambda: 18 < show.status()["output_fps"] <= 24)
            assert show.status()["output_fps_from"] == "measured from the source"
    finally:
        over.set()
        thread.join()
        feed.close()


@pytest.mark.parametrize("fps", ["fast", "0", "nan", "1e9", "-25", "30/0"])
def test_rates_that_are_refused(tmp_path: Path, fps: str) -> None:
    show = Show(tmp_path / "show", fps=fps)
    with pytest.raises(AssertionError, match="--fps takes a number from 1 to 240"), show:
        pass
