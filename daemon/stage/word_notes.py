"""`WordNotes`: how a model with a closed vocabulary draws the prompts of a show, for the page, replies and the log."""

from collections.abc import Callable, Iterator, Mapping

from daemon.stage.notices import Notice
from presets.known_words import KnownWords
from presets.parameters import Parameters
from presets.vocabulary import Vocabulary


class WordNotes:
    """Reads the vocabulary of the model on air. Any thread may call it."""

    def __init__(self, vocabulary: Callable[[], Vocabulary | None], parameters: Callable[[], Parameters]) -> None:
        """`vocabulary` returns the words that the model on air knows, None if it takes any text."""
        self._vocabulary = vocabulary
        self._parameters = parameters
        self._known: KnownWords | None = None

    def known_words(self) -> Mapping[str, tuple[str, ...]]:
        """Return the words that the model on air knows, by kind; empty if it takes any text."""
        vocabulary = self._vocabulary()
        return {} if vocabulary is None else vocabulary.known

    def note(self, address: str) -> str:
        """Return how the text at `address` is drawn; empty if it is drawn as it is, or is no prompt."""
        if not ("prompt" in address and address.endswith(("/text", "/negative_prompt"))):
            return ""
        if (known := self._current()) is None:
            return ""
        return next((known.interpret(text).note for place, text in self._texts() if place == address), "")

    def notes(self) -> dict[str, str]:
        """Return how prompts are drawn, by address, without those that are drawn as they are."""
        known = self._current()
        found = {} if known is None else {place: known.interpret(text).note for place, text in self._texts()}
        return {address: note for address, note in found.items() if note}

    def notices(self) -> list[Notice]:
        """Return a notice for the log for each prompt that is not drawn as it is."""
        return [
            Notice(f"{address} {note}", "info", f"{_name(address)}: {note}") for address, note in self.notes().items()
        ]

    def _texts(self) -> Iterator[tuple[str, str]]:
        parameters = self._parameters()
        for place, prompt in enumerate(parameters.prompt, 1):
            yield f"/prompt/{place}/text", prompt.text
        yield "/negative_prompt", parameters.negative_prompt

    def _current(self) -> KnownWords | None:
        vocabulary, known = self._vocabulary(), self._known
        if vocabulary is None:
            return None
        if known is None or (known.vocabulary is not vocabulary and known.vocabulary != vocabulary):
            self._known = known = KnownWords(vocabulary)
        return known


def _name(address: str) -> str:
    """Return ``prompt 2`` for ``/prompt/2/text``."""
    return address.removesuffix("/text").strip("/").replace("/", " ").replace("_", " ")
