"""Joules, by a counter of the machine's own: NVML's of a GPU, else the processor's through Linux's powercap."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

POWERCAP = Path("/sys/class/powercap")


class Meter(NamedTuple):
    """A counter that is read before and after; what idles is counted too, as on a bill."""

    read: Callable[[], float]
    """Joules since some moment."""
    of: str
    """What it counts."""


def meter(cuda: bool) -> Meter | None:
    """The one of the first GPU where the networks run on one, else of the processor; None where none can be read."""
    return _of_gpu() if cuda else of_processor(POWERCAP)


def _of_gpu() -> Meter | None:
    import pynvml
    import torch

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(0).uuid}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        return None
    return Meter(lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000, "the whole GPU, by NVML")


def of_processor(powercap: Path) -> Meter | None:
    """The sum of the packages' counters. Each goes round; `_Package` counts the rounds."""
    packages = [_Package(zone) for zone in sorted(powercap.glob("*-rapl:*")) if _is_package(zone)]
    if not packages:
        return None
    return Meter(lambda: sum(package.joules() for package in packages), "the processor's packages, by powercap")


def _is_package(zone: Path) -> bool:
    try:
        int((zone / "energy_uj").read_text())  # on most machines only root may
        return (zone / "name").read_text().startswith("package")
    except (OSError, ValueError):
        return False


class _Package:
    def __init__(self, zone: Path) -> None:
        self._counter = zone / "energy_uj"
        self._round = int((zone / "max_energy_range_uj").read_text())
        self._last = int(self._counter.read_text())
        self._total = 0

    def joules(self) -> float:
        now = int(self._counter.read_text())
        self._total += now - self._last if now >= self._last else now - self._last + self._round
        self._last = now
        return self._total / 1e6
