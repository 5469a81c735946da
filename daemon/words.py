"""`Words`: prompts encoded beside the loop, so that a new prompt never holds a picture up."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from presets.moment import Wording

C = TypeVar("C")


class Words(Generic[C]):
    """The conditioning of the newest wanted words.

    Where every text of theirs was met before, they are mixed at once, so that a morph never lags. Where one was not,
    they are encoded in one thread beside the caller's; words that pile up meanwhile are skipped. `want` and `newest`
    belong to the loop's thread.
    """

    def __init__(self, encode: Callable[[Wording], C], recall: Callable[[Wording], C | None]) -> None:
        """`encode` may take its time; `recall` answers at once, from any thread, None where there is encoding to do."""
        self._encode = encode
        self._recall = recall
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="words")
        self._wanted: Wording | None = None
        self._running: tuple[Wording, Future[C]] | None = None
        self._done: tuple[Wording, C] | None = None

    def want(self, wording: Wording) -> None:
        """Ask for these words; returns at once, and costs nothing where they are the ones already asked for."""
        if wording != self._wanted:
            self._wanted = wording
            self._advance()

    def newest(self) -> tuple[C, bool]:
        """The last finished conditioning, and whether it is the one wanted last. Waits for the first one only.

        Raises what the encoder raised: a text encoder that fails is a renderer that fails.
        """
        if self._done is None and self._running is not None:
            self._running[1].exception()  # waits
        self._advance()
        if self._done is None:
            raise RuntimeError("no words were wanted yet")
        return self._done[1], self._done[0] == self._wanted

    def _advance(self) -> None:
        if self._running is not None and self._running[1].done():
            (wording, future), self._running = self._running, None
            self._done = wording, future.result()  # perhaps others than are wanted by now: they are looked up below
        if self._wanted is None or (self._done is not None and self._done[0] == self._wanted):
            return
        known = self._recall(self._wanted)
        if known is not None:
            self._done = self._wanted, known
        elif self._running is None:
            self._running = self._wanted, self._executor.submit(self._encode, self._wanted)
