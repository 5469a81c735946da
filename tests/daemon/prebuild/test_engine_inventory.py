"""What ``engines prune`` takes away, and what it leaves."""

import dataclasses
import json
import shutil
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from daemon.__main__ import app
from pipeline.accelerators import cache
from pipeline.accelerators.cache import EngineKey

KEY = EngineKey("onnx", "opset 20", "denoiser", "ab" * 32, 0, "64x64", "float32")


def write(folder: Path) -> None:
    (folder / "graph.onnx").write_bytes(b"x" * 500)


def made(root: Path, part: str, days: float = 0.0) -> Path:
    entry = cache.keep(root, dataclasses.replace(KEY, part=part), write)
    manifest = json.loads((entry / cache.MANIFEST).read_text())
    (entry / cache.MANIFEST).write_text(json.dumps(manifest | {"made_at": time.time() - days * 86400}))
    return entry


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("pipeline.accelerators.cache.platformdirs.user_cache_dir", lambda name: str(tmp_path))
    return tmp_path / "engines"


def prune(*options: str) -> Result:
    return CliRunner().invoke(app, ["engines", "prune", *options])


def test_all_with_an_age_is_all_of_that_age(root: Path) -> None:
    young, _ = made(root, "denoiser", 10), made(root, "encoder", 40)
    done = prune("--all", "--older-than", "30", "--yes")
    assert done.exit_code == 0, done.output
    assert "it is 40 days old" in done.output
    assert list(root.iterdir()) == [young]
    assert prune("--all", "--yes").exit_code == 0
    assert list(root.iterdir()) == []


def test_what_is_no_engine_stays_whatever_is_pruned(root: Path) -> None:
    made(root, "denoiser")
    (root / "photos").mkdir()
    for options in (("--yes",), ("--older-than", "0", "--yes"), ("--all", "--yes")):
        assert prune(*options).exit_code == 0
    assert list(root.iterdir()) == [root / "photos"]


def test_what_is_built_again_or_removed_while_the_question_waits_is_let_be(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again, gone, stale = (made(root, part) for part in ("denoiser", "encoder", "decoder"))
    for entry in (again, gone, stale):
        (entry / "graph.onnx").write_bytes(b"damage")

    def meanwhile(question: str, abort: bool) -> None:
        shutil.rmtree(gone)
        made(root, "denoiser")

    monkeypatch.setattr(typer, "confirm", meanwhile)
    done = prune()
    assert done.exit_code == 0, done.output
    assert list(root.iterdir()) == [again]
    assert cache.whole(again) == ""


def test_a_hostile_manifest_stops_neither_list_nor_verify_nor_prune(root: Path) -> None:
    entry = made(root, "denoiser")
    for text in ("[" * 100_000, json.dumps({"format": 1, "made_at": 10**400})):
        (entry / cache.MANIFEST).write_text(text)
        for command, status in ((["list"], 0), (["list", "--json"], 0), (["verify"], 1)):
            assert CliRunner().invoke(app, ["engines", *command]).exit_code == status
    assert prune("--yes").exit_code == 0
    assert list(root.iterdir()) == []
