"""A whole show whose sinks are added and removed while it plays: from every surface, and those that are refused."""

import json
import os
import random
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from received_ticks import LATE, shown_periods
from show import Show, free_port, until
from websockets.sync.client import connect

from io_bridges.shared_memory import segment
from io_bridges.uri import make_source

SIDE = 64
NDI = f"live {os.getpid()}"
"""Name of the NDI sender that messages may add."""


@pytest.fixture(scope="module")
def running_show(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    options = ("--size", f"{SIDE}x{SIDE}", "--source", "card:", "--allow-destination", f"ndi:{NDI}")
    with Show(tmp_path_factory.mktemp("sinks") / "show", *options) as show:
        show.picture(lambda meta, pixels: meta["index"] > 0)
        yield show


@pytest.fixture
def show(running_show: Show) -> Iterator[Show]:
    """The running show. Sinks that a test leaves are removed."""
    yield running_show
    for sink in running_show.status()["sinks"]:
        if sink["number"] > 1:
            act(running_show, "/sink/remove", sink["number"])


def act(show: Show, address: str, *arguments: object) -> dict[str, Any]:
    """Do an action over ZeroMQ and return the reply, which comes with the outcome."""
    answer = show.ask({"do": "act", "address": address, "arguments": list(arguments)}, timeout=60_000)
    assert answer is not None
    return answer


def post(show: Show, action: str, value: object) -> tuple[int, dict[str, Any]]:
    """Do an action over HTTP and return the status and its answer."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{show.web_port}/api/actions/{action}",
        json.dumps({"value": value}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)["answers"][0]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["answers"][0]


def sinks(show: Show) -> dict[str, dict[str, Any]]:
    """Return the status of each sink by its URI, without the page's preview."""
    return {sink["uri"]: sink for sink in show.status()["sinks"] if sink["number"]}


def received(uri: str, count: int) -> list[tuple[dict[str, Any], tuple[int, ...]]]:
    """Return the header and the shape of pictures that a reader of a ``zmq:`` sink gets."""
    with zmq.Context() as context, context.socket(zmq.SUB) as reader:
        reader.linger, reader.rcvtimeo = 0, 60_000
        reader.connect(uri.removeprefix("zmq:").partition("?")[0])
        reader.subscribe(b"")
        headers = [json.loads(reader.recv_multipart()[0]) for _ in range(count)]
    return [(header, tuple(header["shape"])) for header in headers]


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_sinks_from_every_surface(show: Show, tmp_path: Path) -> None:
    """Each sink gets every tick of its own. A busy machine may leave out some, so there are three tries."""
    folders = [tmp_path / str(number) for number in range(3)]
    assert any(sinks_come_and_go_without_a_gap(show, folder) for folder in folders)


def sinks_come_and_go_without_a_gap(show: Show, tmp_path: Path) -> bool:
    tmp_path.mkdir()
    port, name = free_port(), f"s{os.getpid()}"
    over_zmq, folder = f"zmq:tcp://127.0.0.1:{port}?size=128x96&fps=10", tmp_path / "frames"
    with show.every_tick() as ticks:
        answer = act(show, "/sink/add", over_zmq)
        number = sinks(show)[over_zmq]["number"]
        assert answer == {"ok": True, "note": f"{over_zmq} is open as sink {number}"}
        headers = received(over_zmq, 5)
        assert {shape for _, shape in headers} == {(96, 128, 3)}
        own = [header["tick"] for header, _ in headers]

        show.osc.send_message("/sink/add", f"shm:{name}?fps=15")
        until(lambda: f"shm:{name}?fps=15" in sinks(show))
        source = make_source(f"shm:{name}")
        source.open()
        frame = until(lambda: source.read(1.0))
        assert frame.pixels.shape == (SIDE, SIDE, 3)
        source.close()

        status, posted = post(show, "sink/add", f"png:{folder}?fps=5")
        assert (status, posted["accepted"], posted["address"]) == (200, True, "/sink/add")
        until(lambda: len(list(folder.glob("*.png"))) >= 3)

        recording = f"record:{tmp_path / 'show.mkv'}?codec=ffv1"
        with connect(f"ws://127.0.0.1:{show.web_port}/ws", compression=None) as page:
            page.send(json.dumps({"do": "/sink/add", "value": recording}))
            answers: list[dict[str, Any]] = []
            while len(answers) < 2:
                message = json.loads(page.recv(timeout=60))
                answers += [message["answer"]] if "answer" in message else []
        assert [(each["accepted"], each.get("pending")) for each in answers] == [(True, True), (True, None)]
        until(lambda: sinks(show)[recording]["pictures"] > 10)
        until(lambda: all(sink["latency_p99_ms"] >= sink["latency_ms"] > 0 for sink in sinks(show).values()))

        assert act(show, "/sink/remove", number) == {"ok": True, "note": f"{over_zmq} is closed"}
        assert is_free(port)
        assert act(show, "/sink/remove", number)["ok"] is False, "the number names no other sink"
        show.osc.send_message("/sink/remove", f"shm:{name}?fps=15")
        until(lambda: segment.attach(name) is None)
        assert post(show, "sink/remove", f"png:{folder}?fps=5")[0] == 200
        assert act(show, "/sink/remove", recording)["ok"]
        numbers = [tick.number for tick in ticks]
        stall = max(shown_periods(ticks))
    assert len(sinks(show)) == 1
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "show.mkv")) as container:
        assert container.duration > 0, "the file is finished"
        assert len(list(container.decode(video=0))) > 10
    return all(each == list(range(each[0], each[0] + len(each))) for each in (own, numbers)) and stall <= LATE


