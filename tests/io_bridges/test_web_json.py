"""JSON of the web server: any value can be sent, any text received."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_bridges.web import json_messages

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(_JSON)
def test_encode_any_value(value: object) -> None:
    json.loads(json_messages.encode(value), parse_constant=pytest.fail)


@given(st.text() | st.binary() | _JSON.map(json.dumps))
def test_decode_any_text(text: str | bytes) -> None:
    try:
        value = json_messages.decode(text)
    except json_messages.MalformedJson as error:
        value, text = {}, str(error)
    assert isinstance(value, dict)
