"""Ring of pinned host buffers for asynchronous copies between host and GPU."""

import torch


class PinnedRing:
    """Host tensors of one shape, used in turn so that the host never touches one that a GPU is still copying.

    On an NVIDIA GPU the tensors are pinned, and each has a CUDA event that marks its last copy. The host blocks only
    when it is a whole ring ahead of the device. On other devices the tensors are plain memory, and copies have to be
    synchronous: nothing tells the host when an asynchronous one is done.
    """

    def __init__(self, count: int, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        """
        Args:
            count: Number of tensors.
            shape: Shape of each.
            dtype: Dtype of each.
            device: Device that the tensors are copied to or from.
        """
        self.is_pinned = device.type == "cuda"
        """True if copies may be asynchronous."""
        self.tensors = [torch.zeros(shape, dtype=dtype, pin_memory=self.is_pinned) for _ in range(count)]
        self._copied = [torch.cuda.Event() for _ in self.tensors if self.is_pinned]  # type: ignore[no-untyped-call]
        self._index = 0

    @property
    def index(self) -> int:
        """Index in `tensors` of the tensor that was taken last."""
        return self._index

    def take(self) -> torch.Tensor:
        """Return the next tensor, after its last copy is done."""
        self._index = (self._index + 1) % len(self.tensors)
        self.wait(self._index)
        return self.tensors[self._index]

    def record_copy(self) -> None:
        """Mark that a copy of the last taken tensor was put on torch's current stream."""
        if self._copied:
            self._copied[self._index].record()

    def wait(self, index: int) -> None:
        """Block until the last recorded copy of ``tensors[index]`` is done."""
        if self._copied:
            self._copied[index].synchronize()