@pytest.mark.usefixtures("ndi_alone")
def test_ndi_sender_comes_and_goes(show: Show) -> None:
    pytest.importorskip("cyndilib")
    name, source = NDI, make_source(f"ndi:{NDI}")
    source.open()
    assert act(show, "/sink/add", f"ndi:{name}?size=320x180&fps=15")["ok"]
    frame = until(lambda: source.read(1.0))
    assert frame.pixels.shape[:2] == (180, 320)
    until(lambda: sinks(show)[f"ndi:{name}?size=320x180&fps=15"]["latency_ms"])
    assert act(show, "/sink/remove", f"ndi:{name}?size=320x180&fps=15")["ok"]
    until(lambda: source.read(0.5) is None)
    assert act(show, "/sink/add", f"ndi:{name}")["ok"], "the name is free again"
    until(lambda: (frame := source.read(1.0)) is not None and frame.pixels.shape[:2] == (SIDE, SIDE))
    source.close()


def test_remove_a_sink_of_the_start(tmp_path: Path) -> None:
    name = f"f{os.getpid()}"
    with Show(tmp_path / "show", "--sink", f"shm:{name}", "--size", f"{SIDE}x{SIDE}", "--web", "off") as show:
        assert [sink["number"] for sink in show.status()["sinks"]] == [1, 2]
        assert act(show, "/sink/remove", 2)["ok"]
        assert segment.attach(name) is None
        assert act(show, "/sink/add", f"shm:{name}")["note"] == f"shm:{name} is open as sink 3"
        assert show.end() == 0
    with Show(tmp_path / "show", "--web", "off") as again:
        assert list(sinks(again)) == [f"zmq:tcp://127.0.0.1:{again.out_port}"], "added sinks last until the show ends"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("spoon:x", "'spoon:x' is not a sink"),
        ("zmq:tcp://127.0.0.1:{out}", "zmq:tcp://127.0.0.1:{out} is there already: it is sink 1"),
        ("zmq:{out}", "zmq:{out}: sink 1 (zmq:tcp://127.0.0.1:{out}) has the same address already"),
        ("zmq:{control}", "zmq:{control}: --control (127.0.0.1:{control}) has the same address already"),
        ("png:/proc/frames", "Cannot write to the folder /proc/frames"),
        ("png:frames?size=8192x8192", "Give it a smaller ?size=, or remove another one"),
        ("png:frames?fps=31", "fps is at most the show's rate of 30 (--fps), not 31"),
        ("record:show.wmv", "not into .wmv"),
        ("zmq+connect:10.0.0.9:5555", "Start the show with --allow-destination 10.0.0.9:5555 to open it"),
    ],
)
def test_refused_sinks(show: Show, uri: str, reason: str) -> None:
    ports = {"out": show.out_port, "control": show.control_port}
    answer = act(show, "/sink/add", uri.format(**ports))
    assert not answer["ok"]
    assert reason.format(**ports) in answer["error"]
    assert len(sinks(show)) == 1
    assert show.status()["opening_sinks"] == []
    status, posted = post(show, "sink/add", uri.format(**ports))
    assert (status, posted["note"]) == (422, answer["error"])


