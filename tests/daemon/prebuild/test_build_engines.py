"""``build`` and ``engines`` as they are typed: a builder that is killed or left alone leaves nothing broken."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from daemon.__main__ import app
from daemon.prebuild.engine_inventory import cards_here
from pipeline.accelerators import cache, cache_aside, cache_shelf
from presets.errors import StreamflowError
from tests.pipeline.conftest import write_tiny_model

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX has wheels for x86-64 Linux and Windows alone")


@pytest.fixture(scope="module")
def look(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A look of a tiny model that is quick to export."""
    from diffusers import UNet2DConditionModel

    folder = tmp_path_factory.mktemp("look")
    write_tiny_model(folder / "model")
    UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8,),
        layers_per_block=1,
        down_block_types=("DownBlock2D",),
        mid_block_type="UNetMidBlock2DCrossAttn",
        up_block_types=("UpBlock2D",),
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=16,
    ).save_pretrained(folder / "model" / "unet")
    path = folder / "look.yaml"
    path.write_text(f"model: {folder / 'model'}\nwidth: 64\nheight: 64\n")
    return path


def begin(*arguments: str, cache: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "COLUMNS": "300", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "daemon", *arguments],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Ctrl-C in a terminal reaches a group of its own.
        process_group=0,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its status, and what it said."""
    out, err = process.communicate(timeout=100)
    assert "Traceback" not in err, err
    return process.returncode, out + err


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def builder_of(process: subprocess.Popen[str]) -> psutil.Process:
    children: list[psutil.Process] = []

    def found() -> bool:
        children[:] = [
            child for child in psutil.Process(process.pid).children() if "daemon.prebuild" in " ".join(child.cmdline())
        ]
        return bool(children)

    until(found, process)
    return children[0]


def root(folder: Path) -> Path:
    return folder / "streamflow-live" / "engines"


def names(folder: Path) -> set[str]:
    return {"-".join(path.name.split("-")[:2]) for path in root(folder).glob("*")}


@pytest.fixture(scope="module")
def killed_and_resumed(look: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A cache in which a build was killed once its first engine was kept, and then gone on with; what each said."""
    folder = tmp_path_factory.mktemp("cache")
    first = begin("build", str(look), "--for", "8.9", cache=folder)
    builder = builder_of(first)
    until(lambda: any(root(folder).glob("tensorrt_rtx-*")), first)
    builder.kill()
    status, killed = ended(first)
    assert status == 1, killed
    assert not builder.is_running()
    left = list(root(folder).iterdir())
    assert not [path for path in left if path.name.startswith(cache_aside.ASIDE)], "what it was writing is gone"
    assert all(cache.whole(path) == "" for path in left)
    assert len([path for path in left if path.name.startswith("tensorrt_rtx-")]) < 3
    status, resumed = ended(begin("build", str(look), "--for", "8.9", cache=folder))
    assert status == 0, resumed
    return folder, killed, resumed


def test_a_build_that_is_killed_is_said_and_gone_on_with(killed_and_resumed: tuple[Path, str, str]) -> None:
    folder, killed, resumed = killed_and_resumed
    assert "was killed, most likely because the memory ran out" in killed
    assert "the next build goes on from there" in killed
    assert "denoiser: is kept already, in" in resumed
    assert "encoder: is kept already" not in resumed or "decoder: is kept already" not in resumed
    assert "tensorrt_rtx is ready for a card of compute capability 8.9" in resumed
    assert {"tensorrt_rtx-denoiser", "tensorrt_rtx-encoder", "tensorrt_rtx-decoder"} <= names(folder)


