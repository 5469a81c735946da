"""The command line: output without markup, help without heavy imports, and Ctrl-C at any time."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from daemon.__main__ import app, main
from daemon.commands.terminal import progress_bar
from presets.errors import SettingsError

BRACKETS = "[any × 4] [/x] [plots]"


def test_brackets_in_errors_are_not_markup(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["streamflow-live", "bench", "--only", BRACKETS])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert BRACKETS in capsys.readouterr().err


def test_brackets_in_progress_are_not_markup() -> None:
    bar = progress_bar()
    written = io.StringIO()
    bar.live.console.file = written
    bar.live.console.width = 200
    bar.add_task(BRACKETS)
    with bar:
        pass
    assert BRACKETS in written.getvalue()


def test_brackets_in_paths_are_not_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_ctrl_c_during_import_prints_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60, check=False, env=os.environ
    )
    assert (done.returncode, done.stderr) == (130, "")


HELP = """
import sys
from typer.testing import CliRunner
from daemon.__main__ import app
for command in ("", "run", "render", "build", "engines", "engines list", "engines verify", "engines prune",
                "presets", "presets list", "presets show", "presets check", "sources", "words", "layout",
                "touchdesigner", "doctor", "bench"):
    done = CliRunner(env={"COLUMNS": "80"}).invoke(app, [*command.split(), "--help"], catch_exceptions=False)
    assert done.exit_code == 0, command
    print(done.output, end="\f")
print({"torch", "diffusers", "openvino", "onnxruntime", "cv2", "av", "transformers"} & set(sys.modules))
"""


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    *pages, heavy = done.stdout.split("\f")
    assert heavy.strip() == "set()"
    assert all(len(line) <= 80 for page in pages for line in page.splitlines())
    with_examples = [re.findall(r"Usage: \S+ (.*) \[OPTIONS\]", page)[0] for page in pages if "Examples:" in page]
    expected = ["run", "render", "build", "engines prune", "presets check", "sources", "words", "layout", "bench"]
    assert with_examples == expected


def test_a_third_source_is_refused(tmp_path: Path) -> None:
    given = [part for uri in ("card:", "file:a.mp4", "none:") for part in ("--source", uri)]
    done = CliRunner().invoke(app, ["run", *given, "--state", str(tmp_path / "state.json")])
    assert isinstance(done.exception, SettingsError)
    assert str(done.exception) == "--source is given 3 times (card:, file:a.mp4, none:); 2 sources are supported"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["run"], ["render", "in.png", "out.png"]])
def test_millions_of_threads_are_refused(command: list[str]) -> None:
    """Torch would crash with them in every renderer."""
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*command, "--threads", "99999999"])
    assert done.exit_code == 2
    assert "1024" in done.output
