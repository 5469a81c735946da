"""`Announcement`: tells the local network by DNS-SD (RFC 6763, over multicast DNS) where the show's OSCQuery server is.

It is made for servers that are open to the network only. Without the package zeroconf nothing is announced, and clients
are given the address by hand.
"""

import logging
import socket
import threading
from collections.abc import Mapping
from typing import Any

from io_bridges.lazy_imports import missing_extra
from io_bridges.local_network import ANY_HOST, local_addresses
from io_bridges.oscquery.http_queries import NAME, host_info

log = logging.getLogger("stage.controls")

OSCQUERY_TYPE = "_oscjson._tcp.local."
OSC_TYPE = "_osc._udp.local."


class Announcement:
    """The announced services of one server. `start` and `close` return at once."""

    def __init__(self, host: str, port: int, status: Mapping[str, object]) -> None:
        """Take the bound address of the HTTP server, and the status of the show, which names the OSC port."""
        self._host = host
        self._port = port
        self._osc_port = host_info(status).get("OSC_PORT")
        self._zeroconf: Any = None
        self._closing = threading.Event()

    def start(self) -> None:
        """Announce on a thread of its own, since the name has to be checked on the network first."""
        if reason := missing_extra("zeroconf", "discovery"):
            log.info("OSCQuery is not announced on the network. %s", reason)
            return
        threading.Thread(target=self._run, name="announcement", daemon=True).start()

    def close(self) -> None:
        """Withdraw the announcement, on the thread that made it."""
        self._closing.set()

    def _run(self) -> None:
        from zeroconf import Error, InterfaceChoice, ServiceInfo, Zeroconf

        try:
            addresses = local_addresses() if self._host in ANY_HOST else [self._host]
            zeroconf = Zeroconf(interfaces=InterfaceChoice.All if self._host in ANY_HOST else addresses)
            try:
                for kind, port in self._services().items():
                    name = f"{NAME} {socket.gethostname().partition('.')[0]} {port}.{kind}"
                    service = ServiceInfo(kind, name, port, parsed_addresses=addresses, server=f"{NAME}-{port}.local.")
                    zeroconf.register_service(service, allow_name_change=True)
                self._closing.wait()
            finally:
                zeroconf.close()  # withdraws all services
        except (
            OSError,
            Error,
        ) as error:  # no network, no multicast, too many of the same name: the show goes on without
            log.warning("OSCQuery could not be announced on the network: %s", str(error) or type(error).__name__)

    def _services(self) -> dict[str, int]:
        """Return the ports to announce, by their type."""
        services = {OSCQUERY_TYPE: self._port}
        if isinstance(self._osc_port, int):
            services[OSC_TYPE] = self._osc_port
        return services
