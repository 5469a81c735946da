"""``vocabulary.json`` of a model folder: read as it was written, or refused whole with path and what was expected."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presets.errors import ModelError
from presets.vocabulary import MOST_BYTES, VOCABULARY_FILE, Vocabulary, read_vocabulary, write_vocabulary

GOOD: dict[str, Any] = {
    "known": {"styles": ["halftone", "x-ray"], "palettes": ["fire"]},
    "fillers": ["in"],
    "synonyms": {"comic": "halftone"},
}


def test_round_trip(tmp_path: Path) -> None:
    assert read_vocabulary(tmp_path) is None
    vocabulary = Vocabulary.from_json(GOOD, "test")
    write_vocabulary(vocabulary, tmp_path)
    assert read_vocabulary(tmp_path) == vocabulary
    assert vocabulary.phrases() == ("halftone", "x-ray", "fire")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], 'a key "known"'),
        ({"known": {}}, "1 to 16 are expected"),
        ({"known": {"styles": []}}, "1 to 4096 are expected"),
        (GOOD | {"known": {"styles": "fire"}}, "must be a list"),
        (GOOD | {"known": {"styles": ["Fire"]}}, "'Fire'; words in lower case"),
        (GOOD | {"known": {"styles": ["a, b"]}}, "words in lower case"),
        (GOOD | {"known": {"styles": ["\x1b[2J"]}}, "words in lower case"),
        (GOOD | {"known": {"styles": ["x" * 49]}}, "48 characters"),
        (GOOD | {"known": {"styles": [7]}}, "words in lower case"),
        (GOOD | {"fillers": ["in"] * 4097}, "at most 4096"),
        (GOOD | {"synonyms": {"comic": "xyzzy"}}, 'a phrase in "known" or a filler'),
        (GOOD | {"synonyms": {"comic": 1}}, "words in lower case"),
        (GOOD | {"synonyms": ["comic"]}, "must be an object"),
        (GOOD | {"colour": []}, "key 'colour'"),
    ],
)
def test_damaged_file_is_refused(value: object, expected: str, tmp_path: Path) -> None:
    path = tmp_path / VOCABULARY_FILE
    path.write_text(json.dumps(value))
    with pytest.raises(ModelError) as refused:
        read_vocabulary(tmp_path)
    assert str(path) in str(refused.value)
    assert expected in str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 50_000, b"NaN", b" " * (MOST_BYTES + 1)])
def test_unreadable_file_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / VOCABULARY_FILE).write_bytes(data)
    with pytest.raises(ModelError, match=VOCABULARY_FILE):
        read_vocabulary(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "styles", "x"]), inner, max_size=3)
    ),
)


@given(JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    try:
        vocabulary = Vocabulary.from_json(value, "test")
    except ModelError:
        return
    assert Vocabulary.from_json(vocabulary.as_json(), "test") == vocabulary
