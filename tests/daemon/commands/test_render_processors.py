"""``streamflow-live render`` with processors: each picture is changed, and a failure ends the clip with its reason."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from daemon.__main__ import app
from daemon.commands.processors import examples
from daemon.processors.processor_file import read_processor
from io_bridges.clip import decode_clip
from presets.errors import ProcessorError

FLIP = "def before(frame):\n    return frame[:, ::-1]\n"
PAINT = (
    'PARAMETERS = {"level": (0, 200, 0, "painted")}\n\n\n'
    "def after(frame, level):\n    painted = frame.copy()\n    painted[:8] = level\n    return painted\n"
)


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    """A render of one still that is dark on the left, with processors in a folder."""
    picture = np.full((64, 64, 3), 20, np.uint8)
    picture[:, 32:] = 220
    cv2.imwrite(str(tmp_path / "in.png"), picture)
    folder = tmp_path / "processors"
    folder.mkdir()
    (folder / "flip.py").write_text(FLIP)
    (folder / "paint.py").write_text(PAINT)
    preset = tmp_path / "look.yaml"
    preset.write_text(
        "accelerator: eager\nstrength: 0.0\n"
        "processor:\n- flip\n- {name: paint, value1: 0.5}\n- {name: flip, active: false}\n"
    )
    return [
        *("render", str(tmp_path / "in.png"), str(tmp_path / "out.png"), "--preset", str(preset)),
        *("--size", "64x64", "--processors", str(folder)),
    ]


def invoke(options: list[str]) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, options)


def test_processors_change_the_clip(tmp_path: Path, options: list[str]) -> None:
    result = invoke(options)
    assert result.exit_code == 0, (result.output, result.exception)
    (picture,) = decode_clip(tmp_path / "out.png")
    assert np.all(picture[:8] == 100), "half of the range from 0 to 200"
    left, right = picture[8:, :24].mean(), picture[8:, 40:].mean()
    assert left > right + 100, "the bright half is on the left"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def before(frame):\n    return frame[:3]\n", r"flip.py: before returned uint8 \[3, 64, 3\]"),
        ("def before(frame):\n    raise KeyError('k')\n", "flip.py:2: KeyError: 'k'"),
        ("import os\n\n\ndef before(frame):\n    os._exit(3)\n", "flip.py: its process ended with status 3"),
        ("1 / 0\n\n\ndef before(frame):\n    return frame\n", "flip.py:1: ZeroDivisionError"),
        ("def before(frame:\n", r"flip.py:1: "),
    ],
)
def test_failing_processor_ends_the_clip(tmp_path: Path, options: list[str], text: str, reason: str) -> None:
    (tmp_path / "processors" / "flip.py").write_text(text)
    result = invoke(options)
    assert isinstance(result.exception, ProcessorError)
    with pytest.raises(ProcessorError, match=reason):
        raise result.exception
    assert not (tmp_path / "out.png").exists()


def test_missing_processor_is_refused(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "processors" / "flip.py").unlink()
    result = invoke(options)
    assert isinstance(result.exception, ProcessorError)
    assert "there is no flip.py in" in str(result.exception)
    assert "there are paint" in str(result.exception)


def test_examples_are_added_once(tmp_path: Path) -> None:
    runner = CliRunner(env={"COLUMNS": "300"})
    folder = str(tmp_path / "mine")
    for name in examples():
        result = runner.invoke(app, ["processors", "add", name, "--processors", folder])
        assert result.exit_code == 0, result.output
        assert read_processor(tmp_path / "mine" / f"{name}.py").description
    assert runner.invoke(app, ["processors", "add", "mirror", "--processors", folder]).exit_code != 0
    (tmp_path / "mine" / "broken.py").write_text("def before(:\n")
    listed = runner.invoke(app, ["processors", "list", "--processors", folder]).output
    assert "Mirror one half" in listed
    assert "decay 0 to 0.99" in listed
    assert "broken.py:1: " in listed
