"""Peak memory of this process, on its GPU if it uses one, else in main memory."""

from pathlib import Path

import psutil

MIB = 2**20


def reset_peak(cuda: bool) -> None:
    """Reset the peak before a measurement. The peak of main memory can be reset on Linux only."""
    if cuda:
        import torch

        torch.cuda.reset_peak_memory_stats()
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def read_peak(cuda: bool) -> dict[str, float | str]:
    """Return ``peak_memory_mib``, and ``memory_of``: the memory that it is the peak of."""
    if cuda:
        return _read_gpu_peak()
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return {"peak_memory_mib": float(line.split()[1]) / 1024, "memory_of": "the process"}
    info = psutil.Process().memory_info()
    return {"peak_memory_mib": getattr(info, "peak_wset", info.rss) / MIB, "memory_of": "the process"}


def _read_gpu_peak() -> dict[str, float | str]:
    """Read NVML, which includes libraries other than torch, or torch if NVML does not report this process."""
    import os

    import pynvml
    import torch

    reserved = torch.cuda.max_memory_reserved() / MIB
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(0).uuid}")
        own = [each for each in pynvml.nvmlDeviceGetComputeRunningProcesses(handle) if each.pid == os.getpid()]
    except pynvml.NVMLError:
        own = []
    if own and own[0].usedGpuMemory:
        return {"peak_memory_mib": max(own[0].usedGpuMemory / MIB, reserved), "memory_of": "the process on the GPU"}
    return {"peak_memory_mib": reserved, "memory_of": "torch on the GPU"}
