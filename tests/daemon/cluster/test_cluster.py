"""A show over a Ray cluster of two real nodes: both draw, one is killed, one joins, and pictures come out in order."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from received_ticks import LATE, ReceivedTick, shown_periods
from show import Show, until

from daemon.cluster.address import ClusterAddress

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray has no wheel for this Python"),
    pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX"),
    pytest.mark.timeout(300),  # Ray takes ten seconds to start on an idle machine
]

NODES = Path(__file__).parents[1] / "ray_nodes.py"


class Nodes:
    """The process that has the cluster."""

    def __init__(self) -> None:
        environment = os.environ | ClusterAddress("", "127.0.0.1").environment()
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        # Niced: the nodes stand for other machines, which take nothing from the stage.
        command = ["nice", "-n", "5", sys.executable, str(NODES)]
        self._process = subprocess.Popen(command, text=True, env=environment, **pipes)
        self.address = self._answer()

    def ask(self, what: str) -> None:
        assert self._process.stdin is not None
        print(what, file=self._process.stdin, flush=True)
        assert self._answer() == "done"

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    yield nodes
    nodes.close()


@pytest.fixture(scope="module")
def show(nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    folder = tmp_path_factory.mktemp("cluster")
    with Show(folder / "show", "--cluster", nodes.address, "--renderers", "2", model="echo:50") as show:
        yield show


def playing(show: Show, count: int) -> list[dict[str, Any]]:
    """Wait until so many renderers draw, and return their status."""

    def found() -> list[dict[str, Any]] | None:
        renderers = show.status()["renderer"]["renderers"]
        each: list[dict[str, Any]] = [one for one in renderers["each"] if one["fps"] > 0]
        return each if renderers["playing"] == count == len(each) else None

    return list(until(found))


def in_order(ticks: list[ReceivedTick]) -> bool:
    """Return True if no picture comes after a newer one."""
    indices = [tick.index for tick in ticks]
    return indices == sorted(indices)


def test_show_plays_over_both_nodes(show: Show) -> None:
    each = playing(show, 2)
    assert len({one["place"] for one in each}) == 2, "one a node"
    with show.every_tick() as ticks:
        until(lambda: len({tick.index for tick in ticks}) > 20)
    assert in_order(ticks)
    assert all(tick.lit for tick in ticks)


def gap_of_kill(show: Show, nodes: Nodes) -> int:
    """Kill a node, and return the longest time between two ticks meanwhile in periods. The other one draws on."""
    pids = {one["pid"] for one in playing(show, 2)}
    with show.every_tick() as ticks:
        until(lambda: len(ticks) > 10)
        nodes.ask("kill")
        until(lambda: [one["pid"] for one in playing(show, 1) if one["pid"] in pids])
        until(lambda count=len(ticks): len(ticks) > count + 20)
    assert in_order(ticks)
    (left,) = playing(show, 1)
    assert left["pid"] in pids
    until(lambda: sum(psutil.pid_exists(pid) for pid in pids) == 1)
    return max(shown_periods(ticks))


def test_killed_node_leaves_no_gap(show: Show, nodes: Nodes) -> None:
    """A busy machine misses ticks of its own. After such a gap a second kill decides."""
    gap = gap_of_kill(show, nodes)
    if gap > LATE:
        nodes.ask("add")
        gap = gap_of_kill(show, nodes)
    assert gap <= LATE


def test_joining_node_takes_part(show: Show, nodes: Nodes) -> None:
    left = playing(show, 1)
    with show.every_tick() as ticks:
        nodes.ask("add")
        each = playing(show, 2)
        until(lambda count=len(ticks): len(ticks) > count + 20)
    assert in_order(ticks)
    assert left[0]["place"] in {one["place"] for one in each}
    assert len({one["place"] for one in each}) == 2


def test_link_wants_keys(show: Show) -> None:
    """The renderers listen nowhere. The stage's end of the link is on loopback, as the cluster is."""
    stage = psutil.Process(show.process.pid)
    hosts = {each.laddr.ip for each in stage.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
    assert hosts == {"127.0.0.1"}
    if sys.platform == "linux":
        loaded = Path(f"/proc/{stage.pid}/maps").read_text()
        assert not [module for module in ("ray", "torch") if f"/{module}/" in loaded]
