"""Limits of the stage's process, and the folder of compiled code."""

import ctypes
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from daemon.shared import process
from daemon.shared.process import shorten_timer_ticks, tune_stage_process

PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from daemon.shared.process import tune_stage_process
tune_stage_process()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], sys.getswitchinterval())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file limits are POSIX")
def test_stage_limits() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    files, interval = done.stdout.split()
    assert int(files) > 256
    assert float(interval) < 0.005


PRIORITIES = """
import psutil
from daemon.shared.process import lower_priority, normal_priority, raise_priority
for change in raise_priority, normal_priority, lower_priority, raise_priority:
    change()
    print(psutil.Process().nice())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="niceness is POSIX")
def test_priority_of_the_stage() -> None:
    """It goes before other programs where the system allows it, and its children do not by themselves."""
    program = [sys.executable, "-c", PRIORITIES]
    is_allowed = subprocess.run(["nice", "-n", "-10", "true"], capture_output=True, check=False).stderr == b""
    levels = [int(line) for line in subprocess.run(program, capture_output=True, text=True, check=True).stdout.split()]
    assert levels == ([-10, 0, 10, -10] if is_allowed else [0, 0, 10, 10])


def test_priority_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(sys, "platform", "win32")
    for name in ("ABOVE_NORMAL_PRIORITY_CLASS", "NORMAL_PRIORITY_CLASS", "BELOW_NORMAL_PRIORITY_CLASS"):
        monkeypatch.setattr(process.psutil, name, name, raising=False)
    monkeypatch.setattr(process.psutil.Process, "nice", lambda self, value: asked.append(value))
    process.raise_priority()
    process.normal_priority()
    process.lower_priority()
    assert [str(value).split("_")[0] for value in asked] == ["ABOVE", "NORMAL", "BELOW"]


class Winmm:
    """``winmm.dll`` as far as it is called: it takes periods from 1 ms up, and answers 97 to others."""

    def __init__(self, shortest: int = 1) -> None:
        self.shortest = shortest
        self.asked: list[int] = []

    def timeBeginPeriod(self, milliseconds: int) -> int:  # noqa: N802
        self.asked.append(milliseconds)
        return 0 if milliseconds >= self.shortest else 97


def test_windows_timer_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: dict[str, Winmm] = {}
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "WinDLL", lambda name: opened.setdefault(name, Winmm()), raising=False)
    interval = sys.getswitchinterval()
    try:
        tune_stage_process()
    finally:
        sys.setswitchinterval(interval)
    assert opened["winmm"].asked == [1]
    assert shorten_timer_ticks(Winmm())
    assert not shorten_timer_ticks(Winmm(shortest=2))


KEEP = """
import importlib, os, sys, tempfile
from daemon.shared.process import keep_compiled_code
for case in sys.argv[1:]:
    place, kept, inherited = case.split("|")
    os.environ |= {"XDG_CACHE_HOME": os.path.join(place, "cache"), "TMPDIR": os.path.join(place, "tmp")}
    os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)
    if inherited:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = kept
    tempfile.tempdir = None
    keep_compiled_code()
    importlib.reload(importlib.import_module("torch._inductor.compiler_bisector"))
"""


def test_compiled_code_is_kept_in_the_cache(tmp_path: Path) -> None:
    """Every export asks torch for the folder, also where nothing is compiled. One process, as torch takes seconds."""
    cases = {}
    for number, (writable, inherited) in enumerate(product([True, False], repeat=2)):
        place = tmp_path / str(number)
        (place / "tmp").mkdir(parents=True)
        if not writable:
            (place / "cache").write_text("a file where the folder would be")
        kept = place / "cache" / "streamflow-live" / "engines" / "torchinductor"
        cases[f"{place}|{kept}|{'inherited' * inherited}"] = place / "tmp", kept, writable
    subprocess.run([sys.executable, "-c", KEEP, *cases], check=True)
    for case, (temporary, kept, writable) in cases.items():
        assert kept.is_dir() == writable, case
        assert bool(list(temporary.glob("torchinductor*"))) == (not writable), case
