"""Refusals in the log: one line each, cut at a word, with the count of further problems."""

import logging

import pytest

from daemon.shared.refusals import LONGEST_SENTENCE, Refusals

PATH = "/home/a-person/with/a/rather/long/home/folder/presets/my preset for the second evening.yaml"
PROBLEM = f"{PATH}:12:11: prompt must be a text, or a list of text and weight; 'something quite else' was given"


@pytest.mark.parametrize(
    ("sentence", "logged"),
    [
        ("the least is 0", "the least is 0"),
        (f"{PROBLEM} (and 4 more)", f"{PROBLEM} (and 4 more)"),
        (f"{'a word ' * 60}(and 14 more)", f"{'a word ' * 34}a … (and 14 more)"),
        ("x" * 1000, "x" * LONGEST_SENTENCE + " …"),
        ("one\ntwo\x1b[2J", "one two [2J"),
    ],
)
def test_sentence_is_cut_at_a_word(caplog: pytest.LogCaptureFixture, sentence: str, logged: str) -> None:
    with caplog.at_level(logging.WARNING, "control"):
        Refusals().count("osc", "a reason", sentence)
    assert caplog.messages == [f"osc: refused: {logged}"]
