"""Whole shows with the echo renderer: real processes and real sockets, driven from outside."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import zmq
from show import Show, free_port, until


@pytest.fixture(scope="module")
def running_show(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    """The show of the fixture `show`, which sets back what a test leaves changed."""
    with Show(tmp_path_factory.mktemp("stage") / "show") as show:
        yield show


def drawn(meta: dict[str, object], pixels: object) -> bool:
    return int(str(meta["index"])) > 0


def test_slate_comes_before_source(show: Show) -> None:
    meta, slate = next(show.frames())
    if meta["index"] < 0:
        assert slate.mean() > 5
    meta, picture = show.picture(drawn)
    assert picture.shape == (256, 256, 3)
    assert meta["captured_at"] > 0
    assert meta["source_index"] >= 0


def test_osc_parameter_reaches_picture(show: Show) -> None:
    show.osc.send_message("/mode", "text")
    show.osc.send_message("/seed", 123)
    meta, _ = show.picture(lambda meta, pixels: pixels[-1, -1].tolist() == [123] * 3)
    assert meta["revision"] <= show.status()["revision"]


def test_blackout_and_panic_without_renderer(show: Show) -> None:
    show.picture(drawn)
    os.kill(pid := show.status()["renderer"]["pid"], signal.SIGSTOP)
    show.osc.send_message("/blackout", 1)
    show.picture(lambda meta, pixels: not pixels.any())
    show.osc.send_message("/panic", [])
    show.picture(lambda meta, pixels: meta["index"] == -1 and pixels.any())
    with contextlib.suppress(ProcessLookupError):  # a slow machine may have replaced it
        os.kill(pid, signal.SIGCONT)


def test_killed_renderer_holds_picture(show: Show) -> None:
    show.osc.send_message("/mode", "text")
    show.osc.send_message("/seed", 77)
    last, _ = show.picture(lambda meta, pixels: pixels[-1, -1].tolist() == [77] * 3)
    renderer = show.status()["renderer"]
    before = renderer["pid"]
    os.kill(before, signal.SIGKILL)
    ticks = []
    for meta, pixels in show.frames():
        assert pixels[-1, -1].tolist() == [77] * 3, "held, then the same again"
        ticks.append(meta["tick"])
        if meta["index"] > last["index"] and show.status()["renderer"]["pid"] not in (0, before):
            break
    assert ticks == sorted(set(ticks))
    assert show.status()["renderer"]["restarts"] == renderer["restarts"] + 1


def test_restart_restores_the_show(tmp_path: Path) -> None:
    folder = tmp_path / "show"
    with Show(folder) as show:
        show.set(seed=99, mode="text")
        show.picture(lambda meta, pixels: pixels[-1, -1].tolist() == [99] * 3)
        show.set(lock=True)
        os.kill(show.process.pid, signal.SIGINT)
        until(lambda: "Press Ctrl-C again" in show.log.read_text())
        assert show.end() == 0
    again = Show(folder)
    again.command.remove(str(folder / "look.yaml"))
    with again:
        again.picture(lambda meta, pixels: pixels[-1, -1].tolist() == [99] * 3)
        again.osc.send_message("/width/norm", 0.5)
        until(lambda: again.status()["refusals"]["by_reason"] == {"/width: the show is locked; /lock 0 unlocks it": 1})
        assert "The show is still locked" in str(again.status()["notices"])
        assert again.set(model="shipped")["ok"] is False
        assert again.set(lock=0, width=128)["ok"] is True
        assert again.status()["renderer"]["model"] == "echo"


def test_new_size_keeps_output_size(show: Show) -> None:
    show.picture(drawn)
    assert show.set(width=128, height=64)["ok"]
    until(lambda: show.status()["renderer"].get("size") == [128, 64])
    _, pixels = show.picture(drawn)
    assert pixels.shape == (256, 256, 3)


def test_missing_model_keeps_look_on_air(show: Show) -> None:
    show.picture(drawn)
    show.set(model="/no/such/folder")
    until(lambda: "/no/such/folder" in show.status()["renderer"]["failure"])
    until(lambda: (show.ask({"do": "get", "address": "/model"}) or {})["values"]["/model"] == "echo")
    index = show.picture(drawn)[0]["index"]
    show.picture(lambda meta, pixels: meta["index"] > index)


def test_limits_reach_renderer(tmp_path: Path) -> None:
    limits = ("--gpu-share", "0.6", "--text-encoder", "free", "--skip-memory-check", "--renderers", "2")
    with Show(tmp_path / "show", *limits) as show:
        show.picture(drawn)
        until(lambda: show.status()["renderer"]["renderers"]["playing"] == 2)
        renderers = psutil.Process(show.process.pid).children()
        assert {each["pid"] for each in show.status()["renderer"]["renderers"]["each"]} == {r.pid for r in renderers}
        for renderer in renderers:
            build = json.loads(renderer.cmdline()[-1])
            assert build["gpu_share"] == 0.6
            assert build["text_encoder"] == "free"
            assert build["skip_memory_check"]
            assert build["threads"] == max((psutil.cpu_count(logical=False) or 1) // 2, 1), "each has its share"
        show.set(feedback=0.5)
        notices = until(lambda: [each for each in show.status()["notices"] if "Feedback" in each["text"]])
        assert notices[0]["text"] == "Feedback needs the last picture, so one of 2 renderers draws."


def test_chosen_port_is_shown(tmp_path: Path) -> None:
    with Show(tmp_path / "show", "--sink", "zmq:tcp://127.0.0.1:0") as show:
        # The status names the address that was asked for until the sink is open.
        address = until(lambda: (given := show.status()["sinks"][1]["address"]) and not given.endswith(":0") and given)
        until(lambda: f"({address})" in show.log.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_frees_ports_and_children(tmp_path: Path, number: signal.Signals) -> None:
    with Show(tmp_path / "show", forked=False) as show:
        show.picture(drawn)
        children = psutil.Process(show.process.pid).children(recursive=True)
        assert children
        show.process.send_signal(number)
        assert show.process.wait(15) == 0
        assert not psutil.wait_procs(children, timeout=5)[1]
        for port in (show.out_port, show.control_port, show.web_port):
            with socket.create_server(("127.0.0.1", port)):
                pass
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", show.osc_port))


def test_renderer_ends_with_killed_stage(tmp_path: Path) -> None:
    with Show(tmp_path / "show", forked=False) as show:
        show.picture(drawn)
        children = psutil.Process(show.process.pid).children(recursive=True)
        show.process.kill()
        show.process.wait()
        assert not psutil.wait_procs(children, timeout=10)[1]


def test_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        show = Show(tmp_path / "show", "--web", str(port))
        done = subprocess.run(show.command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert str(port) in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


REFUSED = [
    (["--source", "file:/no/such/clip.mp4"], ["/no/such/clip.mp4"]),
    (["--source", "file:broken.mp4"], ["broken.mp4"]),
    (["--source", "card:", "--source", "file:/no/such/logo.png"], ["/no/such/logo.png"]),
    (["--source", "camera:0", "--source", "camera:0"], ["can't be open at once"]),
    (["--source", "zmq:tcp://127.0.0.1:{taken}"], ["{taken}"]),
    (["--sink", "zmq:tcp://127.0.0.1:{taken}"], ["{taken}"]),
    (["--sink", "png:/proc/frames"], ["/proc/frames"]),
    (["--safe-picture", "broken.mp4"], ["broken.mp4"]),
    (["look.yaml"], ["look.yaml:1:11", "strength"]),
    (["--source", "spoon:"], ["spoon", "card:"]),
    (["--sink", "nowhere"], ["nowhere"]),
    (["--size", "250x250"], ["250", "32"]),
    (["--size", "banana"], ["banana", "WIDTHxHEIGHT"]),
    (["--osc", "99999999"], ["99999999"]),
    (["no-such-look"], ["no-such-look"]),
    (["--fps", "0"], ["fps"]),
    (["--gpu-share", "1.5"], ["gpu-share"]),
]

RUN_EACH = """
import json, os, sys
from daemon.__main__ import main
import daemon.commands.run, daemon.stage.stage, cv2, rich.logging, uvicorn
for number, command in enumerate(json.loads(sys.argv[1])):
    if not (child := os.fork()):
        sys.argv[1:] = command
        output = os.open(f"{number}.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1), os.dup2(output, 2)
        main()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
"""Runs the command line in one process for each command. They share the imports, which take nearly all of the time."""


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """Exit status and output of each command line of `REFUSED`, and the port that was in use meanwhile."""
    folder = tmp_path_factory.mktemp("refused")
    (folder / "broken.mp4").write_bytes(b"no clip")
    (folder / "look.yaml").write_text("strength: 1.5\n")
    common = ["run", "--state", "state.json", "--osc", "off", "--web", "off", "--control", "off"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = str(server.getsockname()[1])
        sink = ["--sink", f"zmq:tcp://127.0.0.1:{free_port()}"]
        commands = [
            [*common, *sink, *(argument.replace("{taken}", taken) for argument in arguments)]
            for arguments, _ in REFUSED
        ]
        ran = subprocess.run(
            [sys.executable, "-c", RUN_EACH, json.dumps(commands)],
            cwd=folder, capture_output=True, text=True, timeout=100, check=True,
        )  # fmt: skip
    outputs = [(folder / f"{number}.txt").read_text() for number in range(len(REFUSED))]
    statuses = [int(line) for line in ran.stdout.split()]
    names = [" ".join(arguments) for arguments, _ in REFUSED]
    return {name: (status, output, taken) for name, status, output in zip(names, statuses, outputs, strict=True)}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.parametrize(("arguments", "words"), REFUSED, ids=[" ".join(arguments) for arguments, _ in REFUSED])
def test_bad_option_is_one_sentence(
    refusals: dict[str, tuple[int, str, str]], arguments: list[str], words: list[str]
) -> None:
    status, output, taken = refusals[" ".join(arguments)]
    assert status == 2, output
    for word in words:
        assert word.replace("{taken}", taken) in output.replace("\n", "")
    assert "Traceback" not in output


def test_returning_sender_is_received(tmp_path: Path) -> None:
    port = free_port()
    with Show(tmp_path / "show", "--source", f"zmq:tcp://127.0.0.1:{port}") as show:
        for value in (40, 90):
            with zmq.Context() as context, context.socket(zmq.PUB) as sender:
                sender.linger = 0
                sender.connect(f"tcp://127.0.0.1:{port}")
                for meta, pixels in show.frames():
                    sender.send_json({"dtype": "uint8", "shape": [32, 32, 3]}, zmq.SNDMORE)
                    sender.send(bytes([value]) * 3072)
                    if meta["index"] > 0 and pixels[-1, -1].tolist() == [value] * 3:
                        break


def test_hostile_messages_stop_nothing(tmp_path: Path) -> None:
    port = free_port()
    with Show(tmp_path / "show", "--source", f"zmq:tcp://127.0.0.1:{port}") as show, zmq.Context() as context:
        pictures = context.socket(zmq.PUB)
        pictures.linger = 0
        pictures.connect(f"tcp://127.0.0.1:{port}")
        asker = context.socket(zmq.DEALER)
        asker.linger = 0
        asker.connect(f"tcp://127.0.0.1:{show.control_port}")
        osc = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        hostile_osc = [
            b"",
            b"\xff\xfe not osc",
            b"#bundle\0" + bytes(8) + b"\xff\xff\xff\xfc",
            b"#bundle\0" + b"\xff" * 8 + (16).to_bytes(4, "big") + b"/seed\0\0\0,i\0\0\0\0\0\x2a",
            b"/a/" + b"*" * 200 + b"\0" * 5 + b",\0\0\0",
            b"/strength\0\0\0,s\0\0loud\0\0\0\0",
            b"/prompt\0,s\0\0\xc3\x28\0\0",
        ]
        hostile_pictures = [
            [b"{}"],
            [b"not json", b"x"],
            [b'{"dtype": "uint8", "shape": [20000, 20000, 3]}', b"x"],
            [b'{"dtype": "float32", "shape": [32, 32, 3]}', bytes(3072 * 4)],
            [b'{"dtype": "uint8", "shape": [32, 32, 3]}', bytes(100)],
            [b'{"dtype": "uint8", "shape": [-1, 32, 3]}', bytes(100)],
            [b"[" * 100_000, b""],
        ]
        hostile_requests = [b"", b"nonsense", b'{"do": "explode"}', b"[" * 60_000, b'{"do": "set", "values": 7}']
        for value in (60, 120):
            for datagram in hostile_osc:
                osc.sendto(datagram, ("127.0.0.1", show.osc_port))
            for request in hostile_requests:
                asker.send(request)
            for meta, pixels in show.frames():
                for parts in hostile_pictures:
                    pictures.send_multipart(parts)
                pictures.send_multipart([b'{"dtype": "uint8", "shape": [32, 32, 3]}', bytes([value]) * 3072])
                if meta["index"] > 0 and pixels[-1, -1].tolist() == [value] * 3:
                    break
        status = show.status()
        assert status["refusals"]["total"] >= 5
        assert sum(status["sources"][0]["refused"].values()) >= 6
        assert status["renderer"]["restarts"] == 0
        values = show.ask({"do": "get", "address": "/seed"})
        assert values is not None
        assert values["values"]["/seed"] == 42, "a bundle from the future is applied at once"


@pytest.mark.skipif(sys.platform == "win32", reason="it wants a FIFO")
def test_sink_that_hangs_at_the_end(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(4)]
    for folder in folders:
        folder.mkdir()
        os.mkfifo(folder / ".000000.png.part")  # opening it to write waits for a reader
    sinks = [argument for folder in folders for argument in ("--sink", f"png:{folder}")]
    with Show(tmp_path / "show", *sinks) as show:
        show.picture(drawn)
        until(lambda: show.status()["sinks"][0]["pictures"] > 30)
        assert show.end() == 0
        saved = json.loads((tmp_path / "show" / "state.json").read_text())
    assert saved["values"]["/source"] == "card:"


def test_clients_that_die_in_a_flood(show: Show) -> None:
    show.picture(drawn)
    for _ in range(8):  # longer than any period of the socket
        with zmq.Context() as context:
            clients = [context.socket(zmq.DEALER) for _ in range(6)]
            for client in clients:
                client.linger, client.sndhwm = 0, 0
                client.connect(f"tcp://127.0.0.1:{show.control_port}")
            for _ in range(3000):
                for client in clients:
                    client.send(b'{"do": "list"}')
            time.sleep(1.0)  # so that requests wait in the show
            context.destroy(linger=0)
        assert show.process.poll() is None, "the show was aborted"
    assert until(lambda: show.ask({"do": "get", "address": "/mix"}))["ok"]
