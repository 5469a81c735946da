"""``streamflow-live render`` with the shipped model.

Starting a process takes the time of ten small clips, so that only a refusal and ``test_render_stays_offline`` do. The
others run the command in this process.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import big_buck_bunny
from rich.progress import Progress
from tiny_folders import write_family_folder
from typer.testing import CliRunner, Result

from daemon.__main__ import app
from daemon.commands.offline_render import load_stream
from io_bridges.clip import ClipWriter, clip_info, decode_clip
from io_bridges.frames import Pixels
from io_bridges.framing import FILL, Framing, fit
from pipeline.conditioning import TextEncoderState
from pipeline.image_stream import ImageStream
from presets.errors import AcceleratorUnavailable, ModelTooLarge, SettingsError, StreamflowError
from presets.parameters import Parameters

CLIP = big_buck_bunny()


def render_in_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daemon", "render", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)


def invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, ["render", *arguments])


def render(*arguments: str) -> str:
    """Render in this process and return the output."""
    result = invoke(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


@pytest.fixture
def quick(tmp_path: Path) -> tuple[str, ...]:
    """Options of a render that starts at once, without a conversion."""
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "quick.yaml").write_text("prompt: fire\naccelerator: eager\n")
    return "--preset", "quick", "--presets", str(tmp_path / "presets"), "--size", "128x64", "--frames", "6"


def test_memory_check_refuses_and_is_skipped(
    tmp_path: Path, quick: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.memory_check.free_main_memory", lambda: 10_000_000)
    out = tmp_path / "out.mp4"
    with pytest.raises(ModelTooLarge, match=r"needs about 0\.\d GB of memory, and 0\.0 GB are free"):
        raise invoke(CLIP, str(out), *quick).exception or AssertionError
    assert not out.exists()
    render(CLIP, str(out), *quick, "--skip-memory-check")
    assert clip_info(out).frames == 6


def test_same_options_give_the_same_file(tmp_path: Path, quick: tuple[str, ...]) -> None:
    files = [tmp_path / name for name in ("one.mp4", "two.mp4", "three.mp4")]
    for file, seed in zip(files, ("1", "1", "2"), strict=True):
        render(CLIP, str(file), *quick, "--seed", seed)
    one, two, three = (file.read_bytes() for file in files)
    assert one == two
    assert one != three
    info = clip_info(files[0])
    assert (info.frames, info.width, info.height) == (6, 128, 64)
    assert info.fps == clip_info(Path(CLIP)).fps


def test_strength_zero_keeps_the_picture(tmp_path: Path) -> None:
    still, out, preset = tmp_path / "in.png", tmp_path / "out.png", tmp_path / "eager.yaml"
    preset.write_text("accelerator: eager\n")
    frame = next(decode_clip(Path(CLIP)))
    cv2.imwrite(str(still), frame[..., ::-1])
    render(str(still), str(out), "--preset", str(preset), "--strength", "0")
    (picture,) = decode_clip(out)
    assert picture.shape == (256, 256, 3), "the model's own size"
    difference = np.abs(picture.astype(np.int16) - fit(frame, 256, 256)).mean()
    assert difference < 30, "only the autoencoder changes it"


def test_framing_of_the_preset(tmp_path: Path) -> None:
    still, out, preset = tmp_path / "in.png", tmp_path / "out.png", tmp_path / "eager.yaml"
    preset.write_text("accelerator: eager\nstrength: 0.0\nflip_x: true\nzoom: 2.0\npan_x: -1.0\n")
    frame = next(decode_clip(Path(CLIP)))
    cv2.imwrite(str(still), frame[..., ::-1])
    render(str(still), str(out), "--preset", str(preset), "--size", "128x128")
    (picture,) = decode_clip(out)
    wanted = Framing(zoom=2.0, pan_x=-1.0, flip_x=True)

    def difference(framing: Framing) -> float:
        return float(np.abs(picture.astype(np.int16) - fit(frame, 128, 128, framing)).mean())

    assert difference(wanted) < 30, "only the autoencoder changes it"
    assert difference(wanted) < 0.7 * difference(Framing(zoom=2.0, pan_x=-1.0))
    assert difference(wanted) < 0.7 * difference(FILL)


def test_then_changes_the_preset_by_its_morph(tmp_path: Path) -> None:
    same = "strength: 1.0\nguidance: 3.0\nmode: text\naccelerator: eager\n"
    (tmp_path / "one.yaml").write_text(f"prompt: neon tunnel\n{same}")
    (tmp_path / "other.yaml").write_text(f"prompt: white ice\nseed: 9\nmorph: 0.2\n{same}")

    def frames(*more: str) -> list[np.ndarray]:
        out = tmp_path / "out.mp4"
        common = ("--preset", "one", "--presets", str(tmp_path), "--size", "64x64", "--frames", "12", "-y")
        output = render(CLIP, str(out), *common, *more)
        notice = "The clip ends at 0.48 s, before the preset at 7 s."
        assert (notice in " ".join(output.split())) == ("7=other" in more)
        return [frame.astype(np.int16) for frame in decode_clip(out)]

    alone, with_other = frames(), frames("--then", "0.16=other", "--then", "7=other")
    apart = [float(np.abs(one - other).mean()) for one, other in zip(alone, with_other, strict=True)]
    assert clip_info(Path(CLIP)).fps == 25
    assert max(apart[:4]) < 4, "the clip's coding alone changes these, because later frames differ"
    assert apart[9] > 15
    assert apart[5] < apart[7] < apart[9], "from frame 4 to frame 9"


def test_attention_of_the_preset_is_used() -> None:
    parameters = Parameters(width=64, height=64, accelerator="openvino", attention="flash")
    with pytest.raises(AcceleratorUnavailable, match="OpenVINO has an attention of its own; attention flash is for"):
        load_stream(parameters, 1, Progress(disable=True))


@pytest.mark.parametrize("name", ["same", "relative", "symlink", "hardlink"])
def test_input_is_never_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    source = tmp_path / "clip.mp4"
    shutil.copyfile(CLIP, source)
    monkeypatch.chdir(tmp_path)
    output = {"same": str(source), "relative": "./clip.mp4"}.get(name, f"{name}.mp4")
    if name == "symlink":
        (tmp_path / output).symlink_to(source)
    elif name == "hardlink":
        (tmp_path / output).hardlink_to(source)
    before = sorted(tmp_path.iterdir())
    for options in ((), ("-y",)):
        result = invoke(str(source), output, *options)
        assert isinstance(result.exception, SettingsError)
        assert "is the input itself" in str(result.exception)
    assert sorted(tmp_path.iterdir()) == before
    assert source.read_bytes() == Path(CLIP).read_bytes()


REFUSED = [
    ((CLIP, "there.mp4"), "there.mp4 exists already: give --overwrite"),
    ((CLIP, "link.mp4"), "link.mp4 exists already: give --overwrite"),
    ((CLIP, "folder.mp4", "-y"), "folder.mp4 is not a plain file"),
    ((CLIP, "no/folder.mp4"), "no does not exist: make it, or name another output"),
    ((CLIP, "out.xyz"), "Cannot write out.xyz: its name must end in one of .mp4"),
    ((CLIP, "out"), "Cannot write out: its name must end in one of .mp4"),
    ((CLIP, "out.png"), "out.png can hold one picture, and"),
    ((CLIP, "out.png", "--frames", "2"), "--frames asks for 2: give --frames 1, or name a clip, such as out.mp4"),
    (("missing.mp4", "out.mp4"), "missing.mp4 does not exist"),
    (("broken.mp4", "out.mp4"), "broken.mp4"),
    ((CLIP, "out.mp4", "--preset", "no-such-preset"), "no-such-preset"),
    ((CLIP, "out.mp4", "--preset", "gone.yaml"), "gone.yaml: no such file"),
    ((CLIP, "out.mp4", "--preset", "bad.yaml"), "bad.yaml:1:11: strength must be at most 1"),
    ((CLIP, "out.mp4", "--preset", "lost-model.yaml"), "There is no model folder /lost/model"),
    ((CLIP, "out.mp4", "--preset", "lost-engine.yaml"), "There is no engine file /lost/unet.onnx"),
    ((CLIP, "out.mp4", "--preset", "lost-lora.yaml"), "There is no LoRA file /lost/neon.safetensors"),
    ((CLIP, "out.mp4", "--preset", "lost-net.yaml"), "There is no ControlNet folder /lost/edges"),
    ((CLIP, "out.mp4", "--preset", "lost-ip.yaml"), "There is no IP-Adapter file /lost/a.safetensors"),
    ((CLIP, "out.mp4", "--size", "100x100"), "100"),
    ((CLIP, "out.mp4", "--size", "wide"), "wide"),
    ((CLIP, "out.mp4", "--then", "2=no-such-preset"), "no-such-preset"),
    ((CLIP, "out.mp4", "--then", "soon"), "soon"),
    ((CLIP, "out.mp4", "--then", "0.01=fire"), "--preset"),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED, ids=[" ".join(arguments[1:]) for arguments, _ in REFUSED])
def test_refusals_leave_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.mp4").write_bytes(b"precious")
    Path("link.mp4").symlink_to("there.mp4")
    Path("folder.mp4").mkdir()
    Path("broken.mp4").write_bytes(b"not a clip at all")
    Path("bad.yaml").write_text("strength: 2\n")
    Path("lost-model.yaml").write_text("model: /lost/model\n")
    Path("lost-engine.yaml").write_text("engine: /lost/unet.onnx\n")
    Path("lost-lora.yaml").write_text("lora2: /lost/neon.safetensors\n")
    Path("lost-net.yaml").write_text("controlnet: /lost/edges\n")
    Path("lost-ip.yaml").write_text("ip_adapter: /lost/a.safetensors\n")
    before = sorted(tmp_path.rglob("*"))
    result = invoke(*arguments)
    assert isinstance(result.exception, StreamflowError), result.output
    assert words in str(result.exception)
    assert "loading" not in result.output
    assert sorted(tmp_path.rglob("*")) == before
    assert Path("there.mp4").read_bytes() == b"precious"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_cancelling_keeps_the_old_file(
    tmp_path: Path, quick: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    places: list[Path] = []
    write = ClipWriter.write

    def write_and_cancel(writer: ClipWriter, pixels: Pixels) -> None:
        write(writer, pixels)
        places.append(writer.path.parent.parent)
        if writer.count == 2:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(ClipWriter, "write", write_and_cancel)
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    for output, state in (("old.mp4", "is as it was"), ("new.mp4", "was not written")):
        (tmp_path / "old.mp4").write_bytes(b"precious")
        result = invoke(CLIP, str(tmp_path / output), *quick, "-y")
        assert result.exit_code == 130
        assert f"Cancelled. {tmp_path / output} {state}." in result.output
        assert {path.name for path in tmp_path.iterdir()} == {"old.mp4", "presets"}
    assert (tmp_path / "old.mp4").read_bytes() == b"precious"
    assert set(places) == {tmp_path}, "the part is on the same disk"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


def test_full_disk_keeps_the_old_file(tmp_path: Path, quick: tuple[str, ...]) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no limit of a file's size")
    output = tmp_path / "old.mp4"
    output.write_bytes(b"precious")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        result = invoke(CLIP, str(output), *quick, "-y")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert isinstance(result.exception, StreamflowError)
    assert re.match(rf"Cannot (write|finish) {output}: ", str(result.exception))
    assert output.read_bytes() == b"precious"
    assert {path.name for path in tmp_path.iterdir()} == {"old.mp4", "presets"}


def test_a_link_is_written_through(tmp_path: Path, quick: tuple[str, ...]) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "real.mp4", tmp_path / "link.mp4"
    target.write_bytes(b"old")
    link.symlink_to(target)
    render(CLIP, str(link), *quick, "-y")
    assert link.is_symlink()
    assert clip_info(target).frames == 6
    assert list(target.parent.iterdir()) == [target]


def test_main_prints_a_refusal_as_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "there.mp4").write_bytes(b"precious")
    done = render_in_process(CLIP, str(tmp_path / "there.mp4"))
    assert done.returncode == 2
    assert "exists already" in done.stderr
    assert "Traceback" not in done.stderr


def test_second_source_is_left_out(tmp_path: Path, quick: tuple[str, ...]) -> None:
    preset = tmp_path / "presets" / "quick.yaml"
    assert "second source" not in render(CLIP, str(tmp_path / "one.mp4"), *quick)
    preset.write_text(preset.read_text() + "source2: file:/no/such/logo.png\n")
    told = render(CLIP, str(tmp_path / "two.mp4"), *quick)
    assert "The second source of the preset is left out: render redraws one clip." in told
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_text_encoder_is_freed_by_its_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two presets, so that one that is freed comes back for the words of the second."""
    monkeypatch.setattr("pipeline.kept_texts.SMALLEST", 0)
    model, states = write_family_folder("stable-diffusion", tmp_path / "model"), list[TextEncoderState]()
    look = f"model: {model}\naccelerator: eager\nsteps: 4\nstrength: 1.0\nprompt: "
    for name, prompt in (("one", "a red ring"), ("other", "blue winter stars")):
        (tmp_path / f"{name}.yaml").write_text(f"{look}{prompt}\n")
    admit = ImageStream.admit

    def noted(stream: ImageStream, *frame: Any) -> None:
        states.append(stream.text_encoder)
        admit(stream, *frame)

    monkeypatch.setattr(ImageStream, "admit", noted)
    clip = ("--preset", "one", "--presets", str(tmp_path), "--size", "64x64", "--frames", "6", "--then", "0.12=other")
    files = []
    for rule in ("keep", "free"):
        monkeypatch.setattr("platformdirs.user_cache_dir", lambda name, rule=rule: str(tmp_path / f"texts-{rule}"))
        states.clear()
        files.append(tmp_path / f"{rule}.mp4")
        render(CLIP, str(files[-1]), *clip, "--text-encoder", rule)
        assert states[-1].encoded == 3, "two prompts, and the empty negative one"
        assert [state.held > 0 for state in states] == 6 * [rule == "keep"]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("family", ["sdxl", "sd3", "flux", "flux2", "sana", "z-image"])
def test_model_of_the_preset_is_rendered(tmp_path: Path, family: str) -> None:
    model = write_family_folder(family, tmp_path / "model")
    still, pictures = tmp_path / "in.png", []
    cv2.imwrite(str(still), next(decode_clip(Path(CLIP)))[..., ::-1])
    for prompt in ("a red ring", "blue winter stars"):
        preset, out = tmp_path / "look.yaml", tmp_path / f"{len(pictures)}.png"
        preset.write_text(f"model: {model}\nprompt: {prompt}\naccelerator: eager\nsteps: 2\nstrength: 1.0\n")
        render(str(still), str(out), "--preset", str(preset), "--size", "64x64")
        pictures.append(next(decode_clip(out)).astype(np.int16))
    assert pictures[0].shape == (64, 64, 3)
    assert np.abs(pictures[0] - pictures[1]).mean() > 1
