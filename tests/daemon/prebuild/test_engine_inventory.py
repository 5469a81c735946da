"""Engines that ``engines prune`` removes and keeps, and the table of ``engines list``."""

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
from pipeline.accelerators.cache_manifest import MANIFEST
from pipeline.accelerators.engine_key import EngineKey

KEY = EngineKey("onnx", "opset 20", "denoiser", "ab" * 32, 0, "64x64", "float32")


def write(folder: Path) -> None:
    (folder / "graph.onnx").write_bytes(b"x" * 500)


def made(root: Path, part: str, days: float = 0.0) -> Path:
    entry = cache.store(root, dataclasses.replace(KEY, part=part), write)
    manifest = json.loads((entry / MANIFEST).read_text())
    (entry / MANIFEST).write_text(json.dumps(manifest | {"made_at": time.time() - days * 86400}))
    return entry


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("pipeline.accelerators.cache.platformdirs.user_cache_dir", lambda name: str(tmp_path))
    return tmp_path / "engines"


def prune(*options: str) -> Result:
    return CliRunner().invoke(app, ["engines", "prune", *options])


def test_all_with_an_age_removes_older_ones(root: Path) -> None:
    young, _ = made(root, "denoiser", 10), made(root, "encoder", 40)
    done = prune("--all", "--older-than", "30", "--yes")
    assert done.exit_code == 0, done.output
    assert "it is 40 days old" in done.output
    assert list(root.iterdir()) == [young]
    assert prune("--all", "--yes").exit_code == 0
    assert list(root.iterdir()) == []


def test_other_folders_are_never_removed(root: Path) -> None:
    made(root, "denoiser")
    (root / "photos").mkdir()
    for options in (("--yes",), ("--older-than", "0", "--yes"), ("--all", "--yes")):
        assert prune(*options).exit_code == 0
    assert list(root.iterdir()) == [root / "photos"]


def test_prune_checks_again_after_the_question(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert cache.damage(again) == ""


def test_hostile_manifest_stops_no_command(root: Path) -> None:
    entry = made(root, "denoiser")
    for text in ("[" * 100_000, json.dumps({"format": 1, "made_at": 10**400})):
        (entry / MANIFEST).write_text(text)
        for command, status in ((["list"], 0), (["list", "--json"], 0), (["verify"], 1)):
            assert CliRunner().invoke(app, ["engines", *command]).exit_code == status
    assert prune("--yes").exit_code == 0
    assert list(root.iterdir()) == []


def test_list_is_readable_at_80_columns(root: Path) -> None:
    key = dataclasses.replace(
        KEY, accelerator="tensorrt_rtx", device="8.9 NVIDIA GeForce RTX 4090", precision="float16"
    )
    cache.store(root, key, write, made_for="a-model-with-a-long-name 512x512")
    made(root, "encoder", 40)
    done = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["engines", "list"])
    heading, *rows = done.output.splitlines()
    assert heading.split() == ["engine", "made", "for", "size", "age", "state"]
    text = " ".join(" ".join(rows).split())
    for word in (
        "tensorrt_rtx",
        "a-model-with-a-long-name",
        "512x512",
        "float16",
        "8.9",
        "a moment",
        "40 days",
        "whole",
    ):
        assert word in text
    assert all(len(row) <= 80 for row in rows[:-1])
    assert len(rows) <= 8