def test_failed_sink_is_in_the_notices(show: Show, tmp_path: Path) -> None:
    answer = act(show, "/sink/add", f"record:{tmp_path / 'missing' / 'show.mkv'}")
    assert "Cannot record into" in answer["error"]
    assert f"Sink refused: {answer['error']}" in [notice["text"] for notice in show.status()["notices"]]


def test_reply_names_the_recorded_file(show: Show, tmp_path: Path) -> None:
    wanted = tmp_path / "take.mkv"
    wanted.write_bytes(b"another take")
    answer = act(show, "/sink/add", f"record:{wanted}?codec=ffv1")
    number = max(sink["number"] for sink in show.status()["sinks"])
    assert answer["note"] == f"record:{wanted}?codec=ffv1 is open as sink {number} and writes {tmp_path / 'take-2.mkv'}"


def test_source_and_sink_share_no_port(show: Show) -> None:
    port = free_port()
    assert act(show, "/sink/add", f"zmq:{port}")["ok"]
    answer = show.ask({"do": "source", "uri": f"zmq:{port}"}, timeout=60_000)
    assert answer is not None
    assert f"zmq:{port}: the sink (zmq:{port}) has the same address already" in answer["error"]
    assert act(show, "/sink/remove", f"zmq:{port}")["ok"]
    answer = show.ask({"do": "source", "uri": f"zmq:{port}"}, timeout=60_000)
    assert answer is not None
    assert answer["ok"]
    taken = act(show, "/sink/add", f"zmq:tcp://127.0.0.1:{port}")["error"]
    assert f"the source (zmq:{port}) has the same address already" in taken
    assert (show.ask({"do": "source", "uri": "card:"}, timeout=60_000) or {})["ok"]


def test_sixteen_sinks_at_most(show: Show) -> None:
    for _ in range(15):
        assert act(show, "/sink/add", "zmq:tcp://127.0.0.1:0")["ok"]
    assert "there are 16 sinks, which is the limit" in act(show, "/sink/add", "zmq:tcp://127.0.0.1:0")["error"]
    assert (
        "15 sinks are zmq:tcp://127.0.0.1:0; name one by its number"
        in (act(show, "/sink/remove", "zmq:tcp://127.0.0.1:0")["error"])
    )
    last = max(sink["number"] for sink in show.status()["sinks"])
    assert act(show, "/sink/remove", last)["ok"]
    assert act(show, "/sink/add", "zmq:tcp://127.0.0.1:0")["ok"]


def test_names_that_remove_nothing(show: Show) -> None:
    for name, reason in {
        "web:": "the preview of the page can't be removed",
        "shm:nobody": f"there is no sink shm:nobody. The sinks are: 1 zmq:tcp://127.0.0.1:{show.out_port}",
        "99": "there is no sink 99",
    }.items():
        assert reason in act(show, "/sink/remove", name)["error"]
    assert act(show, "/sink/remove", 0) == {"ok": True, "note": "a button's release does nothing"}
    assert "needs a text" in act(show, "/sink/remove", True)["error"]
    assert show.picture(lambda meta, pixels: meta["index"] > 0)[1].shape == (SIDE, SIDE, 3)


