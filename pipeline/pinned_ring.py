"""Pinned host memory that goes round, so that the host never writes, or reads, what a GPU is still at."""

import torch


class PinnedRing:
    """So many host tensors of one shape, taken in turn; on a GPU pinned, each with the event of its last copy.

    A host that runs ahead of the device by as many turns waits here, and nowhere else. On a CPU copies are done when
    they return, and it is plain memory.
    """

    def __init__(self, count: int, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        on_gpu = device.type == "cuda"
        self.tensors = [torch.zeros(shape, dtype=dtype, pin_memory=on_gpu) for _ in range(count)]
        self._copied = [torch.cuda.Event() for _ in self.tensors if on_gpu]  # type: ignore[no-untyped-call]
        self._turn = 0

    @property
    def turn(self) -> int:
        """Which of `tensors` was taken last."""
        return self._turn

    def take(self) -> torch.Tensor:
        """The next one, free to be written."""
        self._turn = (self._turn + 1) % len(self.tensors)
        self.wait(self._turn)
        return self.tensors[self._turn]

    def copying(self) -> None:
        """A copy from or to the tensor that was taken last was just put on torch's current stream."""
        if self._copied:
            self._copied[self._turn].record()

    def wait(self, turn: int) -> None:
        """Until the last copy from or to that one is done."""
        if self._copied:
            self._copied[turn].synchronize()
