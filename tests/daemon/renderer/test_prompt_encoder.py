import threading
import time

import pytest

from daemon.renderer import prompt_encoder
from daemon.renderer.prompt_encoder import PromptEncoder
from presets.errors import ModelError
from presets.frame_parameters import PromptMixture, TextWeight, without_morph
from presets.parameters import Parameters


def saying(*texts: str) -> PromptMixture:
    return PromptMixture(tuple(TextWeight(text, 1 / len(texts)) for text in texts), (TextWeight(""),), "linear")


class Texts:
    """A slow encoder that remembers its prompts and returns them unchanged."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.begun = threading.Event()
        self.known: set[str] = set()
        self.encoded: list[PromptMixture] = []

    def encode(self, wording: PromptMixture) -> PromptMixture:
        self.begun.set()
        assert self.go_on.wait(20)
        self.encoded.append(wording)
        self.known |= {share.text for share in wording.prompt}
        return wording

    def recall(self, wording: PromptMixture) -> PromptMixture | None:
        return wording if {share.text for share in wording.prompt} <= self.known else None


def until_newest(words: PromptEncoder[PromptMixture], wanted: PromptMixture) -> None:
    deadline = time.monotonic() + 20
    while words.newest()[::2] != (wanted, True):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_piled_up_prompts_are_skipped() -> None:
    texts = Texts()
    words = PromptEncoder(texts.encode, texts.recall)
    words.want(saying("one"), 1)
    texts.begun.wait(20)
    for text in ("two", "three", "four"):
        words.want(saying(text), 1)
    texts.go_on.set()
    until_newest(words, saying("four"))
    assert texts.encoded == [saying("one"), saying("four")]


def test_last_finished_prompt_is_given() -> None:
    texts = Texts()
    words = PromptEncoder(texts.encode, texts.recall)
    texts.go_on.set()
    words.want(saying("fast"), 1)
    assert words.newest()[::2] == (saying("fast"), True)
    texts.go_on.clear()
    words.want(saying("slow"), 1)
    assert words.newest()[::2] == (saying("fast"), False)
    words.want(saying("slow"), 1)
    texts.go_on.set()
    until_newest(words, saying("slow"))


def test_known_texts_come_at_once() -> None:
    texts = Texts()
    texts.known = {"ice", "fire"}
    words = PromptEncoder(texts.encode, texts.recall)
    for wording in (saying("ice"), saying("ice", "fire"), saying("fire")):
        words.want(wording, 1)
        assert words.newest()[::2] == (wording, True)
    assert not texts.encoded
    words.want(saying("moss"), 1)
    texts.begun.wait(20)
    assert words.newest()[::2] == (saying("fire"), False)
    words.want(saying("ice"), 1)
    assert words.newest()[::2] == (saying("ice"), True), "known words don't wait for those that are being encoded"
    texts.go_on.set()
    deadline = time.monotonic() + 20
    while words._running is not None:
        assert words.newest()[::2] == (saying("ice"), True)
        assert time.monotonic() < deadline
    assert texts.encoded == [saying("moss")]
    words.want(saying("moss", "ice"), 1)
    assert words.newest()[::2] == (saying("moss", "ice"), True), "and what they brought is known from now on"


def test_moving_mix_is_current() -> None:
    texts = Texts()
    texts.known = {"ice"}
    words = PromptEncoder(texts.encode, texts.recall)
    words.want(saying("ice"), 1)
    for share in (0.1, 0.2, 0.3):
        wording = PromptMixture((TextWeight("ice", 1 - share), TextWeight("moss", share)), (TextWeight(""),), "linear")
        words.want(wording, 1)
        assert words.newest()[::2] == (saying("ice"), False)
    texts.go_on.set()
    until_newest(words, wording)
    assert len(texts.encoded) == 1


def test_other_seed_is_same_prompt() -> None:
    texts = Texts()
    texts.go_on.set()
    words = PromptEncoder(texts.encode, texts.recall)
    words.want(without_morph(Parameters(seed=1)).wording, 1)
    words.newest()
    texts.known.clear()
    words.want(without_morph(Parameters(seed=2)).wording, 1)
    assert words.newest().current
    assert len(texts.encoded) == 1


def test_prompt_flood_uses_each_encoding() -> None:
    texts = Texts()
    words = PromptEncoder(texts.encode, texts.recall)
    texts.go_on.set()
    words.want(saying("first"), 1)
    words.want(saying("first"), 2)
    assert words.newest() == (saying("first"), 2, True)
    texts.go_on.clear()
    for revision in range(3, 10):
        texts.begun.clear()
        words.want(saying(f"at {revision}"), revision)
        words.want(saying(f"before {revision}"), revision)
        honoured = words.newest().revision
        assert honoured <= revision
        texts.go_on.set()
        running = words._running
        assert running is not None
        running[1].result(20)
        texts.go_on.clear()
        words.want(saying(f"after {revision}"), revision + 1)
        conditioning, honoured, current = words.newest()
        assert honoured == running[0].revision
        assert conditioning == running[0].prompt
        assert not current
    assert honoured >= 8, "of the revision that the words were wanted at, one round back at the most"
    texts.go_on.set()


def test_kept_prompt_takes_new_revision() -> None:
    texts = Texts()
    words = PromptEncoder(texts.encode, texts.recall)
    for revision in (1, 2, 3):
        words.want(saying("slow"), revision)
    words.want(saying("newer"), 4)
    texts.go_on.set()
    assert words.newest().revision == 3


def test_failing_encoder_fails_renderer() -> None:
    def encode(wording: PromptMixture) -> str:
        raise MemoryError("no room for words")

    words = PromptEncoder(encode, lambda wording: None)
    words.want(saying("anything"), 1)
    with pytest.raises(MemoryError, match="no room"):
        words.newest()


def test_refused_words_leave_those_before() -> None:
    tried: list[PromptMixture] = []
    known = {"fire"}

    def encode(wording: PromptMixture) -> PromptMixture:
        tried.append(wording)
        raise ModelError("The text_encoder is gone.")

    def recall(wording: PromptMixture) -> PromptMixture | None:
        return wording if {share.text for share in wording.prompt} | {*wording.ahead} <= known else None

    words = PromptEncoder(encode, recall)
    words.want(saying("fire"), 1)
    words.want(saying("moss"), 2)
    deadline = time.monotonic() + 20
    while not words.refused:
        assert words.newest()[::2] == (saying("fire"), False)
        assert time.monotonic() < deadline
    assert words.refused == "The text_encoder is gone."
    words.want(saying("moss", ""), 3)  # a morph on its way from it asks for other weights of the same texts
    assert words.newest() == (saying("fire"), 1, False)
    assert len(tried) == 1, "the same texts are not tried again"
    words.want(saying("fire"), 4)
    assert words.newest() == (saying("fire"), 4, True)
    assert words.refused == ""
    words.want(saying("moss"), 5)
    while not words.refused:
        words.newest()
        assert time.monotonic() < deadline
    assert len(tried) == 2, "asked for anew, they are tried anew"
    known.add("ice")
    for revision, place in enumerate(("fire", "ice", "fire"), 6):  # a travel comes from one text to the next
        words.want(saying(place)._replace(ahead=("fire", "ice", "moss")), revision)
        while len(tried) < 3 or not words.refused:
            words.newest()
            assert time.monotonic() < deadline
    assert len(tried) == 3, "nor does a travel that comes to them try them again"


def test_refused_first_words_end_the_renderer() -> None:
    def encode(wording: PromptMixture) -> PromptMixture:
        raise ModelError("The text_encoder is gone.")

    words = PromptEncoder(encode, lambda wording: None)
    words.want(saying("moss"), 1)
    with pytest.raises(ModelError, match="is gone"):
        words.newest()


def test_first_words_report_their_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_encoder, "WAIT", 0.001)
    texts, waits = Texts(), list[int]()
    words = PromptEncoder(texts.encode, texts.recall)
    words.want(saying("moss"), 1)

    def meanwhile() -> None:
        waits.append(1)
        if len(waits) == 3:
            texts.go_on.set()

    assert words.newest(meanwhile)[::2] == (saying("moss"), True)
    assert len(waits) >= 3


def test_work_runs_beside_and_in_turn() -> None:
    texts, order = Texts(), list[str]()
    words = PromptEncoder(texts.encode, texts.recall)
    words.want(saying("moss"), 1)
    texts.begun.wait(20)
    for _ in range(3):
        words.run_beside(lambda: order.append(f"after {len(texts.encoded)} texts"))
    assert order == []
    texts.go_on.set()
    words.newest()
    deadline = time.monotonic() + 20
    while not order:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert order == ["after 1 texts"]


def test_texts_ahead_hold_nothing_up() -> None:
    known, encoded = {"fire", "ice"}, threading.Event()

    def encode(wording: PromptMixture) -> PromptMixture:
        assert encoded.wait(20)
        known.update(wording.ahead)
        return wording

    def recall(wording: PromptMixture) -> PromptMixture | None:
        return wording if {share.text for share in wording.prompt} | {*wording.ahead} <= known else None

    words = PromptEncoder(encode, recall)
    words.want(saying("fire"), 1)
    words.want(saying("fire")._replace(ahead=("moss",)), 2)
    assert words.newest()[1:] == (2, True)
    words.want(saying("ice")._replace(ahead=("moss",)), 3)
    assert words.newest()[0].prompt == saying("ice").prompt, "a morph goes on meanwhile"
    encoded.set()
    deadline = time.monotonic() + 20
    while "moss" not in known:
        words.newest()
        assert time.monotonic() < deadline
    words.want(saying("moss"), 4)
    assert words.newest() == (saying("moss"), 4, True)
