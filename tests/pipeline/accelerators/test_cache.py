"""Entries of the engine cache: stored atomically, verified when read, found by their full key only."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.accelerators import cache, cache_inventory, cache_staging
from pipeline.accelerators.cache_manifest import MANIFEST, MAX_MANIFEST_BYTES
from pipeline.accelerators.engine_key import EngineKey
from presets.errors import CacheError

KEY = EngineKey("tensorrt", "tensorrt 10.8", "denoiser", "ab" * 32, 2, "64x64, rows 1 to 4", "float16", "8.9", "560.1")
FILES = {"engine.plan": b"x" * 5000, "notes.json": b"{}"}


def write(folder: Path) -> None:
    for name, data in FILES.items():
        (folder / name).write_bytes(data)


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    return cache.store(tmp_path, KEY, write, "shipped 64x64")


def test_stored_entry_is_found(entry: Path) -> None:
    assert cache.lookup(entry.parent, KEY) == (entry, "")
    assert {path.name: path.read_bytes() for path in entry.iterdir() if path.name != MANIFEST} == FILES
    assert [path.name for path in entry.parent.iterdir()] == [KEY.folder], "no staging folder is left"


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(EngineKey)])
def test_every_field_is_part_of_the_key(entry: Path, field: str) -> None:
    value = getattr(KEY, field)
    changed = value + 1 if isinstance(value, int) else (*value, "lora 1.0") if isinstance(value, tuple) else f"{value}0"
    other = dataclasses.replace(KEY, **{field: changed})
    assert other.digest != KEY.digest
    assert cache.lookup(entry.parent, other) == (None, "")
    # Under the other's folder name the manifest shows the difference.
    moved = entry.rename(entry.with_name(other.folder))
    found, reason = cache.lookup(entry.parent, other)
    assert found is None
    assert f"made for another key: {field} " in reason
    assert cache.damage(moved) == "its manifest belongs to another entry"


def test_adjacent_fields_are_separated() -> None:
    one = dataclasses.replace(KEY, device="8.9", driver="560")
    assert one.digest != dataclasses.replace(KEY, device="8.95", driver="60").digest


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("damage", ["a bit", "truncated", "missing", "emptied"])
def test_damaged_file_is_named(entry: Path, name: str, damage: str) -> None:
    path = entry / name
    data = bytearray(path.read_bytes())
    if damage == "a bit":
        data[len(data) // 4] ^= 1  # in a manifest: in the key
        path.write_bytes(data)
    elif damage == "truncated":
        path.write_bytes(data[:-1])
    elif damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"")
    found, reason = cache.lookup(entry.parent, KEY)
    assert found is None
    if name == MANIFEST:
        assert "manifest" in reason or "made for another key" in reason
    else:
        assert name in reason
    assert cache.store(entry.parent, KEY, write) == entry
    assert cache.lookup(entry.parent, KEY) == (entry, "")
    assert [path.name for path in entry.parent.iterdir()] == [KEY.folder]


@pytest.mark.parametrize(
    "text", ["[]", "null", '"x"', '{"format": 1}', '{"format": 99}', '{"format": 1, "key": "x"}', "\x00"]
)
def test_foreign_manifest_is_refused(entry: Path, text: str) -> None:
    (entry / MANIFEST).write_text(text)
    assert "manifest" in cache.damage(entry)
    (listed,) = cache_inventory.entries(entry.parent)
    assert listed.key is None


def change_manifest(entry: Path, **fields: Any) -> None:
    """Replace fields of the manifest. A dict is merged into the field."""
    manifest = json.loads((entry / MANIFEST).read_text())
    for name, value in fields.items():
        manifest[name] = manifest[name] | value if isinstance(value, dict) else value
    (entry / MANIFEST).write_text(json.dumps(manifest))


def assert_damaged_then_replaced(entry: Path, reason: str) -> None:
    """Assert that the inventory gives the reason, that a lookup refuses the entry, and that storing replaces it."""
    (listed,) = cache_inventory.entries(entry.parent)
    prune_reason = cache_inventory.prune_reason(listed, KEY.revision, set())
    assert reason in prune_reason
    assert f"{listed} {prune_reason}".encode(), "the text can be printed"
    assert cache.lookup(entry.parent, KEY)[0] is None
    cache.store(entry.parent, KEY, write)
    assert cache.lookup(entry.parent, KEY) == (entry, "")


@pytest.mark.parametrize(
    "fields",
    [
        {"key": {"version": 5}},
        {"key": {"part": {}}},
        {"key": {"device": ["8.9"]}},
        {"key": {"revision": True}},
        {"key": {"adapters": "lora"}},
        {"key": {"colour": "blue"}},
        {"key": []},
        {"made_for": "\ud800"},
        {"made_for": 3},
        {"made_at": 10**400},
        {"made_at": float("nan")},
        {"made_at": -1e308},
        {"made_at": "today"},
        {"files": {"engine.plan": {"bytes": float("inf"), "sha256": "x"}}},
        {"files": {"engine.plan": {"bytes": True, "sha256": "x"}}},
        {"files": {"engine.plan": {"bytes": -1, "sha256": "x"}}},
        {"files": {"engine.plan": {"bytes": 5000, "sha256": 5}}},
        {"files": {"engine.plan": None}},
        {"files": []},
    ],
    ids=repr,
)
def test_wrong_manifest_field_is_damage(entry: Path, fields: dict[str, Any]) -> None:
    change_manifest(entry, **fields)
    assert_damaged_then_replaced(entry, "manifest can't be read: ")


def test_unknown_key_field_is_named(entry: Path) -> None:
    change_manifest(entry, key={"colour": "blue"})
    assert "key has an unknown field 'colour'" in cache.damage(entry)


@pytest.mark.parametrize("text", ["[" * 100_000, " " * MAX_MANIFEST_BYTES + "{}", '{"format": 1e999}'])
def test_hostile_manifest_is_damage(entry: Path, text: str) -> None:
    (entry / MANIFEST).write_text(text)
    assert_damaged_then_replaced(entry, "manifest can't be read: ")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_named_pipe_does_not_block(entry: Path, name: str) -> None:
    (entry / name).unlink()
    os.mkfifo(entry / name)
    if name != MANIFEST:
        change_manifest(entry, files={name: {"bytes": 0, "sha256": ""}})
    assert_damaged_then_replaced(entry, "is not a regular file")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
def test_undecodable_file_name_is_shown(entry: Path) -> None:
    (entry / os.fsdecode(b"\xff")).write_bytes(b"")
    assert_damaged_then_replaced(entry, "? does not belong to it")


def test_additional_file_is_damage(entry: Path) -> None:
    (entry / "engine.bin").write_bytes(b"?")
    assert cache.damage(entry) == "engine.bin does not belong to it"


def test_quick_check_compares_sizes(entry: Path) -> None:
    (entry / "engine.plan").write_bytes(b"y" * 5000)
    assert cache.damage(entry, thorough=False) == ""
    assert cache.damage(entry) == "engine.plan has changed since it was written"
    (entry / "engine.plan").write_bytes(b"y" * 4999)
    assert cache.damage(entry, thorough=False) == "engine.plan has 4999 bytes instead of 5000"


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        (folder / "engine.plan").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.store(tmp_path, KEY, interrupted)
    assert list(tmp_path.iterdir()) == []


def test_first_writer_wins(tmp_path: Path) -> None:
    def late(folder: Path) -> None:
        cache.store(tmp_path, KEY, write, "the first")
        write(folder)

    cache.store(tmp_path, KEY, late, "the second")
    (listed,) = cache_inventory.entries(tmp_path)
    assert listed.made_for == "the first"


def test_first_writer_wins_in_a_race(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "lexists", lambda path: False)  # the entry appears after this check
    assert cache.store(entry.parent, KEY, write, "the second") == entry
    (listed,) = cache_inventory.entries(entry.parent)
    assert listed.made_for == "shipped 64x64"
    assert [path.name for path in entry.parent.iterdir()] == [KEY.folder]


def run_script(script: str, folder: Path, root: Path) -> "subprocess.CompletedProcess[str]":
    """Run a Python script that imports KEY from ``tests_key`` and takes the cache folder as its argument."""
    (folder / "tests_key.py").write_text(f"from pipeline.accelerators.engine_key import EngineKey\nKEY = {KEY!r}\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    command = [sys.executable, "-c", script, str(root)]
    return subprocess.run(command, env=environment, check=False, timeout=60, capture_output=True, text=True)


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.accelerators import cache
from tests_key import KEY
def write(folder):
    (folder / "engine.plan").write_bytes(b"half an engine")
    os.kill(os.getpid(), signal.SIGKILL)
cache.store(Path(sys.argv[1]), KEY, write)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_writer_leaves_no_entry(tmp_path: Path) -> None:
    root = tmp_path / "engines"
    assert run_script(KILLED, tmp_path, root).returncode == -9
    (leftover,) = root.iterdir()
    assert leftover.name.startswith(cache_staging.STAGING_PREFIX)
    assert (leftover / "engine.plan").is_file()
    assert cache.lookup(root, KEY) == (None, "")
    assert cache_inventory.entries(root) == []
    cache.store(root, KEY, write)  # removes the leftover
    assert [path.name for path in root.iterdir()] == [KEY.folder]


FULL = """
import resource, sys
from pathlib import Path
from pipeline.accelerators import cache
from presets.errors import CacheError
from tests_key import KEY
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    cache.store(Path(sys.argv[1]), KEY, lambda folder: (folder / "engine.plan").write_bytes(b"x" * 5000))
except CacheError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit for the size of a file")
def test_full_disk_is_a_cache_error(tmp_path: Path) -> None:
    root = tmp_path / "engines"
    done = run_script(FULL, tmp_path, root)
    assert done.stdout == f"The engine cache in {root} can't be written: File too large.\n", done.stderr
    assert list(root.iterdir()) == []


def test_unwritable_root_is_a_cache_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CacheError, match="can't be written"):
        cache.store(tmp_path / "file", KEY, write)
    assert cache_inventory.entries(tmp_path / "file") == []
    assert cache.lookup(tmp_path / "file", KEY) == (None, "")
