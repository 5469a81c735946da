"""OSCQuery over HTTP: the tree of controls, single attributes, errors, and a foreign client."""

import json
import socket
from typing import Any

import pytest
from pythonoscquery.osc_query_client import OSCQueryClient
from pythonoscquery.shared.osc_access import OSCAccess
from web_client import ask, port_of
from web_show_control import PRESETS, WebShow
from zeroconf import ServiceInfo

from io_bridges.web.server import WebControl
from presets.declaration import ACTIONS
from presets.parameter_table import PARAMETERS


def query(control: WebControl, path: str) -> Any:
    """Return the JSON of a query that succeeds."""
    status, body, headers = ask(control, "GET", path)
    assert status == 200, body
    assert headers["content-type"] == "application/json"
    return json.loads(body)


@pytest.fixture
def client(control: WebControl) -> OSCQueryClient:
    """The client of python-oscquery."""
    at = socket.inet_aton("127.0.0.1")
    return OSCQueryClient(
        ServiceInfo("_oscjson._tcp.local.", "show._oscjson._tcp.local.", port_of(control), addresses=[at])
    )


def test_client_finds_every_control(client: OSCQueryClient) -> None:
    root = client.query_node("/")
    assert root is not None
    for address, parameter in PARAMETERS.items():
        node = root.find_subnode(address)
        assert node is not None, address
        assert node.access == OSCAccess.READWRITE_VALUE
        assert node.description == parameter.description
        assert node.value == [parameter.default]
    for action in ACTIONS:
        if action.address == "/prompt":  # a container
            continue
        node = root.find_subnode(action.address)
        assert node is not None, action.address
        assert node.access == OSCAccess.WRITEONLY_VALUE


def test_client_reads_one_control(client: OSCQueryClient, show: WebShow) -> None:
    show.apply("/strength", (0.25,), "test")
    node = client.query_node("/strength")
    assert node is not None
    assert (node.full_path, node.value) == ("/strength", [0.25])
    assert client.query_node("/no/such/address") is None


def test_client_reads_the_host(client: OSCQueryClient, show: WebShow) -> None:
    show.state = {**show.state, "controls": [{"name": "osc", "address": "osc.udp://127.0.0.1:9123"}]}
    host = client.get_host_info()
    assert host is not None
    assert (host.name, host.osc_ip, host.osc_port, host.osc_transport) == ("streamflow-live", "127.0.0.1", 9123, "UDP")
    assert host.extensions["LISTEN"]


def test_host_on_every_address(control: WebControl, show: WebShow) -> None:
    show.state = {**show.state, "controls": [{"name": "osc", "address": "osc.udp://0.0.0.0:9000"}]}
    host = query(control, "/?HOST_INFO")
    assert host["OSC_PORT"] == 9000
    assert "OSC_IP" not in host, "a client takes the address that it asked"
    show.state = {**show.state, "controls": []}
    assert "OSC_PORT" not in query(control, "/?HOST_INFO")


def test_node_of_each_kind(control: WebControl, show: WebShow) -> None:
    assert query(control, "/strength") == {
        "FULL_PATH": "/strength",
        "TYPE": "f",
        "ACCESS": 3,
        "VALUE": [0.9],
        "DESCRIPTION": PARAMETERS["/strength"].description,
        "TAGS": ["style", "frame"],
        "RANGE": [{"MIN": 0.0, "MAX": 1.0}],
        "CLIPMODE": ["both"],
    }
    seed, fit, fade = query(control, "/seed"), query(control, "/fit"), query(control, "/fade")
    assert (seed["TYPE"], seed["RANGE"]) == ("i", [{"MIN": -1, "MAX": 2**31 - 1}])
    assert (fit["TYPE"], fit["RANGE"]) == ("s", [{"VALS": ["fill", "fit", "stretch"]}])
    assert fade["UNIT"] == ["s"]
    assert query(control, "/freeze")["TYPE"] == "F"
    show.apply("/freeze", (True,), "test")
    assert (query(control, "/freeze")["TYPE"], query(control, "/freeze?VALUE")) == ("T", {"VALUE": [True]})
    assert query(control, "/preset")["RANGE"] == [{"VALS": list(PRESETS)}]
    assert query(control, "/panic")["TYPE"] == "I"
    assert query(control, "/save")["TYPE"] == "s"


def test_containers_and_actions(control: WebControl) -> None:
    prompt = query(control, "/prompt")  # an action too, which a client can't be told
    assert (prompt["ACCESS"], list(prompt["CONTENTS"])) == (0, ["1", "2", "3", "4"])
    assert list(query(control, "/prompt/1/")["CONTENTS"]) == ["text", "weight"]
    assert query(control, "/sink")["ACCESS"] == 0
    assert query(control, "/streamflow/fps?VALUE") == {"VALUE": [24.3]}
    assert query(control, "/streamflow/latency?VALUE") == {"VALUE": [0.0]}, "not measured yet"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/no/such/address", 404),
        ("/prompt/" + "x" * 5000, 404),
        ("/seed/%00%ff", 404),
        ("/strength/../../etc/passwd", 404),
        ("/strength?NO_SUCH", 400),
        ("/strength?VALUE&RANGE", 400),
        ("/prompt?VALUE", 204),
        ("/sink?TYPE", 204),
        ("/seed?UNIT", 204),
    ],
)
def test_refused_queries(control: WebControl, path: str, status: int) -> None:
    answered, body, _ = ask(control, "GET", path)
    assert answered == status
    assert len(body) < 1000
    assert bool(body) == (status != 204)


def test_browser_gets_the_page(control: WebControl) -> None:
    html = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    assert ask(control, "GET", "/", headers=html)[1].startswith(b"<!doctype html>")
    assert json.loads(ask(control, "GET", "/")[1])["FULL_PATH"] == "/"
    assert json.loads(ask(control, "GET", "/?HOST_INFO", headers=html)[1])["NAME"] == "streamflow-live"


def test_no_control_hides_a_route(control: WebControl) -> None:
    routes = {"api", "ws", "metrics", "output.jpg"}
    names = {address.split("/")[1] for address in [*PARAMETERS, *(action.address for action in ACTIONS)]}
    assert not routes & names
    assert not [name for name in names if "." in name], "the files of the page have dots"
