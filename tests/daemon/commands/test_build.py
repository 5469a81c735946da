import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from daemon.__main__ import app


def build(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daemon", "build", *arguments]
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=115, env=environment)


def test_engine_of_the_preset_is_opened(tmp_path: Path) -> None:
    preset = tmp_path / "preset.yaml"
    preset.write_text(f"accelerator: eager\nwidth: 64\nheight: 64\nengine: {tmp_path / 'unet.onnx'}\n")
    done = CliRunner(env={"XDG_CACHE_HOME": str(tmp_path)}).invoke(app, ["build", str(preset)])
    assert done.exit_code == 1
    assert "There is no engine file" in done.output


def test_unknown_preset_is_refused(tmp_path: Path) -> None:
    done = build("no-such-preset", cache=tmp_path)
    assert done.returncode == 2
    assert "no-such-preset" in done.stderr
    assert "Traceback" not in done.stderr
