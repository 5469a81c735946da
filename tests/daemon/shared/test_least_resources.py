"""Too few open files or too little address space: one sentence and an exit status, in place of a traceback."""

import subprocess
import sys

import pytest

resource = pytest.importorskip("resource")


@pytest.mark.parametrize(
    ("limit", "most", "command", "sentence"),
    [
        ("RLIMIT_NOFILE", 24, "words", "24 open files; at least 32 are needed"),
        ("RLIMIT_NOFILE", 64, "run", "64 open files; at least 96 are needed"),
        ("RLIMIT_AS", 500 << 20, "words", "500 MiB of address space; at least 1024 MiB are needed"),
    ],
)
def test_one_sentence(limit: str, most: int, command: str, sentence: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "daemon", command],
        preexec_fn=lambda: resource.setrlimit(getattr(resource, limit), (most, most)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert sentence in ended.stderr
