"""The engine cache: entries are whole or absent, and none of another key, version or writer is read."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.accelerators import cache, cache_aside, cache_shelf
from pipeline.accelerators.cache import EngineKey
from presets.errors import CacheError

KEY = EngineKey("tensorrt", "tensorrt 10.8", "denoiser", "ab" * 32, 2, "64x64, rows 1 to 4", "float16", "8.9", "560.1")
FILES = {"engine.plan": b"x" * 5000, "notes.json": b"{}"}


def write(folder: Path) -> None:
    for name, data in FILES.items():
        (folder / name).write_bytes(data)


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    return cache.keep(tmp_path, KEY, write, "shipped 64x64")


def test_what_is_kept_is_found_whole(entry: Path) -> None:
    assert cache.lookup(entry.parent, KEY) == (entry, "")
    assert {path.name: path.read_bytes() for path in entry.iterdir() if path.name != cache.MANIFEST} == FILES
    assert [path.name for path in entry.parent.iterdir()] == [KEY.folder]  # nothing is left beside it
    (listed,) = cache_shelf.entries(entry.parent)
    assert (listed.path, listed.key, listed.made_for) == (entry, KEY, "shipped 64x64")
    assert abs(time.time() - listed.made_at) < 600
    assert listed.size == sum(path.stat().st_size for path in entry.iterdir())


@pytest.mark.parametrize("part", [field.name for field in dataclasses.fields(EngineKey)])
def test_every_part_of_key_counts(entry: Path, part: str) -> None:
    was = getattr(KEY, part)
    other = dataclasses.replace(
        KEY, **{part: was + 1 if isinstance(was, int) else (*was, "lora 1.0") if isinstance(was, tuple) else f"{was}0"}
    )
    assert other.digest != KEY.digest
    assert cache.lookup(entry.parent, other) == (None, "")
    # Even under the other's name it is told from its manifest, and by which part.
    moved = entry.rename(entry.with_name(other.folder))
    found, reason = cache.lookup(entry.parent, other)
    assert found is None
    assert f"made for something else: {part} " in reason
    assert cache.whole(moved) == "its manifest is another entry's"


def test_adjacent_parts_are_distinct() -> None:
    one = dataclasses.replace(KEY, device="8.9", driver="560")
    assert one.digest != dataclasses.replace(KEY, device="8.95", driver="60").digest


@pytest.mark.parametrize("name", [*FILES, cache.MANIFEST])
@pytest.mark.parametrize("harm", ["a bit", "truncated", "missing", "emptied"])
def test_damage_to_any_file_is_named(entry: Path, name: str, harm: str) -> None:
    path = entry / name
    data = bytearray(path.read_bytes())
    if harm == "a bit":
        data[len(data) // 4] ^= 1  # of a manifest: in the key
        path.write_bytes(data)
    elif harm == "truncated":
        path.write_bytes(data[:-1])
    elif harm == "missing":
        path.unlink()
    else:
        path.write_bytes(b"")
    found, reason = cache.lookup(entry.parent, KEY)
    assert found is None
    if name == cache.MANIFEST:
        assert "manifest" in reason or "made for something else" in reason
    else:
        assert name in reason
    # Made again, it is whole again.
    assert cache.keep(entry.parent, KEY, write) == entry
    assert cache.lookup(entry.parent, KEY) == (entry, "")
    assert [path.name for path in entry.parent.iterdir()] == [KEY.folder]


@pytest.mark.parametrize(
    "text", ["[]", "null", '"x"', '{"format": 1}', '{"format": 99}', '{"format": 1, "key": "x"}', "\x00"]
)
def test_foreign_manifest_is_refused(entry: Path, text: str) -> None:
    (entry / cache.MANIFEST).write_text(text)
    assert "manifest" in cache.whole(entry)
    (listed,) = cache_shelf.entries(entry.parent)
    assert listed.key is None


def test_manifest_with_other_parts_is_foreign(entry: Path) -> None:
    manifest = json.loads((entry / cache.MANIFEST).read_text())
    manifest["key"]["colour"] = "blue"
    (entry / cache.MANIFEST).write_text(json.dumps(manifest))
    assert "colour" in cache.whole(entry)


def rewritten(entry: Path, **parts: Any) -> None:
    """Change parts of the manifest. A dictionary is merged into the part."""
    manifest = json.loads((entry / cache.MANIFEST).read_text())
    for name, value in parts.items():
        manifest[name] = manifest[name] | value if isinstance(value, dict) else value
    (entry / cache.MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "parts",
    [
        {"key": {"version": 5}},
        {"key": {"part": {}}},
        {"key": {"device": ["8.9"]}},
        {"key": {"revision": True}},
        {"key": {"adapters": "lora"}},
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
def test_manifest_with_wrong_types_heals(entry: Path, parts: dict[str, Any]) -> None:
    rewritten(entry, **parts)
    damaged_and_healed(entry, "manifest can't be read: ")


def damaged_and_healed(entry: Path, said: str) -> None:
    """Every reader reports it, nobody uses it, and the next build replaces it."""
    (listed,) = cache_shelf.entries(entry.parent)
    reason = cache_shelf.useless(listed, KEY.revision, set())
    assert said in reason
    assert f"{listed} {reason}".encode()
    assert cache.lookup(entry.parent, KEY)[0] is None
    cache.keep(entry.parent, KEY, write)
    assert cache.lookup(entry.parent, KEY) == (entry, "")


@pytest.mark.parametrize("text", ["[" * 100_000, " " * cache.LARGEST + "{}", '{"format": 1e999}'])
def test_invalid_manifest_heals(entry: Path, text: str) -> None:
    (entry / cache.MANIFEST).write_text(text)
    damaged_and_healed(entry, "manifest can't be read: ")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
@pytest.mark.parametrize("name", [*FILES, cache.MANIFEST])
def test_pipe_does_not_block_reader(entry: Path, name: str) -> None:
    (entry / name).unlink()
    os.mkfifo(entry / name)
    if name != cache.MANIFEST:
        rewritten(entry, files={name: {"bytes": 0, "sha256": ""}})
    damaged_and_healed(entry, "is no ordinary file")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
def test_undecodable_name_is_reported(entry: Path) -> None:
    (entry / os.fsdecode(b"\xff")).write_bytes(b"")
    damaged_and_healed(entry, "? does not belong to it")


def test_version_without_name(tmp_path: Path) -> None:
    cache.keep(tmp_path, dataclasses.replace(KEY, version="nightly"), write)
    (listed,) = cache_shelf.entries(tmp_path)
    assert cache_shelf.useless(listed, KEY.revision, set()) == ""


HERE = "8.9 NVIDIA GeForce RTX 4070"


@pytest.mark.parametrize(
    ("device", "of_use"),
    [
        ("any", True),
        ("8.9", True),
        (HERE, True),
        ("8.9 NVIDIA GeForce RTX 4070 MIG 1g.5gb", True),
        ("12.0", False),
        ("8.9 NVIDIA GeForce RTX 4090", False),
        ("8.6 NVIDIA GeForce RTX 3090", False),
    ],
)
def test_engine_for_absent_card_is_useless(tmp_path: Path, device: str, of_use: bool) -> None:
    cache.keep(tmp_path, dataclasses.replace(KEY, version="nightly", device=device), write)
    (listed,) = cache_shelf.entries(tmp_path)
    assert cache_shelf.useless(listed, KEY.revision, set()) == "", "with no card here they are for elsewhere"
    reason = cache_shelf.useless(listed, KEY.revision, {HERE, "7.5 NVIDIA GeForce RTX 2080"})
    assert bool(reason) is not of_use
    assert of_use or (device in reason and HERE in reason)


def test_other_files_are_left_alone(entry: Path) -> None:
    root, then = entry.parent, time.time() - 2 * cache_aside.ABANDONED
    for name in ("photos", "new-photos", "new-york-2019", f"{KEY.folder}-old", KEY.folder[:-1]):
        (root / name).mkdir()
        (root / name / "picture.png").write_bytes(b"x")
        os.utime(root / name / "picture.png", (then, then))
        os.utime(root / name, (then, then))
    assert [listed.path for listed in cache_shelf.entries(root)] == [entry]
    assert cache_aside.remove_leftovers(root) == 0
    assert len(list(root.iterdir())) == 6


def test_impossible_process_number(tmp_path: Path) -> None:
    folder = tmp_path / f"{cache_aside.ASIDE}{cache_aside._writer()}-9999999999-00"
    folder.mkdir()
    assert cache_aside.remove_leftovers(tmp_path) == 0
    then = time.time() - 2 * cache_aside.ABANDONED
    os.utime(folder, (then, then))
    cache_aside.remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "file"])
def test_link_is_removed_alone(entry: Path, kind: str) -> None:
    elsewhere = entry.rename(entry.with_name("elsewhere"))
    try:
        if kind == "link":
            entry.symlink_to(elsewhere)
        else:
            entry.write_bytes(b"x")
    except OSError:
        pytest.skip("links are not for everybody on Windows")
    cache_aside.remove(entry)
    assert list(entry.parent.iterdir()) == [elsewhere]
    assert (elsewhere / "engine.plan").exists()


def test_vanishing_entry_is_not_listed(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.keep(entry.parent, dataclasses.replace(KEY, part="encoder"), write)
    size_of = cache_shelf.size_of

    def removed(path: Path) -> int:
        if path == entry:
            cache_aside.remove(path)
            path.stat()
        return size_of(path)

    monkeypatch.setattr(cache_shelf, "size_of", removed)
    assert [listed.path.name for listed in cache_shelf.entries(entry.parent)] == [
        dataclasses.replace(KEY, part="encoder").folder
    ]


def test_added_file_is_reported(entry: Path) -> None:
    (entry / "engine.bin").write_bytes(b"?")
    assert cache.whole(entry) == "engine.bin does not belong to it"


def test_sizes_alone_are_a_quick_look(entry: Path) -> None:
    (entry / "engine.plan").write_bytes(b"y" * 5000)
    assert cache.whole(entry, thorough=False) == ""
    assert cache.whole(entry) == "engine.plan has changed since it was written"


def test_failed_write_keeps_old_entry(tmp_path: Path) -> None:
    def half(folder: Path) -> None:
        (folder / "engine.plan").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.keep(tmp_path, KEY, half)
    assert list(tmp_path.iterdir()) == []


def test_first_of_two_writers_wins(tmp_path: Path) -> None:
    def late(folder: Path) -> None:
        cache.keep(tmp_path, KEY, write, "the first")
        write(folder)

    cache.keep(tmp_path, KEY, late, "the second")
    (listed,) = cache_shelf.entries(tmp_path)
    assert listed.made_for == "the first"


def test_first_of_two_at_once_wins(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "lexists", lambda path: False)  # as it was a moment ago
    assert cache.keep(entry.parent, KEY, write, "the second") == entry
    (listed,) = cache_shelf.entries(entry.parent)
    assert listed.made_for == "shipped 64x64"
    assert [path.name for path in entry.parent.iterdir()] == [KEY.folder]


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.accelerators import cache, cache_aside, cache_shelf
from tests_key import KEY
def write(folder):
    (folder / "engine.plan").write_bytes(b"half an engine")
    os.kill(os.getpid(), signal.SIGKILL)
cache.keep(Path(sys.argv[1]), KEY, write)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_writer_leaves_no_entry(tmp_path: Path) -> None:
    (tmp_path / "tests_key.py").write_text(f"from pipeline.accelerators.cache import EngineKey\nKEY = {KEY!r}\n")
    root = tmp_path / "engines"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(root)], env=environment, check=False, timeout=60)
    assert killed.returncode == -9
    (left,) = root.iterdir()
    assert left.name.startswith(cache_aside.ASIDE)
    assert (left / "engine.plan").is_file()
    assert cache.lookup(root, KEY) == (None, "")
    assert cache_shelf.entries(root) == []
    cache.keep(root, KEY, write)  # the next one that writes cleans up
    assert [path.name for path in root.iterdir()] == [KEY.folder]


def test_fresh_leftover_stays(tmp_path: Path) -> None:
    ours = tmp_path / f"{cache_aside.ASIDE}{cache_aside._writer()}-{os.getpid()}-00"
    elsewhere = tmp_path / f"{cache_aside.ASIDE}ffffffff-1-00"
    for folder in (ours, elsewhere):
        folder.mkdir()
        (folder / "engine.plan").write_bytes(b"x" * 100)
    assert cache_aside.remove_leftovers(tmp_path) == 0
    then = time.time() - 2 * cache_aside.ABANDONED
    os.utime(ours, (then, then))
    os.utime(elsewhere, (then, then))
    assert cache_aside.remove_leftovers(tmp_path) == 0  # a file in it was just written
    os.utime(elsewhere / "engine.plan", (then, then))
    assert cache_aside.remove_leftovers(tmp_path) == 100
    assert ours.is_dir()


FULL = """
import resource, sys
from pathlib import Path
from pipeline.accelerators import cache, cache_aside, cache_shelf
from presets.errors import CacheError
from tests_key import KEY
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    cache.keep(Path(sys.argv[1]), KEY, lambda folder: (folder / "engine.plan").write_bytes(b"x" * 5000))
except CacheError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "tests_key.py").write_text(f"from pipeline.accelerators.cache import EngineKey\nKEY = {KEY!r}\n")
    root = tmp_path / "engines"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(root)], env=environment, check=True, timeout=60, capture_output=True, text=True
    )
    assert done.stdout == f"What was built can't be kept in {root}: File too large.\n"
    assert list(root.iterdir()) == []


def test_unwritable_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CacheError, match="can't be kept in"):
        cache.keep(tmp_path / "file", KEY, write)
    assert cache_shelf.entries(tmp_path / "file") == []
    assert cache.lookup(tmp_path / "file", KEY) == (None, "")
