"""What a figure means nothing without: the machine, how busy it was, the versions."""

import hashlib
import importlib.metadata
import os
import platform
import re
import shlex
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = (
    "streamflow-live",
    "torch",
    "openvino",
    "numpy",
    "pyzmq",
    "diffusers",
    "transformers",
    "onnxruntime",
    "tensorrt",
    "tensorrt-rtx-cu13",
    "streamdiffusion",
)


def facts() -> dict[str, Any]:
    """The head of a results document."""
    return {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "device": processor(),
        "gpu": gpu(),
        "cores": cores(),
        "physical_cores": psutil.cpu_count(logical=False),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "load_before": [round(load, 2) for load in psutil.getloadavg()],
        "versions": {"python": platform.python_version()}
        | {name: _version(name) for name in _PACKAGES}
        | {"driver": driver(), "pipeline": source("pipeline")},
        "command": shlex.join(["streamflow-live", *sys.argv[1:]]),
    }


def processor() -> str:
    """Its name as its maker writes it, where the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def gpu() -> str | None:
    """The first NVIDIA GPU's name, if there is one."""
    return _asked_of_nvml(lambda nvml: nvml.nvmlDeviceGetName(nvml.nvmlDeviceGetHandleByIndex(0)))


def driver() -> str | None:
    """NVIDIA's, if there is one."""
    return _asked_of_nvml(lambda nvml: nvml.nvmlSystemGetDriverVersion())


def _asked_of_nvml(ask: Callable[[Any], Any]) -> str | None:
    import pynvml

    try:
        pynvml.nvmlInit()
        return str(ask(pynvml))
    except pynvml.NVMLError:
        return None


def source(folder: str) -> str:
    """A digest of this program's own modules there: a version number says little of a checkout."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted((root / folder).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def cores() -> int:
    """Logical processors that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else (os.cpu_count() or 1)


def busy() -> str:
    """A warning where others compute here now; empty on an idle machine."""
    load = psutil.getloadavg()[0]
    if load < 0.3 * cores():
        return ""
    return (
        f"this machine is busy (load {load:.1f} on {cores()} cores): figures are lower than they would be, and scatter"
    )


def slug(device: str) -> str:
    """A processor's name as part of a file's."""
    short = re.sub(r"\((?:R|TM)\)|\bCPU\b|@.*", "", device, flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9]+", "-", short.lower()).strip("-") or "unknown"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
