"""`PromptEncoder`: prompts encoded beside the loop, so that a new prompt never delays a frame."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from presets.frame_parameters import PromptMixture

C = TypeVar("C")


@dataclass(slots=True)
class _PendingPrompt:
    prompt: PromptMixture
    revision: int
    """Newest revision with this prompt."""


class EncodedPrompt(NamedTuple, Generic[C]):
    """The last prompt that is encoded."""

    conditioning: C
    revision: int
    """Newest revision of the parameters with this prompt."""
    current: bool
    """True if it is the prompt wanted now."""


class PromptEncoder(Generic[C]):
    """The conditioning of the newest wanted prompt.

    If all its texts are known, they are mixed at once, so that a morph never lags. Otherwise they are encoded in one
    thread beside the caller's, and prompts that pile up meanwhile are skipped. `want` and `newest` belong to the loop's
    thread.
    """

    def __init__(self, encode: Callable[[PromptMixture], C], recall: Callable[[PromptMixture], C | None]) -> None:
        """
        Args:
            encode: Returns the conditioning of a prompt; may take long.
            recall: Returns it at once, from any thread; None if a text has to be encoded.
        """
        self._encode = encode
        self._recall = recall
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="prompt-encoder")
        self._wanted: _PendingPrompt | None = None
        self._running: tuple[_PendingPrompt, Future[C]] | None = None
        self._done: tuple[_PendingPrompt, C] | None = None

    def want(self, prompt: PromptMixture, revision: int) -> None:
        """Ask for the prompt of a revision. Return at once, without work if it is the one already wanted.

        `revision` grows from call to call, or stays.
        """
        if self._wanted is not None and prompt == self._wanted.prompt:
            self._wanted.revision = revision
        else:
            self._wanted = _PendingPrompt(prompt, revision)
            self._advance()

    def newest(self) -> EncodedPrompt[C]:
        """Return the newest encoded prompt: the wanted one, or an earlier one. Wait for the first one only.

        Raises what the encoder raised: a text encoder that fails is a renderer that fails.
        """
        if self._done is None and self._running is not None:
            self._running[1].exception()  # waits
        self._advance()
        if self._done is None:
            raise RuntimeError("no prompt was wanted yet")
        pending, conditioning = self._done
        return EncodedPrompt(conditioning, pending.revision, pending is self._wanted)

    def _advance(self) -> None:
        if self._running is not None and self._running[1].done():
            (pending, future), self._running = self._running, None
            self._done = pending, future.result()  # perhaps no longer the wanted prompt, which is looked up below
        if self._wanted is None:
            return
        if self._done is not None and self._done[0].prompt == self._wanted.prompt:
            self._done = self._wanted, self._done[1]
            return
        known = self._recall(self._wanted.prompt)
        if known is not None:
            self._done = self._wanted, known
        elif self._running is None:
            self._running = self._wanted, self._executor.submit(self._encode, self._wanted.prompt)
