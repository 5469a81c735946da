"""The code examples of docs/control.md, run on free ports."""

import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from show_control_fake import RecordingShow
from starlette.routing import Route, WebSocketRoute

from io_bridges.osc.server import OscControl
from io_bridges.oscquery.address_space import AddressSpace
from io_bridges.web.app import WebApp
from io_bridges.web.page_content import PageFeeds, page_routes
from io_bridges.web.preview import WebPreview
from io_bridges.web.security import Hosts
from io_bridges.zmq_control import ZmqControl

PAGE = (Path(__file__).parents[2] / "docs" / "control.md").read_text(encoding="utf-8")
LONG = 30.0


def listing(language: str, containing: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    (found,) = [block for block in blocks if containing in block]
    return str(found)


@pytest.fixture
def controls() -> Iterator[tuple[RecordingShow, OscControl, ZmqControl]]:
    show, osc, router = RecordingShow(), OscControl(port=0), ZmqControl("tcp://127.0.0.1:*")
    threads = []
    for control in (osc, router):
        control.open(show)
        threads.append(threading.Thread(target=control.serve))
        threads[-1].start()
    yield show, osc, router
    for control, thread in zip((osc, router), threads, strict=True):
        control.stop()
        thread.join(LONG)
        control.close()


def wait_for_value(show: RecordingShow, address: str, value: object) -> None:
    deadline = time.monotonic() + LONG
    while show.values()[address] != value:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_osc_from_python(controls: tuple[RecordingShow, OscControl, ZmqControl]) -> None:
    show, osc, _ = controls
    code = listing("python", "SimpleUDPClient").replace("9000", str(osc.address[1]))
    subprocess.run([sys.executable, "-c", code], check=True, timeout=LONG)
    wait_for_value(show, "/prompt/2/weight", 0.5)
    assert show.values()["/prompt/2/text"] == "lightning"


@pytest.mark.skipif(shutil.which("oscsend") is None, reason="oscsend is missing: install liblo-tools")
def test_osc_from_the_shell(controls: tuple[RecordingShow, OscControl, ZmqControl]) -> None:
    show, osc, _ = controls
    lines = listing("sh", "oscsend").replace(" 9000", f" {osc.address[1]}").splitlines()
    subprocess.run("\n".join(line for line in lines if "oscdump" not in line), shell=True, check=True, timeout=LONG)
    wait_for_value(show, "/strength", pytest.approx(0.7))
    assert ("/prompt", ("coral reef at night",)) in [entry[:2] for entry in show.applied]


def test_zeromq_asks(controls: tuple[RecordingShow, OscControl, ZmqControl]) -> None:
    show, _, router = controls
    code = listing("python", "zmq.REQ").replace("tcp://127.0.0.1:5557", router.address)
    ran = subprocess.run([sys.executable, "-c", code], check=True, timeout=LONG, capture_output=True, text=True)
    assert "'ok': True" in ran.stdout
    assert show.values()["/strength"] == 0.7


def test_zeromq_watches(controls: tuple[RecordingShow, OscControl, ZmqControl]) -> None:
    show, _, router = controls
    code = listing("python", "zmq.DEALER").replace("tcp://127.0.0.1:5557", router.address)
    watcher = subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, text=True)
    assert watcher.stdout is not None
    try:
        assert "'ok': True" in watcher.stdout.readline()
        show.apply("/seed", [77], "web:1")
        assert watcher.stdout.readline().strip() == "{'changed': {'/seed': 77}}"
    finally:
        watcher.kill()
        watcher.wait()
        watcher.stdout.close()


def test_every_route_is_documented() -> None:
    """The table of docs/control.md has the routes of the server, and no others but OSCQuery's, one for each node."""
    (table,) = re.findall(r"\| route \| body \| answer \|\n\|[-|]+\n((?:\|.*\n)+)", PAGE)
    documented = {tuple(re.match(r"\| `([A-Z]+) (\S+)`", line).groups()) for line in table.splitlines()}
    app = WebApp(RecordingShow(), WebPreview(), PageFeeds()).asgi(Hosts("127.0.0.1", 8090))
    page = {route.path for route in page_routes()} | {"/", *AddressSpace(RecordingShow()).route_paths()}
    routes = {
        (method, route.path.replace("{name:path}", "NAME").replace("{name}", "PRESET"))
        for route in app.routes
        if isinstance(route, Route) and route.path not in page
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert documented == routes
    sockets = {route.path for route in app.routes if isinstance(route, WebSocketRoute)}
    assert sockets == {"/", *re.findall(r"`(/ws[/a-z]*)`", PAGE)}
    assert "| WebSocket `ws://127.0.0.1:8090/` |" in PAGE
    assert "| `GET /?HOST_INFO` |" in PAGE
