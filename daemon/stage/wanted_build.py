"""`WantedBuild`: the build that the controls ask for, and the way back from one that can't be played."""

import logging
from collections.abc import Callable

import psutil

from daemon.stage.parameter_store import ParameterStore
from daemon.stage.settings import Settings
from presets.build import Build
from presets.parameters import Parameters

log = logging.getLogger("stage")

SENDER = "supervisor"
"""Name of the sender of the values of a build that the show goes back to."""


def share_of_cores(renderers: int) -> int | None:
    """Return the threads of one of several renderers on this machine's processor; None for a single one: its own."""
    if renderers < 2:
        return None
    cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    return max(cores // renderers, 1)


class WantedBuild:
    """Reads the build from the parameters, within the limits of the settings. Any thread may call it."""

    def __init__(self, settings: Settings, store: ParameterStore, parameters: Callable[[], Parameters]) -> None:
        """
        Args:
            settings: The settings of the show, with the limits of a renderer.
            store: The controls, which go back to a build that played.
            parameters: Returns the parameters at this moment.
        """
        self._settings = settings
        self._store = store
        self._parameters = parameters
        self._threads = settings.threads or share_of_cores(1 if settings.cluster else settings.renderers)

    def build(self) -> Build:
        """Return the build that a renderer shall have."""
        names = ("gpu_share", "text_encoder", "skip_memory_check")
        limits = {key: getattr(self._settings, key) for key in names}
        return Build.of(self._parameters(), threads=self._threads, **limits)

    def go_back(self, build: Build, reason: str) -> None:
        """Set the controls to a build that played, and log why."""
        log.error("Going back to %s: %s", build, reason)
        for address, value in build.values().items():
            self._store.opened.trust({address: value})
            self._store.apply(address, [value], SENDER)
