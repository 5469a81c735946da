"""`Words`: prompts encoded beside the loop, so that a new prompt never holds a picture up."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from presets.parameters import Parameters

C = TypeVar("C")


class Words(Generic[C]):
    """Encodes the newest wanted prompts in one thread beside the caller's; prompts that pile up meanwhile are skipped.

    `want` and `newest` belong to the loop's thread.
    """

    def __init__(self, encode: Callable[[Parameters], C]) -> None:
        self._encode = encode
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="words")
        self._wanted: Parameters | None = None
        self._wanted_key: object = None
        self._running: tuple[object, Future[C]] | None = None
        self._done: tuple[object, C] | None = None

    def want(self, parameters: Parameters) -> None:
        """Ask for these prompts; returns at once, and costs nothing where they are the ones already asked for."""
        key = (parameters.prompt, parameters.negative_prompt)
        if key != self._wanted_key:
            self._wanted, self._wanted_key = parameters, key
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
        return self._done[1], self._done[0] == self._wanted_key

    def _advance(self) -> None:
        if self._running is not None and self._running[1].done():
            key, future = self._running
            self._done, self._running = (key, future.result()), None
        if self._running is None and self._wanted is not None and (not self._done or self._done[0] != self._wanted_key):
            self._running = self._wanted_key, self._executor.submit(self._encode, self._wanted)