def test_what_is_kept_is_listed_verified_and_pruned(killed_and_resumed: tuple[Path, str, str]) -> None:
    folder, *_ = killed_and_resumed
    status, listed = ended(begin("engines", "list", cache=folder))
    assert status == 0
    for word in ("tensorrt_rtx", "denoiser", "64x64", "float16", "8.9", "whole", "a moment", "6 kept"):
        assert word in listed
    assert ended(begin("engines", "verify", cache=folder))[0] == 0
    decoder = next(root(folder).glob("tensorrt_rtx-decoder-*"))
    plan = decoder / "engine.plan"
    data = bytearray(plan.read_bytes())
    data[-1] ^= 1
    plan.write_bytes(data)
    status, said = ended(begin("engines", "list", cache=folder))
    assert (status, "has changed" in said) == (0, False), "the list looks at sizes alone"
    status, said = ended(begin("engines", "verify", "--json", cache=folder))
    assert status == 1
    (damaged,) = [row for row in json.loads(said) if row["reason"]]
    assert damaged["reason"] == "engine.plan has changed since it was written"
    assert damaged["key"]["part"] == "decoder"
    status, said = ended(begin("engines", "prune", "--yes", cache=folder))
    assert status == 0
    assert "it is damaged: engine.plan has changed since it was written" in said
    assert "kB freed in" in said or "MB freed in" in said
    assert not decoder.exists()
    cards = cards_here()  # as the driver tells them: they can't be hidden from it
    of_use = 5 if not cards or any(card.startswith("8.9") for card in cards) else 3
    assert len(list(root(folder).iterdir())) == of_use, "the rest is of use"
    status, said = ended(begin("engines", "prune", "--all", "--yes", cache=folder))
    assert status == 0
    assert list(root(folder).iterdir()) == []
    assert cache_shelf.entries(root(folder)) == []


def test_where_a_look_has_an_engine_the_denoiser_is_left_out(look: Path, tmp_path: Path) -> None:
    plugged = tmp_path / "plugged.yaml"
    plugged.write_text(f"{look.read_text()}engine: {tmp_path / 'unet.onnx'}\n")
    status, said = ended(begin("build", str(plugged), "--for", "8.9", cache=tmp_path))
    assert status == 0, said
    assert {"tensorrt_rtx-encoder", "tensorrt_rtx-decoder"} <= names(tmp_path)
    assert not {name for name in names(tmp_path) if "denoiser" in name}


def test_ctrl_c_leaves_no_builder_and_nothing_half_written(look: Path, tmp_path: Path) -> None:
    process = begin("build", str(look), "--for", "8.9", cache=tmp_path)
    builder = builder_of(process)
    until(lambda: any(root(tmp_path).glob(f"{cache_aside.ASIDE}*")), process)
    os.kill(process.pid, signal.SIGINT)
    status, said = ended(process)
    assert status == 130
    assert "Cancelled. What was built is kept" in said
    assert not builder.is_running()
    assert list(root(tmp_path).iterdir()) == []


def test_a_builder_does_not_outlive_the_command(look: Path, tmp_path: Path) -> None:
    process = begin("build", str(look), "--for", "8.9", cache=tmp_path)
    builder = builder_of(process)
    process.kill()
    process.wait()
    builder.wait(timeout=60)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--for", "٨.٩"], "--for takes a compute capability such as 8.9"),
        (["--for", "9"], "--for takes a compute capability such as 8.9; '9' stands there"),
        (["--for", "8.9", "--accelerator", "openvino"], "which tensorrt_rtx can; openvino can't"),
        (["--accelerator", "warp"], "'warp' came"),
        (["--precision", "fp4"], "a precision is one of float32, float16, bfloat16; 'fp4' stands there"),
    ],
)
def test_what_can_not_be_meant_is_told_before_anything_is_built(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["build", *arguments])
    assert isinstance(result.exception, StreamflowError)
    assert said in str(result.exception)


def test_a_card_that_is_not_known_is_told_with_those_that_are(tmp_path: Path) -> None:
    status, text = ended(begin("build", "--for", "9.9", cache=tmp_path))
    assert status == 1
    assert "TensorRT-RTX can't build for compute capability 9.9; it can for 7.5" in text
