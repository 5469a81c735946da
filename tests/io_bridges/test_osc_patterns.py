"""OSC patterns against the specification, against fnmatch as oracle, and against bombs."""

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_bridges.osc.patterns import AddressBook, MalformedPattern, matches


@pytest.mark.parametrize(
    ("pattern", "address", "expected"),
    [
        ("/a/b", "/a/b", True),
        ("/a/?", "/a/b", True),
        ("/a/?", "/a/", False),
        ("/a/?", "/a/bc", False),
        ("/*", "/strength", True),
        ("/*", "/prompt/1", False),  # a star does not cross a slash
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
        ("/a.b", "/axb", False),  # nothing of regular expressions is special
        ("/a+", "/aa", False),
    ],
)
def test_specification(pattern: str, address: str, expected: bool) -> None:
    assert matches(pattern, address) is expected


@pytest.mark.parametrize("pattern", ["/[abc", "/{a,b", "/a[b/c]", "/{a/b}", "/" + "?" * 255])
def test_patterns_that_cannot_be_read(pattern: str) -> None:
    with pytest.raises(MalformedPattern):
        matches(pattern, "/abc")


@given(st.text("ab?*", max_size=12), st.text("abc", max_size=10))
def test_stars_and_question_marks_agree_with_fnmatch(pattern: str, text: str) -> None:
    assert matches("/" + pattern, "/" + text) is fnmatch.fnmatchcase("/" + text, "/" + pattern)


@given(st.text("abc-!?*[]{},/", max_size=40))
def test_any_pattern_is_answered(pattern: str) -> None:
    book = AddressBook(["/abc", "/a/b", "/ab-c/a"])
    try:
        found = book.find("/" + pattern)
    except MalformedPattern:
        return
    assert set(found) <= {"/abc", "/a/b", "/ab-c/a"}


@pytest.mark.parametrize(
    "bomb", ["/a/" + "*" * 30 + "b", "/a/" + "*a" * 100 + "b", "/a/" + "*?" * 120, "/a/" + "{a,aa}*" * 30 + "b"]
)
def test_bombs_cost_processor_time_in_proportion_to_their_length(bomb: str) -> None:
    # Backtracking would take longer than the universe has; the bound is processor time, so other load does not matter.
    book = AddressBook([f"/a/{'a' * 60}{number}" for number in range(100)])
    before = time.thread_time()
    assert book.find(bomb) == () or "?" in bomb
    assert time.thread_time() - before < 2.0


def test_the_book_finds_by_name_by_forgiving_name_and_by_pattern() -> None:
    book = AddressBook(["/steps", "/strength", "/Twin", "/twin"], outside_patterns=["/panic"])
    assert book.find("/steps") == ("/steps",)
    assert book.find("/steps/") == ("/steps",)
    assert book.find("/STRENGTH") == ("/strength",)
    assert book.find("/TWIN") == ()  # two could be meant
    assert book.find("/Twin") == ("/Twin",)
    assert book.find("/st*") == book.find("/st*") == ("/steps", "/strength")
    assert book.find("/nothing*") == ()
    assert book.find("/panic") == ("/panic",)
    assert book.find("/p*") == ()  # no wildcard presses a button


def test_the_book_remembers_a_bounded_number_of_patterns() -> None:
    book = AddressBook(["/steps"])
    for number in range(1000):
        assert book.find(f"/s*{number}") == ()
    assert len(book._remembered) <= 256
    assert book.find("/s*") == ("/steps",)
