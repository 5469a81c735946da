"""`GpuChoice`: the GPU of each renderer where a machine has several and several renderers play."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping

import pynvml

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Variable that CUDA takes its devices from. A user's own choice is kept to."""
BY_BUS = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
"""Has CUDA count the cards as NVML does."""


def visible_gpus(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the NVIDIA GPUs that renderers may use, as CUDA names them; empty without a driver."""
    if (given := environment.get(VISIBLE)) is not None:
        return tuple(name for part in given.split(",") if (name := part.strip()))
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        return tuple(str(place) for place in range(pynvml.nvmlDeviceGetCount()))
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


class GpuChoice:
    """Chooses the GPU with the fewest renderers. One thread only."""

    def __init__(self, renderers: int, gpus: tuple[str, ...] | None = None) -> None:
        """Choose for so many renderers at once, among `gpus`, by default all; a single renderer has all of them."""
        found = () if renderers < 2 else visible_gpus() if gpus is None else gpus
        self._gpus = found if len(found) > 1 else ()

    def next(self, taken: Iterable[str]) -> str:
        """Return the GPU for another renderer beside those on `taken`; empty where there is no choice."""
        counts = Counter(taken)
        return min(self._gpus, key=lambda gpu: counts[gpu], default="")

    @staticmethod
    def environment(gpu: str) -> dict[str, str]:
        """Return the variables that have a renderer see one GPU; none for an empty name."""
        if not gpu:
            return {}
        # A user who chose by CUDA's own order keeps it.
        return {VISIBLE: gpu} | ({} if VISIBLE in os.environ else BY_BUS)
