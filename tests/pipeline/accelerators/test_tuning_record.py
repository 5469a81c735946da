"""An entry saves a measurement. One with any fault counts as absent."""

import json
import logging
import os
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.accelerators import processor, tuning_record
from pipeline.accelerators.candidates import Candidate, Choices
from pipeline.accelerators.engines import Shapes
from pipeline.accelerators.tuning_record import (
    FOLDER,
    MOST,
    TuningKey,
    TuningRecord,
    read_record,
    tuning_key,
    write_record,
)
from pipeline.models import Model, load_model

CHOICES = Choices((("openvino", "bfloat16"), ("openvino", "float32")), (2, 1), (2,))
FLOAT32, BFLOAT16 = Candidate("openvino", "float32", 2, 2), Candidate("openvino", "bfloat16", 2, 2)
RECORD = TuningRecord(FLOAT32, {BFLOAT16: 1.55})
KEY = TuningKey("AMD EPYC", "openvino 2026.4.1", 3, "a network", "256x256", repr(CHOICES))


def entry(root: Path) -> Path:
    return root / FOLDER / KEY.file


def test_record_is_read_back(tmp_path: Path) -> None:
    write_record(tmp_path, KEY, RECORD)
    assert read_record(tmp_path, KEY, CHOICES) == RECORD
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == [KEY.file]


@pytest.mark.parametrize("field", [field.name for field in fields(TuningKey)])
def test_every_part_of_key_counts(tmp_path: Path, field: str) -> None:
    write_record(tmp_path, KEY, RECORD)
    other = replace(KEY, **{field: 4 if field == "revision" else "another"})
    assert read_record(tmp_path, other, CHOICES) is None


def test_absent_record_is_silent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert read_record(tmp_path / "nowhere", KEY, CHOICES) is None
    assert not caplog.records


def damage(**changes: Any) -> bytes:
    content = {
        "format": tuning_record.FORMAT,
        "key": {field.name: getattr(KEY, field.name) for field in fields(TuningKey)},
        "best": {"accelerator": "openvino", "precision": "float32", "requests": 2, "threads": 2},
        "slower": [],
    }
    return json.dumps(content | changes).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b" " * 30_000,
        damage(format=0),
        damage(key={}),
        damage(key=None),
        damage(best=None),
        damage(best={"accelerator": "warp", "precision": "float32", "requests": 2, "threads": 2}),
        damage(best={"accelerator": "openvino", "precision": "float32", "requests": 2, "threads": 64}),
        damage(slower=None),
        damage(slower=["fast"]),
        damage(slower=[{"candidate": None, "ratio": 1.5}]),
        damage(slower=[{"ratio": "nan"}]),
        damage(slower=[{"ratio": float("nan")}]),
        damage(slower=[{"ratio": -1.0}]),
    ],
)
def test_damaged_record_is_ignored(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    entry(tmp_path).parent.mkdir()
    entry(tmp_path).write_bytes(content)
    with caplog.at_level(logging.DEBUG):
        assert read_record(tmp_path, KEY, CHOICES) is None
    (line,) = caplog.records
    assert line.levelno == logging.DEBUG
    assert "is ignored" in line.getMessage()
    write_record(tmp_path, KEY, RECORD)
    assert read_record(tmp_path, KEY, CHOICES) == RECORD, "the next measurement replaces it"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and /dev/zero are POSIX")
def test_record_that_never_ends(tmp_path: Path) -> None:
    entry(tmp_path).parent.mkdir()
    os.mkfifo(entry(tmp_path))
    assert read_record(tmp_path, KEY, CHOICES) is None
    entry(tmp_path).unlink()
    entry(tmp_path).symlink_to("/dev/zero")
    assert read_record(tmp_path, KEY, CHOICES) is None


def test_whole_content_is_accepted(tmp_path: Path) -> None:
    entry(tmp_path).parent.mkdir()
    entry(tmp_path).write_bytes(damage())
    assert read_record(tmp_path, KEY, CHOICES) == TuningRecord(FLOAT32, {})


def test_folder_that_can_not_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FOLDER).write_text("in the way")
    with caplog.at_level(logging.DEBUG):
        write_record(tmp_path, KEY, RECORD)
    assert "can't be kept" in caplog.text
    assert read_record(tmp_path, KEY, CHOICES) is None


def test_oldest_records_make_room(tmp_path: Path) -> None:
    for number in range(MOST + 5):
        write_record(tmp_path, replace(KEY, revision=number), RECORD)
        path = tmp_path / FOLDER / replace(KEY, revision=number).file
        os.utime(path, (number, number))
    assert len(list((tmp_path / FOLDER).iterdir())) == MOST
    assert read_record(tmp_path, replace(KEY, revision=0), CHOICES) is None
    assert read_record(tmp_path, replace(KEY, revision=MOST + 4), CHOICES) == RECORD


def test_why_names_what_differs() -> None:
    assert RECORD.why == "float32: 1.55 × bfloat16 here"
    one = replace(FLOAT32, requests=1)
    assert TuningRecord(one, {BFLOAT16: 1.7, FLOAT32: 1.1}).why == (
        "float32, 1 request: 1.70 × bfloat16, 2 requests, 1.10 × 2 requests here"
    )


def test_key_follows_machine_model_and_size(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes, cpu = Shapes(64, 64, (4, 8, 8), (12, 16), 10), torch.device("cpu")
    key = tuning_key(tiny, shapes, CHOICES, "sdpa", cpu)
    assert key == tuning_key(load_model(tiny.folder), shapes, CHOICES, "sdpa", cpu)
    assert "openvino" in key.versions
    assert tuning_key(tiny, replace(shapes, rows=12), CHOICES, "sdpa", cpu).shapes != key.shapes
    assert tuning_key(tiny, shapes, replace(CHOICES, threads=(1,)), "sdpa", cpu).choices != key.choices
    assert tuning_key(tiny, shapes, CHOICES, "flash", cpu).choices != key.choices
    monkeypatch.setattr(processor, "_affinity", lambda: 1)
    assert tuning_key(tiny, shapes, CHOICES, "sdpa", cpu).machine != key.machine


def test_key_follows_network(tiny: Model, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(tiny.folder, tmp_path / "model"))
    config = folder / "unet" / "config.json"
    key = tuning_record._network(load_model(folder))
    assert key == tuning_record._network(tiny)
    config.write_text(config.read_text().replace('"attention_head_dim": 4', '"attention_head_dim": 8'))
    assert tuning_record._network(load_model(folder)) != key


def test_cores_follow_quota_and_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "_affinity", lambda: 8)
    monkeypatch.setattr(processor.psutil, "cpu_count", lambda logical=True: 8 if logical else 4)
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(processor, "CPU_QUOTA", quota)
    assert processor.usable_cores() == (4, 8)
    for content, cores in (("max 100000", (4, 8)), ("250000 100000", (3, 3)), ("50000 100000", (1, 1)), ("?", (4, 8))):
        quota.write_text(content)
        assert processor.usable_cores() == cores
    monkeypatch.setattr(processor, "_affinity", lambda: 1)
    assert processor.usable_cores() == (1, 1)
