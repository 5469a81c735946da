"""Energy in joules from a hardware counter: NVML's of a GPU, else the processor's through Linux's powercap."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

POWERCAP = Path("/sys/class/powercap")


class EnergyMeter(NamedTuple):
    """A counter to be read before and after a turn. It includes idle power."""

    read: Callable[[], float]
    """Returns joules since an arbitrary start."""
    of: str
    """Hardware that it covers."""


def energy_meter(cuda: bool) -> EnergyMeter | None:
    """Return the counter of the first GPU if `cuda`, else of the processor, or None if none can be read."""
    return _gpu_meter() if cuda else processor_meter(POWERCAP)


def _gpu_meter() -> EnergyMeter | None:
    import pynvml
    import torch

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(0).uuid}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        return None
    return EnergyMeter(lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000, "the whole GPU, by NVML")


def processor_meter(powercap: Path) -> EnergyMeter | None:
    """Return the sum of the packages' counters, or None if none can be read."""
    packages = [_Package(zone) for zone in sorted(powercap.glob("*-rapl:*")) if _is_package(zone)]
    if not packages:
        return None
    return EnergyMeter(lambda: sum(package.joules() for package in packages), "the processor's packages, by powercap")


def _is_package(zone: Path) -> bool:
    try:
        int((zone / "energy_uj").read_text())  # readable by root alone on most machines
        return (zone / "name").read_text().startswith("package")
    except (OSError, ValueError):
        return False


class _Package:
    """Counter of one processor package, which wraps around at its range."""

    def __init__(self, zone: Path) -> None:
        self._counter = zone / "energy_uj"
        self._range = int((zone / "max_energy_range_uj").read_text())
        self._last = int(self._counter.read_text())
        self._total = 0

    def joules(self) -> float:
        now = int(self._counter.read_text())
        self._total += now - self._last if now >= self._last else now - self._last + self._range
        self._last = now
        return self._total / 1e6
