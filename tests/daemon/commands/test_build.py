import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from daemon.__main__ import app
from daemon.prebuild.__main__ import _build as build_engines
from pipeline.accelerators.openvino import precisions
from pipeline.accelerators.processor import usable_cores
from pipeline.accelerators.tuning_record import FOLDER
from presets.build import Build
from tests.pipeline.conftest import write_least_model


def build(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daemon", "build", *arguments]
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=115, env=environment)


@pytest.mark.timeout(300)
def test_conversion_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command converts. A builder in this process, which has imported torch already, reads what it kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    preset = tmp_path / "preset.yaml"
    write_least_model(tmp_path / "model")
    wanted = Build(model=str(tmp_path / "model"), accelerator="openvino", width=64, height=64)
    preset.write_text(f"model: {wanted.model}\naccelerator: openvino\nwidth: 64\nheight: 64\n")
    done = CliRunner().invoke(app, ["build", str(preset)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    measured = list(tmp_path.rglob(f"{FOLDER}/*.json"))
    assert len(measured) == (usable_cores().logical > 1 or len(precisions()) > 1), "one entry, if there is a choice"
    (kept,) = tmp_path.rglob("denoiser.xml")
    made = kept.stat().st_mtime_ns
    assert build_engines(wanted, io.StringIO()).startswith("openvino is ready")
    (kept,) = tmp_path.rglob("denoiser.xml")
    assert kept.stat().st_mtime_ns == made, "it is read, not converted again"


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
