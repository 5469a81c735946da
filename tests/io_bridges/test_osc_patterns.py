"""OSC patterns: the specification, a comparison with fnmatch, and hostile patterns."""

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_bridges.osc.patterns import AddressTable, MalformedPattern, matches


@pytest.mark.parametrize(
    ("pattern", "address", "expected"),
    [
        ("/a/b", "/a/b", True),
        ("/a/?", "/a/b", True),
        ("/a/?", "/a/", False),
        ("/a/?", "/a/bc", False),
        ("/*", "/strength", True),
        ("/*", "/prompt/1", False),  # A star does not match a slash.
        ("/*/*", "/prompt/1", True),
        ("/s*h", "/strength", True),
        ("/s*x", "/strength", False),
        ("/prompt/[12]/text", "/prompt/2/text", True),
        ("/prompt/[1-3]/text", "/prompt/3/text", True),
        ("/prompt/[3-1]/text", "/prompt/2/text", True),
        ("/prompt/[!1-3]/text", "/prompt/3/text", False),
        ("/prompt/[!1-3]/text", "/prompt/4/text", True),
        ("/prompt/[]/text", "/prompt/4/text", False),
        ("/[a-]", "/-", True),
        ("/[a!]", "/!", True),
        ("/{steps,seed}", "/seed", True),
        ("/{steps,seed}", "/seeds", False),
        ("/{s,see}d", "/seed", True),
        ("/{,se}ed", "/ed", True),
        ("/{width,height}*", "/height", True),
        ("/a**b", "/ab", True),
        ("/a.b", "/axb", False),  # No character of regular expressions is special.
        ("/a+", "/aa", False),
    ],
)
def test_specification(pattern: str, address: str, expected: bool) -> None:
    assert matches(pattern, address) is expected


@pytest.mark.parametrize("pattern", ["/[abc", "/{a,b", "/a[b/c]", "/{a/b}", "/" + "?" * 255])
def test_malformed_patterns(pattern: str) -> None:
    with pytest.raises(MalformedPattern):
        matches(pattern, "/abc")


@given(st.text("ab?*", max_size=12), st.text("abc", max_size=10))
def test_wildcards_agree_with_fnmatch(pattern: str, text: str) -> None:
    assert matches("/" + pattern, "/" + text) is fnmatch.fnmatchcase("/" + text, "/" + pattern)


@given(st.text("abc-!?*[]{},/", max_size=40))
def test_random_patterns(pattern: str) -> None:
    table = AddressTable(["/abc", "/a/b", "/ab-c/a"])
    try:
        found = table.find("/" + pattern)
    except MalformedPattern:
        return
    assert set(found) <= {"/abc", "/a/b", "/ab-c/a"}


@pytest.mark.parametrize(
    "bomb", ["/a/" + "*" * 30 + "b", "/a/" + "*a" * 100 + "b", "/a/" + "*?" * 120, "/a/" + "{a,aa}*" * 30 + "b"]
)
def test_pattern_bombs_are_cheap(bomb: str) -> None:
    # Backtracking would take for ever. The limit is in processor time, so other load does not matter.
    table = AddressTable([f"/a/{'a' * 60}{number}" for number in range(100)])
    before = time.thread_time()
    assert table.find(bomb) == () or "?" in bomb
    assert time.thread_time() - before < 2.0


def test_find_by_name_case_and_pattern() -> None:
    table = AddressTable(["/steps", "/strength", "/Twin", "/twin"], without_patterns=["/panic"])
    assert table.find("/steps") == ("/steps",)
    assert table.find("/steps/") == ("/steps",)
    assert table.find("/STRENGTH") == ("/strength",)
    assert table.find("/TWIN") == ()  # Two addresses fit.
    assert table.find("/Twin") == ("/Twin",)
    assert table.find("/st*") == table.find("/st*") == ("/steps", "/strength")
    assert table.find("/nothing*") == ()
    assert table.find("/panic") == ("/panic",)
    assert table.find("/p*") == ()  # No wildcard presses a button.


def test_pattern_cache_is_bounded() -> None:
    table = AddressTable(["/steps"])
    for number in range(1000):
        assert table.find(f"/s*{number}") == ()
    assert len(table._cache) <= 256
    assert table.find("/s*") == ("/steps",)
