"""Builders that are cancelled or killed leave no temporary files."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from rig import until

from daemon.prebuild.build_runner import run_build
from presets.build import Build


def is_builder(process: psutil.Process) -> bool:
    """Return True for a running builder. Other tests may have left zombies."""
    return process.status() != psutil.STATUS_ZOMBIE and "daemon.prebuild" in process.cmdline()


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS shows no process's environment")
def test_cancelled_build_leaves_no_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def cancel(text: str, fraction: float, is_result: bool) -> None:
        (builder,) = (each for each in psutil.Process().children() if is_builder(each))
        environment = builder.environ()
        (Path(environment["TMPDIR"]) / "graph.onnx").write_bytes(b"x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_build(Build(width=64, height=64, accelerator="eager"), cancel)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_builder_cleans_up_after_a_killed_command(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    changes = {"TMPDIR": str(tmp_path / "tmp"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "daemon", "build", "--size", "64x64", "--accelerator", "eager"]
    with subprocess.Popen(command, env=os.environ | changes, stderr=subprocess.DEVNULL) as process:
        until(lambda: psutil.Process(process.pid).children())
        (builder,) = psutil.Process(process.pid).children()
        until(lambda: is_builder(builder))
        assert len(list((tmp_path / "tmp").glob("streamflow-*"))) == 1
        process.kill()
    builder.wait(timeout=60)
    assert list((tmp_path / "tmp").glob("streamflow-*")) == []
