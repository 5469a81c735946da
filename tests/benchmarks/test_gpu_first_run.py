"""The script for the first half hour on a card: it goes on after a stage that fails or hangs, and tells of each."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

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

ACCELERATORS = ["cuda_graphs", "compile", "tensorrt", "tensorrt_rtx", "onnxruntime"]

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
    for piece in ("captures", "tensorrt", "onnxruntime", "eight-bits", "sums", "priority", "rest"):
        assert f"skipped    gpu-{piece}: it needs an NVIDIA card" in summary
    assert "skipped    where-shipped-tensorrt_rtx: it does not work here" in summary
    assert "failed     where-shipped-eager with status 3: no such model" in summary
    assert "timed out  ablation after 1 s" in summary
    assert "timed out  show after 1 s" in summary
    assert (tmp_path / "results" / "doctor.log").read_text() == "all is well\n"
    assert "--architecture tiny-perflow" in commands.read_text()


def test_proofs_leave_time_to_measure() -> None:
    """Nine of the 25 minutes, even if each stage of the proofs takes all that it may. What is over 25 is left out."""
    text = SCRIPT.read_text(encoding="utf-8").partition("# B:")[0]
    stages = re.findall(r"^ *(?:stage|on_card|where|bench|gpu_tests) \"?([a-z-]+\S*) (\d+) ", text, re.MULTILINE)
    assert len(stages) == 11
    often = {'where-shipped-$accelerator"': 2.5}
    """Three accelerators of torch and two of TensorRT, in two loops."""
    assert sum(int(seconds) * often.get(name, 1) for name, seconds in stages) <= 16 * 60


def test_each_gpu_test_has_one_stage() -> None:
    """The expressions for pytest's -k leave out no test of a card, and take none twice."""
    script = SCRIPT.read_text(encoding="utf-8")
    captures, tensorrt = (re.search(rf"^{name}='(.*)'$", script, re.MULTILINE) for name in ("captures", "tensorrt"))
    assert captures
    assert tensorrt
    given = {"$captures": captures[1], "$tensorrt": tensorrt[1]}
    quoted = re.findall(r"^gpu_tests \S+ \d+ [\"'](.*)[\"']$", script, re.MULTILINE)
    assert len(quoted) == 7
    for name, text in given.items():
        quoted = [each.replace(name, text) for each in quoted]
    expressions = [Expression.compile(each) for each in quoted]
    tests = re.findall(r"^def (test_\w+)", (ROOT / "tests/pipeline/test_on_gpu.py").read_text(), re.MULTILINE)
    kinds = {"accelerator_equals_eager": ACCELERATORS, "uncaptured": ACCELERATORS, "eight_bits": ["fp8-tensorrt_rtx"]}
    names = []
    for test in tests:
        each = next((given for word, given in kinds.items() if word in test), [])
        names += [f"{test}[{kind}]" for kind in each] or [test]
    assert len(names) > 20
    for name in names:
        stages = sum(each.evaluate(lambda word, name=name, **_: word.lower() in name) for each in expressions)
        assert stages == 1, f"{name} is in {stages} stages"
