"""The processor and the card of this machine, as far as a measured choice depends on them."""

import hashlib
import math
import os
import platform
from functools import cache
from pathlib import Path
from typing import NamedTuple

import psutil
import torch

CPU_FACTS = Path("/proc/cpuinfo")
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of processor time for each period, in a container with a limit; ``max 100000`` without one."""


class Cores(NamedTuple):
    """Cores that this process may use."""

    physical: int
    logical: int


def usable_cores() -> Cores:
    """Return the cores that affinity and the container's quota leave."""
    logical = _affinity()
    if (quota := _quota()) is not None:
        logical = min(logical, max(1, math.ceil(quota)))
    return Cores(min(psutil.cpu_count(logical=False) or 1, logical), logical)


def machine(device: torch.device) -> str:
    """Return what runs the networks, in words: a card, or the processor with its cores and a digest of its flags."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return f"{torch.cuda.get_device_name(device)} {major}.{minor}"
    name, flags = _processor()
    cores = usable_cores()
    return f"{name}, {cores.physical} of {cores.logical} cores, flags {flags}"


@cache
def _processor() -> tuple[str, str]:
    """Name, and a digest of the instruction sets. A hypervisor may hide some of them on one and the same processor."""
    try:
        lines = CPU_FACTS.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = facts.get("model name") or platform.processor() or platform.machine()
    flags = sorted((facts.get("flags") or facts.get("Features") or "").split())
    return name, hashlib.sha256(" ".join(flags).encode()).hexdigest()[:12]


def _affinity() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no such call
        return psutil.cpu_count() or 1


def _quota() -> float | None:
    try:
        allowed, period = CPU_QUOTA.read_text().split()
        return None if allowed == "max" else int(allowed) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
