"""Any value of a surface is coerced into range or refused with `ParameterRefused`."""

import math
from unicodedata import category

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from presets.errors import ParameterRefused
from presets.frame_parameters import prompt_shares
from presets.parameter_table import PARAMETERS, Parameter, flatten, snapshot
from presets.parameters import Parameters

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.just(10**400)
    | st.complex_numbers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def fits(parameter: Parameter, value: object) -> bool:
    match parameter.kind:
        case "bool":
            return type(value) is bool
        case "text":
            ends = {"Cc", "Cs", "Zl", "Zp"}
            return type(value) is str and value == value.strip() and not ends & set(map(category, value))
        case "choice":
            return value in parameter.choices
        case "int":
            assert type(value) is int
            return parameter.minimum <= value <= parameter.maximum and value % (parameter.multiple_of or 1) == 0
        case "float":
            return type(value) is float and math.isfinite(value) and parameter.minimum <= value <= parameter.maximum
    raise AssertionError(parameter.kind)


def check_coercion(parameter: Parameter, sent: object) -> None:
    try:
        value = parameter.coerce(sent)
    except ParameterRefused as refusal:
        sentence = str(refusal)
    else:
        assert fits(parameter, value), parameter.address
        return
    assert "expected" in sentence, parameter.address
    assert len(sentence) < 300, parameter.address


@settings(max_examples=500, deadline=None)
@given(sent=ANYTHING)
@example(sent=10**400)
@example(sent=-(10**400))
@example(sent=math.nan)
@example(sent=-math.inf)
@example(sent="nan")
@example(sent="1e999")
@example(sent="\ud800\x00\n")
@example(sent="x" * 5000)
@example(sent=b"1")
def test_any_value_is_coerced_or_refused(sent: object) -> None:
    for parameter in PARAMETERS.values():
        check_coercion(parameter, sent)


@pytest.mark.parametrize(
    ("address", "sent", "expected"),
    [
        ("/strength", 0.25, 0.25),
        ("/strength", 1, 1.0),
        ("/strength", "0.5", 0.5),
        ("/strength", True, 1.0),
        ("/strength", -3, 0.0),
        ("/strength", 99.0, 1.0),
        ("/steps", 3.6, 4),
        ("/steps", "8", 8),
        ("/steps", 0, 1),
        ("/seed", 2**31 - 1, 2**31 - 1),
        ("/seed", 10**400, 2**31 - 1),
        ("/width", 100, 96),
        ("/width", 113, 128),
        ("/width", 10**400, 2048),
        ("/width", -1, 64),
        ("/freeze", 1.0, True),
        ("/freeze", 0.49, False),
        ("/freeze", " Off ", False),
        ("/mode", "TEXT", "text"),
        ("/mode", 1.0, "text"),
        ("/prompt/2/text", " ice\ncells\x07 ", "ice cells"),
        ("/prompt/2/text", 7, "7"),
    ],
)
def test_sent_values_are_coerced(address: str, sent: object, expected: object) -> None:
    value = PARAMETERS[address].coerce(sent)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("/strength", math.nan),
        ("/strength", math.inf),
        ("/strength", "loud"),
        ("/strength", None),
        ("/strength", [0.5]),
        ("/steps", b"4"),
        ("/mode", "sideways"),
        ("/mode", 2),
        ("/mode", -1),
        ("/freeze", "maybe"),
        ("/preset", {"name": "fire"}),
        ("/preset", True),
        ("/model", " "),
        ("/preset", 10**400),
    ],
)
def test_senseless_values_are_refused(address: str, sent: object) -> None:
    with pytest.raises(ParameterRefused, match="expected"):
        PARAMETERS[address].coerce(sent)


def test_flatten_reverses_snapshot() -> None:
    values = {address: parameter.default for address, parameter in PARAMETERS.items()}
    values |= {"/prompt/2/text": "ice", "/prompt/2/weight": 0.5, "/strength": 0.1, "/freeze": True}
    assert flatten(snapshot(values)) == values
    assert snapshot({}) == Parameters()


def test_prompt_without_text_is_absent() -> None:
    parameters = snapshot({"/prompt/1/text": "", "/prompt/3/text": "ice", "/prompt/3/weight": 0.5})
    assert [(prompt.text, prompt.weight) for prompt in parameters.prompt if prompt.text] == [("ice", 0.5)]
    assert parameters.prompt[2].text == "ice", "each keeps its place"
    assert prompt_shares(parameters) == (("ice", 1.0),)
    assert len(snapshot({"/prompt/1/text": "ice", "/prompt/3/text": ""}).prompt) == 1


@pytest.mark.parametrize("parameter", PARAMETERS.values(), ids=lambda parameter: parameter.address)
def test_huge_int_is_coerced_or_refused(parameter: Parameter) -> None:
    check_coercion(parameter, 10**5000)


def test_emoji_joiners_stay_and_line_ends_go() -> None:
    text = PARAMETERS["/prompt/1/text"]
    assert text.coerce("\U0001f469\u200d\U0001f680 in space") == "\U0001f469\u200d\U0001f680 in space"
    assert text.coerce("one\ntwo\x00three\u2028four") == "one two three four"
