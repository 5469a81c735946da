"""Listing, pruning and cleaning the engine cache: only entries and abandoned staging folders are touched."""

import dataclasses
import os
import time
from pathlib import Path

import pytest

from pipeline.accelerators import cache, cache_inventory, cache_staging
from pipeline.accelerators.engine_key import EngineKey

KEY = EngineKey("tensorrt", "nightly", "denoiser", "ab" * 32, 2, "64x64, rows 1 to 4", "float16", "8.9", "560.1")
CARD = "8.9 NVIDIA GeForce RTX 4070"


def write(folder: Path) -> None:
    (folder / "engine.plan").write_bytes(b"x" * 5000)


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    return cache.store(tmp_path, KEY, write, "shipped 64x64")


def age(*paths: Path) -> None:
    """Set the time of the last write to before the limit for abandoned folders."""
    then = time.time() - 2 * cache_staging.ABANDONED_AFTER
    for path in paths:
        os.utime(path, (then, then))


def test_entries_are_described(entry: Path) -> None:
    (listed,) = cache_inventory.entries(entry.parent)
    assert (listed.path, listed.key, listed.made_for) == (entry, KEY, "shipped 64x64")
    assert abs(time.time() - listed.made_at) < 600
    assert listed.size == sum(path.stat().st_size for path in entry.iterdir())


def test_version_without_package_name(entry: Path) -> None:
    (listed,) = cache_inventory.entries(entry.parent)
    assert cache_inventory.prune_reason(listed, KEY.revision, set()) == ""


def test_other_versions_are_pruned(entry: Path) -> None:
    key = dataclasses.replace(KEY, version="pytest 0.0.1, absent_package 1.0")
    listed = cache_inventory.read_entry(cache.store(entry.parent, key, write))
    assert listed is not None
    assert "it was made with pytest 0.0.1, but " in cache_inventory.prune_reason(listed, KEY.revision, set())
    assert "another version of streamflow-live" in cache_inventory.prune_reason(listed, KEY.revision + 1, set())


@pytest.mark.parametrize(
    ("device", "usable"),
    [
        ("any", True),
        ("8.9", True),
        (CARD, True),
        (f"{CARD} MIG 1g.5gb", True),
        ("12.0", False),
        ("8.9 NVIDIA GeForce RTX 4090", False),
        ("8.6 NVIDIA GeForce RTX 3090", False),
    ],
)
def test_engines_for_absent_cards_are_pruned(tmp_path: Path, device: str, usable: bool) -> None:
    cache.store(tmp_path, dataclasses.replace(KEY, device=device), write)
    (listed,) = cache_inventory.entries(tmp_path)
    assert cache_inventory.prune_reason(listed, KEY.revision, set()) == "", "without a GPU they are for other machines"
    reason = cache_inventory.prune_reason(listed, KEY.revision, {CARD, "7.5 NVIDIA GeForce RTX 2080"})
    assert bool(reason) is not usable
    assert usable or (device in reason and CARD in reason)


def test_other_folders_are_left_alone(entry: Path) -> None:
    root = entry.parent
    for name in ("photos", "new-photos", "new-york-2019", f"{KEY.folder}-old", KEY.folder[:-1]):
        (root / name).mkdir()
        (root / name / "picture.png").write_bytes(b"x")
        age(root / name / "picture.png", root / name)
    assert [listed.path for listed in cache_inventory.entries(root)] == [entry]
    assert cache_staging.remove_leftovers(root) == 0
    assert len(list(root.iterdir())) == 6


def test_impossible_process_id(tmp_path: Path) -> None:
    folder = tmp_path / f"{cache_staging.STAGING_PREFIX}{cache_staging._host()}-9999999999-00"
    folder.mkdir()
    assert cache_staging.remove_leftovers(tmp_path) == 0
    age(folder)
    cache_staging.remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_active_staging_folder_stays(tmp_path: Path) -> None:
    ours = tmp_path / f"{cache_staging.STAGING_PREFIX}{cache_staging._host()}-{os.getpid()}-00"
    other_host = tmp_path / f"{cache_staging.STAGING_PREFIX}ffffffff-1-00"
    for folder in (ours, other_host):
        folder.mkdir()
        (folder / "engine.plan").write_bytes(b"x" * 100)
    assert cache_staging.remove_leftovers(tmp_path) == 0
    age(ours, other_host)
    assert cache_staging.remove_leftovers(tmp_path) == 0, "a file in each was just written"
    age(other_host / "engine.plan")
    assert cache_staging.remove_leftovers(tmp_path) == 100
    assert ours.is_dir()


@pytest.mark.parametrize("kind", ["link", "file"])
def test_link_is_removed_but_not_its_target(entry: Path, kind: str) -> None:
    target = entry.rename(entry.with_name("target"))
    try:
        if kind == "link":
            entry.symlink_to(target)
        else:
            entry.write_bytes(b"x")
    except OSError:
        pytest.skip("links need a privilege on Windows")
    cache_staging.remove_entry(entry)
    assert list(entry.parent.iterdir()) == [target]
    assert (target / "engine.plan").exists()


def test_entry_removed_during_the_listing(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = cache.store(entry.parent, dataclasses.replace(KEY, part="encoder"), write)
    folder_size = cache_inventory.folder_size

    def removed(path: Path) -> int:
        if path == entry:
            cache_staging.remove_entry(path)
            path.stat()
        return folder_size(path)

    monkeypatch.setattr(cache_inventory, "folder_size", removed)
    assert [listed.path for listed in cache_inventory.entries(entry.parent)] == [encoder]
