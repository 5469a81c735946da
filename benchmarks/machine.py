"""Facts about the machine that belong to every figure: hardware, load, versions."""

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
    """Return the head of a results document."""
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
    """Return the processor's name as its maker writes it, or the architecture if the system does not say."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def gpu() -> str | None:
    """Return the name of the first NVIDIA GPU, or None without one."""
    return _query_nvml(lambda nvml: nvml.nvmlDeviceGetName(nvml.nvmlDeviceGetHandleByIndex(0)))


def driver() -> str | None:
    """Return the version of NVIDIA's driver, or None without one."""
    return _query_nvml(lambda nvml: nvml.nvmlSystemGetDriverVersion())


def _query_nvml(ask: Callable[[Any], Any]) -> str | None:
    import pynvml

    try:
        pynvml.nvmlInit()
        return str(ask(pynvml))
    except pynvml.NVMLError:
        return None


def source(folder: str) -> str:
    """Return a digest of the Python modules and weights in `folder`. It identifies the code of a checkout."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted([*(root / folder).rglob("*.py"), *(root / folder).rglob("*.safetensors")]):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def cores() -> int:
    """Return the number of logical processors that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else (os.cpu_count() or 1)


def busy() -> str:
    """Return a warning if other processes load this machine, or an empty string."""
    load = psutil.getloadavg()[0]
    if load < 0.3 * cores():
        return ""
    return f"This machine is busy (load {load:.1f} on {cores()} cores). Figures will be lower and will scatter."


def slug(device: str) -> str:
    """Return a device name in the form that file names use."""
    short = re.sub(r"\((?:R|TM)\)|\bCPU\b|@.*", "", device, flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9]+", "-", short.lower()).strip("-") or "unknown"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
