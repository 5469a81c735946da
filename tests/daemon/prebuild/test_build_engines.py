"""``build`` and ``engines`` as they are typed. A builder that is killed leaves nothing broken."""

import json
import os
import shutil
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
from pipeline.accelerators import cache, cache_inventory, cache_staging
from presets.errors import StreamflowError
from tests.pipeline.conftest import write_least_model

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
    pytest.mark.timeout(300),
]
pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX has wheels for x86-64 Linux and Windows alone")


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Preset of a tiny model that is quick to export."""
    folder = tmp_path_factory.mktemp("preset")
    write_least_model(folder / "model")
    path = folder / "preset.yaml"
    path.write_text(f"model: {folder / 'model'}\nwidth: 64\nheight: 64\n")
    return path


def start(*arguments: str, cache: Path) -> subprocess.Popen[str]:
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
    """Return the status and the output of a process."""
    out, err = process.communicate(timeout=100)
    assert "Traceback" not in err, err
    return process.returncode, out + err


def run(*arguments: str, cache: Path) -> tuple[int, str]:
    """Run a command in this process, which has imported already. Return its status and its output."""
    environment = {"XDG_CACHE_HOME": str(cache), "COLUMNS": "300", "OMP_NUM_THREADS": "1"}
    done = CliRunner(env=environment).invoke(app, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


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
def killed_and_resumed(preset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """Cache of a build that was killed after its first engine, and then continued; with the output of both."""
    folder = tmp_path_factory.mktemp("cache")
    first = start("build", str(preset), "--for", "8.9", cache=folder)
    builder = builder_of(first)
    until(lambda: any(root(folder).glob("tensorrt_rtx-*")), first)
    builder.kill()
    status, killed = ended(first)
    assert status == 1, killed
    assert not builder.is_running()
    left = list(root(folder).iterdir())
    assert not [path for path in left if path.name.startswith(cache_staging.STAGING_PREFIX)], (
        "the part that was being written is removed"
    )
    assert all(cache.damage(path) == "" for path in left)
    assert len([path for path in left if path.name.startswith("tensorrt_rtx-")]) < 3
    status, resumed = run("build", str(preset), "--for", "8.9", cache=folder)
    assert status == 0, resumed
    shutil.copytree(root(folder), folder / "copy")  # a test prunes the cache itself
    return folder, killed, resumed


def test_killed_build_is_continued(killed_and_resumed: tuple[Path, str, str]) -> None:
    folder, killed, resumed = killed_and_resumed
    assert "was killed, most likely because the memory ran out" in killed
    assert "the next build continues there" in killed
    assert "denoiser: already built, in" in resumed
    assert "encoder: already built" not in resumed or "decoder: already built" not in resumed
    assert "tensorrt_rtx is ready for a card of compute capability 8.9" in resumed
    assert {"tensorrt_rtx-denoiser", "tensorrt_rtx-encoder", "tensorrt_rtx-decoder"} <= names(folder)


def test_list_verify_and_prune(killed_and_resumed: tuple[Path, str, str]) -> None:
    folder, *_ = killed_and_resumed
    status, listed = run("engines", "list", cache=folder)
    assert status == 0
    for word in ("tensorrt_rtx", "denoiser", "64x64", "float16", "8.9", "whole", "a moment", "6 kept"):
        assert word in listed
    assert run("engines", "verify", cache=folder)[0] == 0
    decoder = next(root(folder).glob("tensorrt_rtx-decoder-*"))
    plan = decoder / "engine.plan"
    data = bytearray(plan.read_bytes())
    data[-1] ^= 1
    plan.write_bytes(data)
    status, output = run("engines", "list", cache=folder)
    assert (status, "has changed" in output) == (0, False), "list checks sizes only"
    status, output = run("engines", "verify", "--json", cache=folder)
    assert status == 1
    (damaged,) = [row for row in json.loads(output) if row["reason"]]
    assert damaged["reason"] == "engine.plan has changed since it was written"
    assert damaged["key"]["part"] == "decoder"
    status, output = run("engines", "prune", "--yes", cache=folder)
    assert status == 0
    assert "it is damaged: engine.plan has changed since it was written" in output
    assert "kB freed in" in output or "MB freed in" in output
    assert not decoder.exists()
    cards = cards_here()  # from the driver, from which they can't be hidden
    usable = 5 if not cards or any(card.startswith("8.9") for card in cards) else 3
    assert len(list(root(folder).iterdir())) == usable, "the rest is usable"
    status, output = run("engines", "prune", "--all", "--yes", cache=folder)
    assert status == 0
    assert list(root(folder).iterdir()) == []
    assert cache_inventory.entries(root(folder)) == []


def test_preset_with_engine_builds_no_denoiser(
    preset: Path, killed_and_resumed: tuple[Path, str, str], tmp_path: Path
) -> None:
    for part in ("encoder", "decoder"):  # exporting them again takes seconds
        for exported in (killed_and_resumed[0] / "copy").glob(f"onnx-{part}-*"):
            shutil.copytree(exported, root(tmp_path) / exported.name)
    plugged = tmp_path / "plugged.yaml"
    plugged.write_text(f"{preset.read_text()}engine: {tmp_path / 'unet.onnx'}\n")
    status, output = run("build", str(plugged), "--for", "8.9", cache=tmp_path)
    assert status == 0, output
    assert {"tensorrt_rtx-encoder", "tensorrt_rtx-decoder"} <= names(tmp_path)
    assert not {name for name in names(tmp_path) if "denoiser" in name}


def test_ctrl_c_leaves_nothing_half_written(preset: Path, tmp_path: Path) -> None:
    process = start("build", str(preset), "--for", "8.9", cache=tmp_path)
    builder = builder_of(process)
    until(lambda: any(root(tmp_path).glob(f"{cache_staging.STAGING_PREFIX}*")), process)
    os.kill(process.pid, signal.SIGINT)
    status, output = ended(process)
    assert status == 130
    assert "Cancelled. What is finished is kept" in output
    assert not builder.is_running()
    assert list(root(tmp_path).iterdir()) == []


def test_builder_ends_with_the_command(preset: Path, tmp_path: Path) -> None:
    process = start("build", str(preset), "--for", "8.9", cache=tmp_path)
    builder = builder_of(process)
    process.kill()
    process.wait()
    builder.wait(timeout=60)


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["--for", "٨.٩"], "--for takes a compute capability such as 8.9"),
        (["--for", "9"], "--for takes a compute capability such as 8.9; '9' was given"),
        (["--for", "8.9", "--accelerator", "openvino"], "--for works with tensorrt_rtx only, not with openvino"),
        (["--accelerator", "warp"], "not 'warp'"),
        (
            ["--precision", "fp4"],
            "a precision is one of auto, float32, float16, bfloat16, float16_sums, fp8, int8; 'fp4'",
        ),
    ],
)
def test_bad_options_are_refused_before_a_build(arguments: list[str], output: str) -> None:
    result = CliRunner().invoke(app, ["build", *arguments])
    assert isinstance(result.exception, StreamflowError)
    assert output in str(result.exception)


def test_unknown_card_lists_the_known_ones(tmp_path: Path) -> None:
    status, text = run("build", "--for", "9.9", cache=tmp_path)
    assert status == 1
    assert "TensorRT-RTX can't build for compute capability 9.9. It supports 7.5" in text
