"""OSCQuery's announcement by multicast DNS, found by python-oscquery and zeroconf on loopback."""

import threading
import time
from collections.abc import Iterator

import pytest
from pythonoscquery.osc_query_client import OSCQueryClient
from web_client import port_of
from zeroconf import ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf

from io_bridges.local_network import is_loopback, local_addresses
from io_bridges.oscquery.announcement import OSC_TYPE, OSCQUERY_TYPE, Announcement
from io_bridges.web.server import WebControl

OSC_PORT = 9321
STATUS = {"controls": [{"name": "osc", "address": f"osc.udp://127.0.0.1:{OSC_PORT}"}, {"name": "zmq"}]}


class Found(ServiceListener):
    """The services that a browser on loopback knows, by port."""

    def __init__(self) -> None:
        self.services: dict[int | None, ServiceInfo] = {}
        self.removed: list[str] = []

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        info = zc.get_service_info(type_, name)
        if info is not None:
            self.services[info.port] = info

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        pass

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self.removed.append(name)


@pytest.fixture
def found() -> Iterator[Found]:
    listener = Found()
    with Zeroconf(interfaces=["127.0.0.1"]) as zeroconf:
        ServiceBrowser(zeroconf, [OSCQUERY_TYPE, OSC_TYPE], listener)
        yield listener


def wait_for(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "not found within 30 s"
        time.sleep(0.02)


def test_client_finds_the_show(control: WebControl, found: Found) -> None:
    port = port_of(control)
    announcement = Announcement("127.0.0.1", port, STATUS)
    announcement.start()
    wait_for(lambda: {port, OSC_PORT} <= found.services.keys())
    host = OSCQueryClient(found.services[port]).get_host_info()
    assert host is not None
    assert host.name == "streamflow-live"
    assert found.services[OSC_PORT].type == OSC_TYPE
    announcement.close()
    wait_for(lambda: found.services[port].name in found.removed)


def test_closed_before_it_is_announced() -> None:
    announcement = Announcement("127.0.0.1", 9, {})
    announcement.close()
    announcement.start()
    wait_for(lambda: "announcement" not in {thread.name for thread in threading.enumerate()})


def test_failure_is_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    announcement = Announcement("203.0.113.7", 8090, {})  # no address of this machine
    announcement.start()
    wait_for(lambda: "could not be announced" in caplog.text)


@pytest.mark.parametrize(
    ("host", "closed"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("", False), ("stage.local", False)],
)
def test_loopback_is_not_announced(host: str, closed: bool) -> None:
    assert is_loopback(host) == closed


def test_own_addresses() -> None:
    assert not [address for address in local_addresses() if is_loopback(address)]
