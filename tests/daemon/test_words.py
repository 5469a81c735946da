import threading
import time

import pytest

from daemon.words import Words
from presets.parameters import Parameters, WeightedPrompt


def saying(text: str) -> Parameters:
    return Parameters(prompt=(WeightedPrompt(text=text),))


def test_prompts_that_pile_up_while_one_is_encoded_are_skipped_and_the_last_counts() -> None:
    begun, go_on = threading.Event(), threading.Event()
    encoded: list[str] = []

    def encode(parameters: Parameters) -> str:
        begun.set()
        go_on.wait(20)
        encoded.append(parameters.prompt[0].text)
        return parameters.prompt[0].text

    words = Words(encode)
    words.want(saying("one"))
    begun.wait(20)
    for text in ("two", "three", "four"):
        words.want(saying(text))
    go_on.set()
    deadline = time.monotonic() + 20
    while words.newest() != ("four", True):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert encoded == ["one", "four"]


def test_the_last_finished_words_are_given_while_newer_ones_are_on_their_way() -> None:
    gate = threading.Event()

    def encode(parameters: Parameters) -> str:
        text = parameters.prompt[0].text
        if text == "slow":
            gate.wait(20)
        return text

    words = Words(encode)
    words.want(saying("fast"))
    assert words.newest() == ("fast", True)
    words.want(saying("slow"))
    assert words.newest() == ("fast", False)
    words.want(saying("slow"))
    gate.set()
    deadline = time.monotonic() + 20
    while words.newest() != ("slow", True):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_another_seed_is_no_other_words() -> None:
    encoded: list[int] = []
    words = Words(lambda parameters: encoded.append(parameters.seed) or "done")
    words.want(Parameters(seed=1))
    words.newest()
    words.want(Parameters(seed=2))
    assert words.newest() == ("done", True)
    assert encoded == [1]


def test_an_encoder_that_fails_fails_the_renderer() -> None:
    def encode(parameters: Parameters) -> str:
        raise MemoryError("no room for words")

    words = Words(encode)
    words.want(saying("anything"))
    with pytest.raises(MemoryError, match="no room"):
        words.newest()
