"""Process-wide settings of torch: float32 arithmetic, convolutions, and a share of a GPU that others use too."""

import torch

LOWEST_PRIORITY = 0
"""Lowest priority of a CUDA stream. Higher priorities are negative numbers."""


NETWORK_PRIORITY = -1
"""Priority of the network. Decoding has the lowest."""


def prefer_network() -> None:
    """Run this thread's kernels, those of the network, before those of decoders beside them (`OverlappedDecoder`).

    `limit_gpu_share` takes that back. Without a GPU nothing changes. Not run on hardware yet.
    """
    if torch.cuda.is_available():
        torch.cuda.set_stream(torch.cuda.Stream(priority=NETWORK_PRIORITY))  # type: ignore[no-untyped-call]


def disable_tf32() -> None:
    """Make torch compute float32 on a GPU with its 23-bit mantissa, not with TensorFloat-32's 10 bits.

    torch's default is TF32 for convolutions and float32 for matrix products. Other precisions and accelerators are
    compared against float32, so it must mean the same everywhere. A half type is faster than TF32, and float16 has the
    same mantissa. The setting applies to the whole process. On a processor nothing changes.
    """
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def time_convolutions() -> None:
    """Have cuDNN time its algorithms for each new shape of a convolution and keep the fastest.

    A show has few shapes, and they are prepared before its first picture. The algorithms may differ from one process to
    the next, and rounding with them, so only a live show asks for it. Without a GPU nothing changes.
    """
    torch.backends.cudnn.benchmark = True


def limit_gpu_share(share: float) -> None:
    """Limit torch's memory on the GPU to a share of the card's, and run this thread's kernels at the lowest priority.

    The limit applies to torch's allocator; memory that an engine's own runtime allocates does not count. Priorities
    order the kernels of this process only. The share of GPU time is kept by the caller of the stream. Without a GPU
    nothing changes.

    Args:
        share: Above 0, up to 1.
    """
    if not torch.cuda.is_available():
        return
    torch.cuda.set_per_process_memory_fraction(share)
    torch.cuda.set_stream(torch.cuda.Stream(priority=LOWEST_PRIORITY))  # type: ignore[no-untyped-call]
