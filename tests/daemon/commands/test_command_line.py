"""The command line's own words: told as they stand, and ended by Ctrl-C at any time."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from daemon.__main__ import app, main
from daemon.commands.terminal import progress_bar

AS_IT_STANDS = "[any × 4] [/x] [plots]"


def test_brackets_in_an_error_are_no_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["streamflow-live", "bench", "--only", AS_IT_STANDS])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert AS_IT_STANDS in capsys.readouterr().err


def test_brackets_in_what_is_being_done_are_no_markup() -> None:
    bar = progress_bar()
    written = io.StringIO()
    bar.live.console.file = written
    bar.live.console.width = 200
    bar.add_task(AS_IT_STANDS)
    with bar:
        pass
    assert AS_IT_STANDS in written.getvalue()


def test_brackets_in_a_folders_name_are_no_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "[red] [" / "x] [any × 4]"
    monkeypatch.setattr("pipeline.accelerators.cache.platformdirs.user_cache_dir", lambda name: str(folder))
    for command in (["engines", "list"], ["engines", "prune", "--yes"], ["presets", "list", "--presets", str(folder)]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
        assert str(folder) in done.output


INTERRUPTED = """
import runpy, sys
class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == "daemon.commands.run":
            raise KeyboardInterrupt
sys.meta_path.insert(0, CtrlC())
runpy.run_module("daemon", run_name="__main__")
"""


def test_ctrl_c_while_the_command_line_is_imported_is_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60, check=False, env=os.environ
    )
    assert (done.returncode, done.stderr) == (130, "")
