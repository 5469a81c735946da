"""Control characters in text from elsewhere are printed as escapes."""

import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.progress import Progress
from typer.testing import CliRunner, Result

from daemon.__main__ import app, main
from daemon.commands.terminal import Terminal
from pipeline.accelerators import cache
from pipeline.accelerators.cache_manifest import MANIFEST
from pipeline.accelerators.engine_key import EngineKey

CLEARS = "\x1b[2J"
HOSTILE = f"{CLEARS}\x1b]0;owned\x07 \x9b31m \x7f \u202ekcab"


def has_no_controls(output: str) -> bool:
    return not any(each != "\n" and (ord(each) < 32 or 127 <= ord(each) < 160 or each == "\u202e") for each in output)


def done(*command: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, command)
    assert result.exit_code == status, result.output
    return result


def test_controls_in_a_manifest_are_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.accelerators.cache.platformdirs.user_cache_dir", lambda name: str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    key = EngineKey("onnx", "opset 20", "denoiser", "ab" * 32, 0, "64x64", "float32")
    entry = cache.store(tmp_path / "engines", key, lambda folder: (folder / "x").touch() or None)
    manifest = json.loads((entry / MANIFEST).read_text())
    (entry / MANIFEST).write_text(json.dumps(manifest | {"made_for": HOSTILE}))
    output = done("engines", "list").output
    assert has_no_controls(output)
    assert r"\x1b[2J\x1b]0;owned" in output, "it is printed as text"
    rows = json.loads(done("engines", "list", "--json").output)
    assert rows[0]["made_for"] == HOSTILE, "JSON keeps the text as it is"


def test_controls_in_a_preset_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / f"a{CLEARS}b.yaml"
    path.write_text(json.dumps({"description": HOSTILE}))
    for result in (
        done("presets", "list", "--presets", str(tmp_path)),
        done("presets", "check", str(path)),
    ):
        assert has_no_controls(result.output)
        assert r"\x1b[2J" in result.output
    shown = done("presets", "show", str(path)).output
    assert has_no_controls(shown.replace("\u202e", "")), "YAML escapes controls itself"
    path.write_text(json.dumps({f"key{CLEARS}": 1}))
    refused = done("presets", "check", str(path), status=1)
    assert has_no_controls(refused.stderr)
    assert r"\x1b[2J" in refused.stderr


def test_controls_in_an_error_are_escaped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["streamflow-live", "build", f"look{HOSTILE}\udc80"])
    with pytest.raises(SystemExit):
        main()
    output = capsys.readouterr().err
    assert has_no_controls(output)
    assert r"\udc80" in output


def test_controls_in_the_log_are_escaped() -> None:
    script = (
        "import logging, sys\nfrom daemon.commands.log_output import log_to_terminal\nlog_to_terminal(False)\n"
        f"logging.error('from the wire: %s', {HOSTILE!r})\nlogging.error('two\\nlines')\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    ).stderr
    assert has_no_controls(output)
    assert r"from the wire: \x1b[2J" in output
    assert [line.strip() for line in output.splitlines()[-2:]][-1] == "lines"


def test_progress_and_colours_still_work() -> None:
    written = io.StringIO()
    with Progress(console=Terminal(file=written, force_terminal=True, width=80), auto_refresh=False) as bar:
        bar.add_task(f"doing {CLEARS}")
        bar.refresh()
        bar.console.print("red", style="red")
    output = written.getvalue()
    assert "\x1b[31mred" in output
    assert "\x1b[?25l" in output, "the cursor is hidden meanwhile"
    assert CLEARS not in output
    assert "doing" in output


INTERRUPTED = """
import os, signal, sys
from daemon.commands.terminal import signals_as_ctrl_c

def convert():
    try:
        os.kill(os.getpid(), int(sys.argv[1]))
    except KeyboardInterrupt:
        raise RuntimeError("conversion failed") from None

number = int(sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal
before = signal.getsignal(number)
try:
    with signals_as_ctrl_c():
        convert()
except KeyboardInterrupt:
    print("interrupted")
assert signal.getsignal(number) is before
try:
    with signals_as_ctrl_c():
        raise RuntimeError("another error")
except RuntimeError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send to oneself")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_hidden_by_a_library(number: signal.Signals) -> None:
    """OpenVINO's converter replaces an interrupt by an error of its own. A process of its own takes the signal."""
    command = [sys.executable, "-c", INTERRUPTED, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split("\n")[:2] == ["interrupted", "another error"], done.stderr
    assert done.returncode == 0
