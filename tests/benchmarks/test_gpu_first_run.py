"""The script for the first half hour on a card: it goes on after a stage that fails or hangs, and tells of each."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "gpu_first_run.sh"

INTERPRETER = """#!/usr/bin/env bash
echo "$@" >> "{log}"
case "$*" in
    *torch*) exit 0 ;;
    *doctor*) echo "all is well" ;;
    *benchmarks.where*) echo "no such model" >&2; exit 3 ;;
    *) sleep 60 ;;
esac
"""
"""In place of Python: one stage works, one fails, and the others never end."""

pytestmark = pytest.mark.skipif(shutil.which("timeout") is None or sys.platform == "win32", reason="it is for Linux")


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    interpreter = tmp_path / "python"
    interpreter.write_text(INTERPRETER.format(log=tmp_path / "commands"))
    interpreter.chmod(0o755)
    return tmp_path / "commands"


def test_each_stage_is_told(tmp_path: Path, commands: Path) -> None:
    # Timeouts of a second, so that the stages that never end take seconds.
    quick = tmp_path / "gpu_first_run.sh"
    text = SCRIPT.read_text(encoding="utf-8").replace("local name=$1 most=$2 left=", "local name=$1 most=1 left=")
    quick.write_text(text.replace('cd "$(dirname "$0")/.."', f"cd '{ROOT}'"))
    environment = {**os.environ, "PYTHON": str(commands.with_name("python"))}
    done = subprocess.run(
        ["bash", str(quick), str(tmp_path / "results")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, "a stage failed"
    summary = (tmp_path / "results" / "summary.txt").read_text()
    assert done.stdout == summary
    told = {line.split()[0] for line in summary.splitlines()[1:-1]}
    assert told == {"done", "failed", "skipped", "timed"}
    assert "done       doctor" in summary
    assert "skipped    gpu-tests: it needs an NVIDIA card" in summary
    assert "failed     where-shipped-eager with status 3: no such model" in summary
    assert "timed out  ablation after 1 s" in summary
    assert "timed out  show after 1 s" in summary
    assert (tmp_path / "results" / "doctor.log").read_text() == "all is well\n"
    assert "--architecture tiny-perflow" in commands.read_text()
