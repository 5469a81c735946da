"""`ClusterAddress`: what ``run --cluster`` takes, and the address of this machine that the cluster reaches."""

import os
import socket
from collections.abc import MutableMapping
from typing import NamedTuple

from io_bridges.lazy_imports import missing_extra
from io_bridges.local_network import is_loopback
from presets.errors import SettingsError

LOCAL = "local"
"""Stands for a cluster of this machine alone, which is started with the show and ends with it."""

LOOPBACK = "127.0.0.1"

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
}
"""Variables of Ray's own. Nothing is reported to anyone."""

ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Has Ray take 127.0.0.1 for the address of this machine, and listen there alone, on Linux too."""


class ClusterAddress(NamedTuple):
    """Address of a Ray cluster: its head's host and port, or `LOCAL`."""

    text: str
    host: str

    @classmethod
    def read(cls, text: str) -> "ClusterAddress":
        """Read ``HOST:PORT`` or ``local``. Raises `SettingsError`, also if Ray is not installed."""
        if reason := missing_extra("ray", "cluster"):
            raise SettingsError(f"--cluster: {reason}")
        if text == LOCAL:
            return cls(LOCAL, LOOPBACK)
        host, _, port = text.rpartition(":")
        if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise SettingsError(f"--cluster takes the HOST:PORT of a Ray cluster's head, or {LOCAL}; not {text!r}")
        return cls(text, host.strip("[]"))

    def own_host(self) -> str:
        """Return the address of this machine that the cluster reaches. Raises `SettingsError` for an unknown host."""
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((self.host, 9))  # sends nothing
                return str(probe.getsockname()[0])
        except OSError as error:
            raise SettingsError(f"--cluster {self.text}: {error.strerror or error}") from error

    def environment(self) -> dict[str, str]:
        """Return the variables that Ray must be started with."""
        return QUIET | (ON_LOOPBACK if is_loopback(self.host) else {})

    def prepare(self, environment: MutableMapping[str, str] = os.environ) -> None:
        """Set them for this process. Ray reads them when it is imported."""
        environment.update(self.environment())
