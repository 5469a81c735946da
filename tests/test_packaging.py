"""Files of the wheel, the version, the changelog, the container and the service."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from setuptools import Distribution
from typer.main import get_command
from typer.testing import CliRunner

from daemon.__main__ import app
from daemon.doctor.accelerator_probe import CUDA_BUILDS, TORCH_RANGE

ROOT = Path(__file__).parent.parent
PACKAGES = ("benchmarks", "daemon", "io_bridges", "pipeline", "presets")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCKERFILE = (ROOT / "packaging" / "Dockerfile").read_text(encoding="utf-8")
UNIT = ROOT / "packaging" / "streamflow-live.service"

ONLY_IN_THE_REPOSITORY = {"benchmarks/README.md", "benchmarks/gpu_first_run.sh"}
"""Files of the packages that no command reads, besides the results of the bench."""


def test_wheel_has_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Setuptools would pack every file of the packages on the disk, and no test."""
    monkeypatch.chdir(ROOT)
    distribution = Distribution({"script_name": "setup.py"})
    distribution.parse_config_files(["pyproject.toml"])
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    packed = {Path(path).relative_to(command.build_lib).as_posix() for path in command.get_outputs(False)}  # type: ignore[attr-defined]
    there = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "results" not in path.parts
    }
    assert there - packed == ONLY_IN_THE_REPOSITORY
    assert packed - there == set()
    assert {path.partition("/")[0] for path in packed} == set(PACKAGES)


def test_changelog_has_the_version() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    released = [re.fullmatch(r"(\d+\.\d+\.\d+) - (20\d\d-\d\d-\d\d)", heading) for heading in headings[1:]]
    assert all(released), "a heading is VERSION - YYYY-MM-DD"
    versions = [Version(each[1]) for each in released if each]
    dates = [each[2] for each in released if each]
    assert versions == sorted(set(versions), reverse=True)
    assert dates == sorted(dates, reverse=True)
    unreleased = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("## Unreleased")[2].partition("\n## ")[0]
    version, newest = Version(PROJECT["version"]), versions[0] if versions else Version("0")
    assert version > newest if "- " in unreleased else version == newest


def test_version_stands_in_one_place() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"streamflow-live {PROJECT['version']}\n"
    wheel = f"streamflow_live-{PROJECT['version']}-py3-none-any.whl"
    assert set(re.findall(r"streamflow_live-[\w.-]+whl", (ROOT / "docs" / "install.md").read_text())) == {wheel}


def test_dockerfile_fits_the_project() -> None:
    torch = next(each for each in PROJECT["dependencies"] if each.startswith("torch"))
    assert f"'{torch}'" in DOCKERFILE
    assert Requirement(torch).specifier == Requirement(f"torch{TORCH_RANGE}").specifier
    (extras,) = re.findall(r"^ARG EXTRAS=(.+)$", DOCKERFILE, re.MULTILINE)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    builds = re.search(r"^# Build of torch: cpu, or (.+?)\.", DOCKERFILE, re.MULTILINE)
    assert builds
    assert set(re.findall(r"cu\d+", builds[1])) == {build.name for build in CUDA_BUILDS}
    (entry,) = re.findall(r'^ENTRYPOINT \["(.+)"\]$', DOCKERFILE, re.MULTILINE)
    assert entry in PROJECT["scripts"]
    (command,) = re.findall(r'^CMD \["(\w+)"\]$', DOCKERFILE, re.MULTILINE)
    assert command in get_command(app).commands  # type: ignore[attr-defined]
    ignored = (ROOT / "packaging" / "Dockerfile.dockerignore").read_text().splitlines()
    sent = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert all((ROOT / name).exists() for name in sent)
    assert {*PACKAGES, "pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]} <= set(sent), (
        "a wheel needs them"
    )


def test_service_starts_the_command(tmp_path: Path) -> None:
    (command,) = re.findall(r"^ExecStart=%h/\.local/bin/(\S+) (\w+) ", UNIT.read_text(), re.MULTILINE)
    assert command[0] in PROJECT["scripts"]
    assert command[1] in get_command(app).commands  # type: ignore[attr-defined]
    verifier = shutil.which("systemd-analyze")
    if verifier is None:
        pytest.skip("systemd-analyze is not here")
    (program := tmp_path / ".local" / "bin" / command[0]).parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    environment = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    command_line = [verifier, "--user", "verify", str(UNIT)]
    done = subprocess.run(command_line, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
