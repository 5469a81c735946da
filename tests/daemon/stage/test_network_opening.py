"""A show and another machine, in two network namespaces: what is reached from outside, and with what."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from show import free_port

from io_bridges.zmq_keys import FOLDER_VARIABLE, KeyFolder

ROOT = Path(__file__).parents[3]
OUTSIDE = ROOT / "tests" / "daemon" / "outside.py"
SHOW, ALLOWED, STRANGER = "10.213.7.1", "10.213.7.2", "10.213.7.3"
TOKEN = "a-token-for-the-test"


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def machines() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a cable between them, by name."""
    inside, outside = f"sf-in-{os.getpid()}", f"sf-out-{os.getpid()}"
    if sys.platform != "linux" or shutil.which("ip") is None:
        pytest.skip("network namespaces need Linux and the program ip")
    made: list[str] = []
    try:
        for name in (inside, outside):
            ip("netns", "add", name)
            made.append(name)
        ends = f"sfi{os.getpid()}", f"sfo{os.getpid()}"
        ip("-n", inside, "link", "add", ends[0], "type", "veth", "peer", "name", ends[1], "netns", outside)
        for name, end, addresses in ((inside, ends[0], [SHOW]), (outside, ends[1], [ALLOWED, STRANGER])):
            for address in addresses:
                ip("-n", name, "address", "add", f"{address}/24", "dev", end)
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", end, "up")
    except subprocess.CalledProcessError as error:
        for name in made:
            ip("netns", "delete", name)
        pytest.skip(f"network namespaces are not permitted here: {error.stderr.decode().strip()}")
    yield inside, outside
    for name in made:
        ip("netns", "delete", name)


def test_only_what_was_opened_is_reached(machines: tuple[str, str], tmp_path: Path) -> None:
    """The control stays on loopback. Page, OSC and frames are open, each to those with token, address or key."""
    inside, outside = machines
    keys = KeyFolder(tmp_path / "keys")
    key = keys.make("viewer", tmp_path)
    web, osc, control, sink = (free_port() for _ in range(4))
    (tmp_path / "look.yaml").write_text("model: echo\nstrength: 0.5\n")
    command = [
        *("ip", "netns", "exec", inside, sys.executable, "-m", "daemon", "run", str(tmp_path / "look.yaml"), "--fresh"),
        *("--web", f"0.0.0.0:{web}", "--web-token", TOKEN, "--osc", f"0.0.0.0:{osc}", "--osc-allow", ALLOWED),
        *("--control", str(control), "--sink", f"zmq:tcp://0.0.0.0:{sink}", "--understudy", "off"),
        *("--state", str(tmp_path / "state.json"), "--presets", str(tmp_path / "presets")),
    ]
    given = {
        "show": SHOW,
        **{"web": web, "osc": osc, "control": control, "sink": sink},
        **{"allowed": ALLOWED, "stranger": STRANGER, "token": TOKEN, "key": str(key)},
        "server": keys.server().public.decode(),
    }
    environment = os.environ | {FOLDER_VARIABLE: str(keys.folder)}
    with (tmp_path / "log.txt").open("wb") as log:
        show = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=ROOT)
    try:
        client = ["ip", "netns", "exec", outside, sys.executable, str(OUTSIDE), json.dumps(given)]
        tried = subprocess.run(client, check=True, capture_output=True, text=True, timeout=120, cwd=ROOT)
    finally:
        show.terminate()
        show.wait(20)
    printed = (tmp_path / "log.txt").read_text()
    found = json.loads(tried.stdout)
    answers = found["osc, allowed"][1]
    assert found == {
        "control": False,
        "page": 401,
        "page, wrong token": 401,
        "page, first visit": 303,
        "values": 401,
        "values, token": 200,
        "panic": 401,
        "rebound name": 403,
        "other site": 403,
        "nodes": 200,  # by OSCQuery, from an address that OSC hears
        "osc, allowed": [0.25, answers],
        "osc, stranger": [0.25, 0],
        "dropped": 2,
        "frames, no key": False,
        "frames, key": True,
    }, printed
    assert answers > 20, "the poll of all values"
    assert f"OSC on 0.0.0.0:{osc} hears {ALLOWED}/32" in " ".join(printed.split())
    assert f"http://{SHOW}:{web}/?token={TOKEN}" in printed
