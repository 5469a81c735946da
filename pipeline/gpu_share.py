"""A share of a GPU that other programs draw with too. Untested on hardware: no GPU was at hand where it was written."""

import torch

LEAST_PRIORITY = 0
"""Of CUDA's streams: the urgent ones are below it, and none is above."""


def keep_to_a_share(share: float) -> None:
    """Bounds torch's memory on the GPU to a share of the card's, and lets this thread's work wait for others' first.

    The bound is on torch's own allocator: what an engine's runtime allocates beside it does not count. The stream has
    the least priority that CUDA has, which orders kernels of this process. Without a GPU nothing is done. What else
    there is to a share, the time, is kept by whoever calls the stream.

    Args:
        share: Above 0, up to 1.
    """
    if not torch.cuda.is_available():
        return
    torch.cuda.set_per_process_memory_fraction(share)
    torch.cuda.set_stream(torch.cuda.Stream(priority=LEAST_PRIORITY))  # type: ignore[no-untyped-call]
