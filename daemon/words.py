"""`Words`: prompts encoded beside the loop, so that a new prompt never holds a picture up."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from presets.parameters import Parameters

C = TypeVar("C")


class Words(Generic[C]):
    """Encodes the newest wanted prompts in a thread of its own; prompts that pile up meanwhile are skipped."""

    def __init__(self, encode: Callable[[Parameters], C]) -> None:
        self._encode = encode
        self._condition = threading.Condition()
        self._wanted: Parameters | None = None
        self._wanted_key: object = None
        self._done_key: object = None
        self._done: C | None = None
        self._failure: BaseException | None = None
        threading.Thread(target=self._run, name="words", daemon=True).start()

    def want(self, parameters: Parameters) -> None:
        """Ask for these prompts; returns at once, and costs nothing where they are the ones already asked for."""
        key = (parameters.prompt, parameters.negative_prompt)
        if key == self._wanted_key:
            return
        with self._condition:
            self._wanted, self._wanted_key = parameters, key
            self._condition.notify_all()

    def newest(self) -> tuple[C, bool]:
        """The last finished conditioning, and whether it is the one wanted last. Waits for the first one only.

        Raises what the encoder raised: a text encoder that fails is a renderer that fails.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._done is not None or self._failure is not None)
            if self._failure is not None:
                raise self._failure
            if self._done is None:
                raise RuntimeError("the text encoder finished with nothing")
            return self._done, self._done_key == self._wanted_key

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._wanted_key != self._done_key)
                parameters, key = self._wanted, self._wanted_key
            if parameters is None:
                return
            try:
                done = self._encode(parameters)
            except BaseException as failure:
                with self._condition:
                    self._failure = failure
                    self._condition.notify_all()
                raise
            with self._condition:
                self._done, self._done_key = done, key
                self._condition.notify_all()
