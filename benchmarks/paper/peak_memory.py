"""The most memory that this process has had: on its GPU where it uses one, else in main memory."""

from pathlib import Path

import psutil

MIB = 2**20


def forget_peak(cuda: bool) -> None:
    """Begin anew, so that `peak` is that of what follows. Main memory's peak can only be forgotten on Linux."""
    if cuda:
        import torch

        torch.cuda.reset_peak_memory_stats()
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def peak(cuda: bool) -> dict[str, float | str]:
    """``peak_memory_mib``, and ``memory_of``: whose it is."""
    if cuda:
        return _of_gpu()
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return {"peak_memory_mib": float(line.split()[1]) / 1024, "memory_of": "the process"}
    info = psutil.Process().memory_info()
    return {"peak_memory_mib": getattr(info, "peak_wset", info.rss) / MIB, "memory_of": "the process"}


def _of_gpu() -> dict[str, float | str]:
    """By NVML, which sees what other libraries than torch hold too; by torch where NVML does not tell."""
    import os

    import pynvml
    import torch

    held = torch.cuda.max_memory_reserved() / MIB
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(0).uuid}")
        own = [each for each in pynvml.nvmlDeviceGetComputeRunningProcesses(handle) if each.pid == os.getpid()]
    except pynvml.NVMLError:
        own = []
    if own and own[0].usedGpuMemory:
        return {"peak_memory_mib": max(own[0].usedGpuMemory / MIB, held), "memory_of": "the process on the GPU"}
    return {"peak_memory_mib": held, "memory_of": "torch on the GPU"}
