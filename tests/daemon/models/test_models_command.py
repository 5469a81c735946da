"""``models list``, ``pull``, ``check`` as they are typed: processes of their own, with a hub on this machine."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner, Result

from daemon.__main__ import app
from daemon.models.pull import pull, pull_request
from io_bridges.clip import clip_info
from presets.model_catalogue import CATALOGUE
from tests.daemon.models.conftest import PERFLOW
from tests.daemon.models.hub_server import COMMIT, HubServer
from tests.daemon.show import until

UNET = "unet/diffusion_pytorch_model.safetensors"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["models", *map(str, arguments)], env={"COLUMNS": "250"})


def command(hub: HubServer, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Start the command line as a user does, whose environment says nothing of offline."""
    hidden = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    variables = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.Popen(
        [sys.executable, "-m", "daemon", *map(str, arguments)],
        env=variables | {"HF_ENDPOINT": hub.url, "COLUMNS": "250"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def done(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, error = process.communicate(timeout=110)
    return process.returncode, out, error


def a_picture(folder: Path) -> Path:
    path = folder / "picture.png"
    assert cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))
    return path


def pulled(store: Path) -> Path:
    return pull(pull_request("perflow-sd15"), store, lambda text: None, lambda count: None, lambda count: None)


def test_pulled_model_is_rendered(hub: HubServer, store: Path, tmp_path: Path) -> None:
    """A name in a preset, a pull, a picture."""
    look, picture = tmp_path / "look.yaml", a_picture(tmp_path)
    look.write_text("model: perflow-sd15\nwidth: 64\nheight: 64\nsteps: 4\naccelerator: eager\nprompt: ice\n")
    status, out, error = done(command(hub, "models", "pull", "perflow-sd15"))
    assert status == 0, error
    assert "Licence: CC BY-NC 4.0. Paid show: no." in out
    assert "Play it by this line of a preset: model: perflow-sd15" in out
    assert f"{PERFLOW} at commit {COMMIT[:12]}" in error
    assert "HF_HUB" not in error
    status, out, error = done(command(hub, "render", picture, tmp_path / "out.png", "--preset", look))
    assert status == 0, error
    assert (clip_info(tmp_path / "out.png").width, clip_info(tmp_path / "out.png").height) == (64, 64)


def test_unpulled_model_is_refused(hub: HubServer, store: Path, tmp_path: Path) -> None:
    look, picture = tmp_path / "look.yaml", a_picture(tmp_path)
    look.write_text("model: perflow-sd15\n")
    status, _, error = done(command(hub, "render", picture, tmp_path / "out.png", "--preset", look))
    assert status == 2
    assert "Get it by: streamflow-live models pull perflow-sd15" in error
    assert not (tmp_path / "out.png").exists()


def test_killed_pull_continues(hub: HubServer, store: Path, repositories: dict[str, Path]) -> None:
    """SIGKILL in the middle of a large file: no model is there, and the next pull fetches the rest alone."""
    large = repositories[PERFLOW] / UNET  # huggingface_hub writes 10 MB at once
    save_file(load_file(large) | {"padding": np.zeros(30_000_000, np.uint8)}, large, metadata={"format": "pt"})
    hub.faults.hold, hub.faults.held = threading.Event(), UNET
    process = command(hub, "models", "pull", "perflow-sd15")
    until(lambda: any(part.stat().st_size > 9_000_000 for part in store.rglob("*.part")) or process.poll() is not None)
    process.kill()
    process.communicate()
    assert process.returncode not in (0, 1, 2)
    assert "perflow-sd15" not in [path.name for path in store.iterdir()]
    hub.faults.hold = None
    hub.seen.clear()
    status, _, error = done(command(hub, "models", "pull", "perflow-sd15"))
    assert status == 0, error
    assert any(each.range for each in hub.seen if each.path.startswith("/large/")), hub.seen
    assert run("check", "perflow-sd15").exit_code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent to a whole group there")
def test_cancelled_pull_is_said(hub: HubServer, store: Path) -> None:
    hub.faults.hold = threading.Event()
    process = command(hub, "models", "pull", "perflow-sd15")
    until(lambda: any(path.startswith("/large/") for path in hub.paths()) or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    status, _, error = done(process)
    assert status == 130
    assert "Cancelled. What came is kept" in error
    assert "Traceback" not in error


def test_full_disk_is_a_sentence(hub: HubServer, store: Path) -> None:
    """A limit on the size of files refuses a write as a full disk does."""
    resource = pytest.importorskip("resource")
    process = subprocess.run(
        [sys.executable, "-m", "daemon", "models", "pull", "perflow-sd15"],
        env={name: value for name, value in os.environ.items() if "OFFLINE" not in name} | {"HF_ENDPOINT": hub.url},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert process.returncode == 2, process.stderr
    assert "The disk is full" in process.stderr
    assert "Traceback" not in process.stderr


def test_offline_of_the_user_is_obeyed(hub: HubServer, store: Path) -> None:
    status, _, error = done(command(hub, "models", "pull", "sd-turbo", HF_HUB_OFFLINE="1"))
    assert status == 2
    assert "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set" in error
    assert hub.seen == []


def test_check_names_what_has_changed(hub: HubServer, store: Path) -> None:
    folder = pulled(store)
    good = run("check", "perflow-sd15")
    assert good.exit_code == 0, good.output
    for text in ("unet: UNet2DConditionModel", "vae: AutoencoderKL", "vae_tiny: AutoencoderTiny",
                 "licence: CC BY-NC 4.0; paid show: no",
                 "can be played, as Stable Diffusion, with autoencoder: tiny or full", " GB of memory (",
                 f"model from {PERFLOW} at {COMMIT[:12]}"):  # fmt: skip
        assert text in good.stdout
    weights = folder / UNET
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert f"{UNET} has changed: its SHA-256 is not the recorded one." in run("check", folder).stderr
    weights.write_bytes(whole[:-50])
    broken = run("check", folder)
    assert broken.exit_code == 1
    assert f"{UNET} has {len(whole) - 50} bytes; {len(whole)} were recorded." in broken.stderr
    assert f"{UNET} is cut off or damaged" in broken.stderr
    weights.unlink()
    (folder / "unet" / "extra.bin").write_bytes(b"")
    broken = run("check", "perflow-sd15")
    assert f"{UNET} is missing." in broken.stderr
    assert "unet/extra.bin is not in the record." in broken.stderr


def test_check_takes_any_folder(perflow_folder: Path, store: Path, tmp_path: Path) -> None:
    result = run("check", perflow_folder)
    assert result.exit_code == 0, result.output
    assert "no record" in result.stdout
    assert "can be played" in result.stdout
    assert run("check", "shipped").exit_code == 0
    (tmp_path / "empty").mkdir()
    empty = run("check", tmp_path / "empty")
    assert empty.exit_code == 1
    assert "model_index.json can't be read" in empty.stderr


def test_list_shows_catalogue_and_disk(hub: HubServer, store: Path, perflow_folder: Path) -> None:
    hub.repositories["someone/other"] = perflow_folder
    pulled(store)
    pull(pull_request("someone/other"), store, lambda text: None, lambda count: None, lambda count: None)
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert [*CATALOGUE] == [name for name in rows if name in CATALOGUE]
    assert rows["perflow-sd15"]["folder"] == str(store / "perflow-sd15")
    assert rows["perflow-sd15"]["reason"] == ""
    assert rows["perflow-sd15"]["bytes"] > 10_000
    assert rows["someone/other"]["hub_id"] == "someone/other"
    assert rows["someone/other"]["licence"] == "cc0-1.0"
    assert rows["sd-turbo"]["folder"] == ""
    kinds = {name: rows[name]["autoencoders"] for name in ("perflow-sd15", "someone/other", "sd-turbo", "flux2-klein")}
    assert kinds == dict(zip(kinds, ("tiny, full", "tiny", "tiny, full", "full"), strict=True))
    text = run("list").stdout
    for row in CATALOGUE.values():
        assert row.name in text
        assert row.licence.text in text
    assert str(store) in text


def test_list_shows_damage(hub: HubServer, store: Path) -> None:
    (pulled(store) / UNET).unlink()
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert "is missing" in rows["perflow-sd15"]["reason"]


@pytest.mark.parametrize("name", ["no-such-model", "../up"])
def test_pull_of_no_name(store: Path, name: str) -> None:
    result = run("pull", name)
    assert result.exit_code != 0
    assert "is no name of the catalogue and no hub id" in str(result.exception)
