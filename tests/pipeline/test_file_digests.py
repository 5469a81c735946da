"""Kept digests of files: right after every kind of change, and never trusted when they are damaged."""

import hashlib
import os
from pathlib import Path

import pytest

from pipeline import file_digests
from pipeline.file_digests import file_digest, fresh_digest, keep_digests

FIRST, SECOND = b"weights" * 100, b"WEIGHTS" * 100


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the digests, which keeps those of small files too, however new they are."""
    folder = tmp_path / "digests"
    monkeypatch.setattr(file_digests, "SMALLEST_KEPT", 1)
    monkeypatch.setattr(file_digests, "SETTLED", -1.0)
    monkeypatch.setattr(file_digests, "digest_folder", lambda: folder)
    return folder


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(FIRST)
    return path


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_kept_digest_is_not_computed_again(cache: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert file_digest(weights) == sha256(FIRST)
    (entry,) = cache.iterdir()
    read: list[Path] = []
    monkeypatch.setattr(file_digests, "_read_digest", lambda path: read.append(path) or sha256(FIRST))
    assert file_digest(weights) == sha256(FIRST)
    assert not read
    entry.unlink()
    file_digest(weights)
    assert read == [weights]


def test_every_change_is_noticed(cache: Path, weights: Path, tmp_path: Path) -> None:
    file_digest(weights)
    before = weights.stat()
    weights.write_bytes(SECOND)  # in place, at the same size
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file_digest(weights) == sha256(SECOND)
    other = tmp_path / "other"
    other.write_bytes(FIRST)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(weights)
    assert file_digest(weights) == sha256(FIRST)
    weights.write_bytes(FIRST + SECOND)
    assert file_digest(weights) == sha256(FIRST + SECOND)


@pytest.mark.parametrize("text", ["", "{}", "[]", "nul", '{"stamp": 1, "sha256": 2}', "[" * 9000])
def test_damaged_entry_counts_as_none(cache: Path, weights: Path, text: str) -> None:
    file_digest(weights)
    (entry,) = cache.iterdir()
    entry.write_text(text)
    assert file_digest(weights) == sha256(FIRST)


def test_truncated_digest_counts_as_none(cache: Path, weights: Path) -> None:
    file_digest(weights)
    (entry,) = cache.iterdir()
    entry.write_text(entry.read_text().replace(sha256(FIRST).hex(), "ab"))
    assert file_digest(weights) == sha256(FIRST)


def test_new_file_is_not_kept(cache: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_digests, "SETTLED", 60.0)
    assert file_digest(weights) == sha256(FIRST)
    assert not cache.exists()


def test_cache_that_cannot_be_written(cache: Path, weights: Path) -> None:
    cache.write_text("a file where the folder should be")
    assert file_digest(weights) == sha256(FIRST)


def test_missing_file_raises(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "none")


def test_given_digests_are_not_computed(cache: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_digests, "SETTLED", 60.0)
    slept: list[float] = []
    given = bytes(range(32))  # not the file's own, so that reading it would be noticed
    keep_digests({weights: given}, slept.append)
    assert 0 < sum(slept) <= 60.0
    assert file_digest(weights) == given
    weights.write_bytes(SECOND)
    assert file_digest(weights) == sha256(SECOND)


def test_given_digests_of_missing_files(cache: Path, tmp_path: Path) -> None:
    keep_digests({tmp_path / "none": sha256(FIRST)})
    assert not cache.exists()


def test_fresh_digest_replaces_the_kept_one(cache: Path, weights: Path) -> None:
    keep_digests({weights: bytes(range(32))})
    assert fresh_digest(weights) == sha256(FIRST)
    assert file_digest(weights) == sha256(FIRST)