def test_stopped_sink_is_opened_again(show: Show, tmp_path: Path) -> None:
    """From every surface, with its number and its place."""
    folder = tmp_path / "frames"
    uri = f"png:{folder}?max=3"
    assert act(show, "/sink/add", uri)["ok"]
    assert act(show, "/sink/add", "zmq:tcp://127.0.0.1:0")["ok"]
    before = [sink["number"] for sink in show.status()["sinks"]]
    number = sinks(show)[uri]["number"]
    for surface in ("zmq", "http", "osc"):
        until(lambda: sinks(show)[uri].get("stopped") == "the folder is full")
        refused = act(show, "/sink/open", number)
        assert "already holds 3 frames" in refused["error"]
        assert [sink["number"] for sink in show.status()["sinks"]] == before, "a sink that is refused stays"
        for path in folder.glob("*.png"):
            path.unlink()
        if surface == "zmq":
            assert act(show, "/sink/open", number) == {"ok": True, "note": f"{uri} is open as sink {number}"}
        elif surface == "http":
            assert post(show, "sink/open", uri)[0] == 200
        else:
            show.osc.send_message("/sink/open", number)
        until(lambda: len(list(folder.glob("*.png"))) == 3)
    assert [sink["number"] for sink in show.status()["sinks"]] == before


def test_playing_sink_is_not_opened_again(show: Show) -> None:
    assert act(show, "/sink/open", 1)["error"] == f"zmq:tcp://127.0.0.1:{show.out_port}: it is open"
    assert "there is no sink 99" in act(show, "/sink/open", 99)["error"]
    assert "the preview of the page is open" in act(show, "/sink/open", "web:")["error"]
    assert act(show, "/sink/open", 1.5)["error"] == "sinks have whole numbers; 1.5 came"
    assert act(show, "/sink/remove", 1.5)["error"] == "sinks have whole numbers; 1.5 came"
    assert act(show, "/sink/open", 0)["note"] == "a button's release does nothing"
    assert list(sinks(show)) == [f"zmq:tcp://127.0.0.1:{show.out_port}"]


def test_refused_sink_uses_no_number(show: Show, tmp_path: Path) -> None:
    assert act(show, "/sink/add", "zmq:tcp://127.0.0.1:0")["ok"]
    last = max(sink["number"] for sink in show.status()["sinks"])
    for _ in range(3):
        assert not act(show, "/sink/add", f"record:{tmp_path / 'missing' / 'show.mp4'}")["ok"]
    assert act(show, "/sink/remove", last)["ok"]
    added = act(show, "/sink/add", "zmq:tcp://127.0.0.1:0")
    assert added["note"].partition(" (")[0].startswith("zmq:tcp://127.0.0.1:0")
    assert max(sink["number"] for sink in show.status()["sinks"]) == last + 1, "the number of a removed sink is gone"


ODD = [
    *("", " ", ":", "zmq:", "png:", "png:\0", "png:" + "a" * 5000, "shm:../../etc", "web:"),
    *("shm:x?fps=1/0", "shm:x?fps=nan", "shm:x?scale=best", "shm:x?size=0x0", "window:?display=99", "0", "-1", "2.4"),
    *("NaN", "ünï:cödé", None, True, False, [], {}, [1, 2], {"a": 1}, 2.4, -1, 1e308, 10**30, 0.5),
]


def test_flood_of_odd_requests(show: Show) -> None:
    """Each is answered with a sentence of its own, and none ends a sink that plays."""
    chance = random.Random(5)
    with zmq.Context() as context, context.socket(zmq.DEALER) as asker:
        asker.linger, asker.rcvtimeo = 0, 60_000
        asker.connect(f"tcp://127.0.0.1:{show.control_port}")
        answers = []
        for number in range(300):
            action = chance.choice(["/sink/add", "/sink/open", "/sink/remove"])
            argument = chance.choice([*ODD, *range(40, 50), *["zmq:tcp://127.0.0.1:0"] * 10])
            asker.send_json({"do": "act", "address": action, "arguments": [argument], "id": number})
            # The show keeps 64 answers for a client that reads none, and counts those past them as unsent.
            if number % 50 == 49:
                answers += [asker.recv_json() for _ in range(50)]
    assert {answer["id"] for answer in answers} == set(range(300))
    assert all(answer["ok"] or answer["error"] for answer in answers)
    assert not [answer for answer in answers if "defect" in json.dumps(answer)]
    until(lambda: not show.status()["opening_sinks"])
    assert f"zmq:tcp://127.0.0.1:{show.out_port}" in sinks(show)
    assert len(sinks(show)) <= 16
    assert "Traceback" not in show.log.read_text()
