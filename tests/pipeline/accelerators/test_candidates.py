import pytest

from pipeline.accelerators.candidates import ROUNDS, Candidate, Choices, as_json, read_candidate

LIKELIEST = Candidate("openvino", "bfloat16", 2, 4)
CHOICES = Choices((("openvino", "bfloat16"), ("openvino", "float32")), (2, 1), (4, 8))


def test_likeliest_is_first_of_each() -> None:
    assert CHOICES.likeliest == LIKELIEST
    assert CHOICES.open
    assert not Choices((("eager", ""),)).open


def test_rounds_change_one_thing() -> None:
    rounds = [CHOICES.challengers(number, LIKELIEST) for number in range(ROUNDS)]
    assert rounds == [
        [Candidate("openvino", "float32", 2, 4)],
        [Candidate("openvino", "bfloat16", 1, 4)],
        [Candidate("openvino", "bfloat16", 2, 8)],
    ]


def test_round_starts_from_best() -> None:
    best = Candidate("openvino", "float32", 1, 4)
    assert CHOICES.challengers(0, best) == [Candidate("openvino", "bfloat16", 1, 4)]
    assert CHOICES.challengers(2, best) == [Candidate("openvino", "float32", 1, 8)]


def test_choices_contain_combinations() -> None:
    assert Candidate("openvino", "float32", 1, 8) in CHOICES
    for other in (Candidate("eager", "float32", 2, 4), Candidate("openvino", "float32", 2, 5), "openvino"):
        assert other not in CHOICES


def test_words_name_what_is_set() -> None:
    assert LIKELIEST.words() == "openvino bfloat16, 2 requests, 4 threads"
    assert LIKELIEST.words(("precision",)) == "bfloat16"
    assert Candidate("openvino", "", 1, 0).words(("requests", "threads")) == "1 request"


def test_candidate_survives_json() -> None:
    assert read_candidate(as_json(LIKELIEST)) == LIKELIEST


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"accelerator": "openvino"},
        as_json(LIKELIEST) | {"more": 1},
        as_json(LIKELIEST) | {"precision": None},
        as_json(LIKELIEST) | {"threads": -1},
        as_json(LIKELIEST) | {"threads": True},
        as_json(LIKELIEST) | {"requests": 1.0},
    ],
)
def test_foreign_candidate_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="candidate"):
        read_candidate(value)
