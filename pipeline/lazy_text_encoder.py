"""`LazyTextEncoder`: the text encoder of a model, loaded when a text needs it and freed when memory is short."""

from collections.abc import Callable

from pipeline.encoded_text import ConditioningShape, EncodedText, TextEncoder


class LazyTextEncoder:
    """A text encoder whose shape is known before it is loaded (a `conditioning.TextEncoder`).

    `load`, `free` and calls run on one thread at a time. `held_bytes` and `is_loaded` may be read on any.
    """

    def __init__(
        self,
        shape: ConditioningShape,
        zeroes_empty_negative: bool,
        read: Callable[[], TextEncoder],
        release: Callable[[], None],
        size: int,
    ) -> None:
        """
        Args:
            shape: Shape of every encoded text.
            zeroes_empty_negative: As in `conditioning.TextEncoder`.
            read: Returns the text encoder, which may take long.
            release: Drops what else refers to its networks.
            size: Bytes of its networks, about. 0 for one that is so small that it stays loaded.
        """
        self.shape = shape
        self.zeroes_empty_negative = zeroes_empty_negative
        self._read, self._release, self._size = read, release, size
        self._encoder: TextEncoder | None = None

    @property
    def is_loaded(self) -> bool:
        """True while the networks are in memory."""
        return self._encoder is not None

    @property
    def held_bytes(self) -> int:
        """Bytes of main memory that `free` gives back, about."""
        return self._size if self.is_loaded else 0

    def load(self) -> TextEncoder:
        """Return the text encoder, loaded first if it is not. Raises `ModelError`."""
        if self._encoder is None:
            try:
                self._encoder = self._read()
            finally:
                if self._encoder is None:  # what was read before the fault stays no longer
                    self._release()
        return self._encoder

    def free(self) -> None:
        """Drop the networks. The next call loads them again. One that is small stays."""
        if self._size:
            self._encoder = None
            self._release()

    def __call__(self, text: str) -> EncodedText:
        """Return one encoded text, float32. Raises `ModelError` if the networks can't be loaded."""
        return self.load()(text)
