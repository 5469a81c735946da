"""`PromptEncoder`: prompts encoded beside the loop, so that a new prompt never delays a frame."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from presets.errors import ModelError
from presets.frame_parameters import PromptMixture

C = TypeVar("C")

WAIT = 0.5
"""Seconds between two looks at the first prompt, while everything waits for it."""


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
        self._beside: Future[None] | None = None
        self._refused: PromptMixture | None = None
        self.refused = ""
        """Sentence about the wanted prompt if it can't be encoded, in whose place an earlier one stays; else empty."""

    def want(self, prompt: PromptMixture, revision: int) -> None:
        """Ask for the prompt of a revision. Return at once, without work if it is the one already wanted.

        `revision` grows from call to call, or stays.
        """
        if self._wanted is not None and prompt == self._wanted.prompt:
            self._wanted.revision = revision
        else:
            self._wanted = _PendingPrompt(prompt, revision)
            self._advance()

    def newest(self, meanwhile: Callable[[], None] = lambda: None) -> EncodedPrompt[C]:
        """Return the newest encoded prompt: the wanted one, or an earlier one. Wait for the first one only.

        Args:
            meanwhile: Called every `WAIT` seconds of the wait.

        Raises:
            ModelError: the first prompt can't be encoded. A later one leaves the prompt before, and sets `refused`.
            Exception: what else the encoder raised. A text encoder with a defect is a renderer that fails.
        """
        while self._done is None and self._running is not None and wait([self._running[1]], WAIT).not_done:
            meanwhile()
        self._advance()
        if self._done is None:
            raise RuntimeError("no prompt was wanted yet")
        pending, conditioning = self._done
        return EncodedPrompt(conditioning, pending.revision, pending is self._wanted)

    def run_beside(self, work: Callable[[], None]) -> None:
        """Run `work` in the thread of the encoder, after what it does now. Skip it if the last one is not done."""
        if self._beside is None or self._beside.done():
            if self._beside is not None:
                self._beside.result()  # raises what it raised
            self._beside = self._executor.submit(work)

    def _collect(self) -> None:
        """Take the prompt that the thread has encoded, or note why it can't be."""
        if self._running is None or not self._running[1].done():
            return
        (pending, future), self._running = self._running, None
        try:
            self._done = pending, future.result()  # perhaps no longer the wanted prompt, which is looked up after this
        except ModelError as error:
            if self._done is None:
                raise
            self._refused, self.refused = pending.prompt, str(error)

    def _advance(self) -> None:
        self._collect()
        if self._wanted is None:
            return
        if self._refused is not None:
            if _texts(self._refused) == _texts(self._wanted.prompt):
                return
            self._refused, self.refused = None, ""
        if self._done is not None and self._done[0].prompt == self._wanted.prompt:
            self._done = self._wanted, self._done[1]
            return
        prompt = self._wanted.prompt
        known = self._recall(prompt)
        is_whole = known is not None
        if known is None and prompt.ahead:  # those that are only encoded ahead hold nothing up
            known = self._recall(prompt._replace(ahead=()))
        if known is not None:
            self._done = self._wanted, known
        if not is_whole and self._running is None:
            self._running = self._wanted, self._executor.submit(self._encode, prompt)


def _texts(prompt: PromptMixture) -> set[str]:
    """Return the texts of a prompt, whatever their weights."""
    return {text for text, _ in (*prompt.prompt, *prompt.negative)} | {*prompt.ahead}
