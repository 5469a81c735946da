import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from daemon.__main__ import app
from tests.pipeline.conftest import write_tiny_model


def build(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daemon", "build", *arguments]
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=115, env=environment)


@pytest.mark.timeout(300)
def test_what_is_converted_is_kept_for_the_show(tmp_path: Path) -> None:
    look = tmp_path / "look.yaml"
    write_tiny_model(tmp_path / "model")
    look.write_text(f"model: {tmp_path / 'model'}\naccelerator: openvino\nwidth: 64\nheight: 64\n")
    done = build(str(look), cache=tmp_path)
    assert done.returncode == 0, done.stderr
    (kept,) = tmp_path.rglob("denoiser.xml")
    made = kept.stat().st_mtime_ns
    again = CliRunner(env={"XDG_CACHE_HOME": str(tmp_path)}).invoke(app, ["build", str(look)], catch_exceptions=False)
    assert again.exit_code == 0
    (kept,) = tmp_path.rglob("denoiser.xml")
    assert kept.stat().st_mtime_ns == made, "it is read, not made again"


def test_the_engine_of_a_look_is_tried_as_the_show_would(tmp_path: Path) -> None:
    look = tmp_path / "look.yaml"
    look.write_text(f"accelerator: eager\nwidth: 64\nheight: 64\nengine: {tmp_path / 'unet.onnx'}\n")
    done = CliRunner(env={"XDG_CACHE_HOME": str(tmp_path)}).invoke(app, ["build", str(look)])
    assert done.exit_code == 1
    assert "There is no engine file" in done.output


def test_a_look_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    done = build("no-such-look", cache=tmp_path)
    assert done.returncode == 2
    assert "no-such-look" in done.stderr
    assert "Traceback" not in done.stderr
