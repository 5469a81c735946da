"""The search for sources: answers of child processes, and finders that crash, hang or are not installed."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from daemon.__main__ import app
from daemon.doctor import source_search
from daemon.doctor.source_search import SearchResult, search_sources
from io_bridges.scheme import Scheme, write_uri
from io_bridges.schemes import SCHEMES
from io_bridges.uri import available, parse


def row(name: str, package: str = "") -> Scheme:
    return Scheme(
        name=name,
        kind="source",
        description="senders",
        example=f"{name}:A",
        target="",
        location="name",
        finder="anything:available",
        package=package,
        extra="video",
    )


FINDERS = """
import json, os, sys, time
match sys.argv[1]:
    case "good":
        print("a library says hello")
        print(json.dumps({"uris": ["good:Bühne (A) [x]", "good:B"]}))
    case "refuses":
        print(json.dumps({"failure": "the driver is missing"}))
    case "crashes":
        print("driver: segment 3 is odd", file=sys.stderr, flush=True)
        os.abort()
    case "hangs":
        time.sleep(60)
"""
COMMAND = (sys.executable, "-c", FINDERS)


def test_results_in_table_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_search, "SEARCH_SECONDS", 5.0)
    rows = [row("hangs"), row("crashes"), row("good"), row("refuses"), row("lost", package="no_such_package")]
    hung, crashed, good, refused, lost = search_sources(rows, COMMAND)
    assert hung == SearchResult("hangs", failure="the search did not end within 5 s")
    assert crashed.uris == ()
    assert "driver: segment 3 is odd" in crashed.failure
    assert good == SearchResult("good", ("good:Bühne (A) [x]", "good:B"))
    assert refused == SearchResult("refuses", failure="the driver is missing")
    assert "pip install 'streamflow-live[video]'" in lost.failure


def test_rows_without_finder_are_left_out() -> None:
    plain = [scheme for scheme in SCHEMES if not scheme.finder]
    assert plain
    assert search_sources(plain) == []


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme.finder], ids=lambda scheme: scheme.name)
def test_finders_of_the_table(scheme: Scheme) -> None:
    assert scheme.kind == "source"
    if scheme.unavailable():
        pytest.skip(scheme.unavailable())
    (result,) = search_sources([scheme])
    assert result.failure == ""
    for uri in result.uris:
        assert parse(uri, "source").scheme == scheme


def test_found_name_with_question_mark() -> None:
    uri = write_uri("file", "what? [a].mp4")
    assert parse(uri, "source").location == "what? [a].mp4"
    assert parse(write_uri("file", "plain.mp4"), "source").location == "plain.mp4"


def test_finder_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "listing_of_a_test.py").write_text("def available():\n    return ['good:A']\n")
    monkeypatch.syspath_prepend(tmp_path)
    scheme = Scheme("good", "source", "", "", "", "name", finder="listing_of_a_test:available")
    assert available(scheme) == ["good:A"]


def test_command_prints_names_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    results = [SearchResult("good", ("good:Bühne (A) [x] " + "long " * 40,)), SearchResult("empty"),
               SearchResult("bad", failure="the driver is missing")]  # fmt: skip
    monkeypatch.setattr(source_search, "search_sources", lambda: results)
    monkeypatch.setattr(source_search, "search_audio", lambda: SearchResult("audio", ("USB Mic (A)",)))
    shown = CliRunner(env={"COLUMNS": "60"}).invoke(app, ["sources"])
    assert shown.exit_code == 0
    first, empty, bad, audio = shown.output.splitlines()
    assert results[0].uris[0] in first
    assert empty.split() == ["empty:", "none", "found"]
    assert bad.endswith("the driver is missing")
    assert audio.split(maxsplit=1) == ["--audio", "USB Mic (A)"]
    as_json = json.loads(CliRunner().invoke(app, ["sources", "--json"]).output)
    failures = {"bad": "the driver is missing"}
    assert as_json == {"sources": list(results[0].uris), "audio_inputs": ["USB Mic (A)"], "failures": failures}
