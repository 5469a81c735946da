"""`PromptEncoder`: prompts encoded beside the loop, so that a new prompt never holds a picture up."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from presets.frame_parameters import PromptMixture

C = TypeVar("C")


@dataclass(slots=True)
class _PendingPrompt:
    wording: PromptMixture
    revision: int
    """The newest at which these were the words."""


class EncodedPrompt(NamedTuple, Generic[C]):
    """The last words whose encoding is done."""

    conditioning: C
    revision: int
    """The newest revision of the parameters that had these words."""
    current: bool
    """Whether they are the words wanted now."""


class PromptEncoder(Generic[C]):
    """The conditioning of the newest wanted words.

    Where every text of theirs was met before, they are mixed at once, so that a morph never lags. Where one was not,
    they are encoded in one thread beside the caller's; words that pile up meanwhile are skipped. `want` and `newest`
    belong to the loop's thread.
    """

    def __init__(self, encode: Callable[[PromptMixture], C], recall: Callable[[PromptMixture], C | None]) -> None:
        """`encode` may take its time; `recall` answers at once, from any thread, None where there is encoding to do."""
        self._encode = encode
        self._recall = recall
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="words")
        self._wanted: _PendingPrompt | None = None
        self._running: tuple[_PendingPrompt, Future[C]] | None = None
        self._done: tuple[_PendingPrompt, C] | None = None

    def want(self, wording: PromptMixture, revision: int) -> None:
        """Ask for the words of a revision; returns at once, and costs nothing where they are those already asked for.

        `revision` counts up from call to call, or stays.
        """
        if self._wanted is not None and wording == self._wanted.wording:
            self._wanted.revision = revision
        else:
            self._wanted = _PendingPrompt(wording, revision)
            self._advance()

    def newest(self) -> EncodedPrompt[C]:
        """What is finished, of the words wanted last or of some before. Waits for the first ones only.

        Raises what the encoder raised: a text encoder that fails is a renderer that fails.
        """
        if self._done is None and self._running is not None:
            self._running[1].exception()  # waits
        self._advance()
        if self._done is None:
            raise RuntimeError("no words were wanted yet")
        wish, conditioning = self._done
        return EncodedPrompt(conditioning, wish.revision, wish is self._wanted)

    def _advance(self) -> None:
        if self._running is not None and self._running[1].done():
            (wish, future), self._running = self._running, None
            self._done = wish, future.result()  # perhaps others than are wanted by now: they are looked up below
        if self._wanted is None:
            return
        if self._done is not None and self._done[0].wording == self._wanted.wording:
            self._done = self._wanted, self._done[1]
            return
        known = self._recall(self._wanted.wording)
        if known is not None:
            self._done = self._wanted, known
        elif self._running is None:
            self._running = self._wanted, self._executor.submit(self._encode, self._wanted.wording)
