"""``install.ps1`` agrees with the Makefile, with ``pyproject.toml`` and with the doctor. It runs on Windows only."""

import re
import tomllib
from pathlib import Path

from daemon.doctor.accelerator_probe import CUDA_BUILDS, TORCH_RANGE

ROOT = Path(__file__).parent.parent
SCRIPT = (ROOT / "install.ps1").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(PYPROJECT)["project"]


def extras(name: str) -> set[str]:
    """Return the extras in a variable of the script."""
    (listed,) = re.findall(rf"^\${name} = '([\w,-]+)'$", SCRIPT, re.MULTILINE)
    return set(listed.split(","))


def requirement(variable: str) -> str:
    """Return the text that the script reads out of ``pyproject.toml`` for a variable."""
    (pattern,) = re.findall(rf"^\${variable} = Get-Requirement '(.+)'$", SCRIPT, re.MULTILINE)
    (found,) = re.findall(pattern, PYPROJECT)
    return str(found)


def recipe(target: str) -> list[str]:
    """Return the commands of a target of the Makefile, without its variables."""
    (lines,) = re.findall(rf"^{target}:.*\n((?:\t.+\n)+)", MAKEFILE, re.MULTILINE)
    return [re.sub(r"^(OMP_NUM_THREADS=1 )?\$\(BIN\)/", "", line.strip()) for line in lines.splitlines()]


def test_extras_match_the_makefile() -> None:
    (listed,) = re.findall(r"'\.\[([\w,-]+)\]'", MAKEFILE)
    assert extras("TestExtras") - {"spout"} == set(listed.split(",")) - {"syphon"}
    assert extras("Extras") == extras("TestExtras") - {"test", "check"}
    assert extras("TestExtras") <= set(PROJECT["optional-dependencies"])


def test_requirements_come_from_pyproject() -> None:
    assert f">={requirement('minimum')}" == PROJECT["requires-python"]
    assert requirement("torch") == TORCH_RANGE
    assert f"({requirement('minimum').replace('.', ', ')})" in MAKEFILE


def test_checks_match_the_makefile() -> None:
    (listed,) = re.findall(r"^\$Checks = @\((.*?)^\)", SCRIPT, re.MULTILINE | re.DOTALL)
    assert re.findall(r"'(.+)'", listed) == recipe("check") + recipe("rival") + recipe("test-in-turn")


def test_cuda_builds_match_the_doctor() -> None:
    row = r"Name = '(\w+)'; Driver = '([\d.]+)'; Oldest = '([\d.]+)'; Newest = '([\d.]+)'"
    builds = [(name, *(tuple(map(int, each.split("."))) for each in rest)) for name, *rest in re.findall(row, SCRIPT)]
    assert builds == [tuple(build) for build in CUDA_BUILDS]


def test_script_is_ascii() -> None:
    # Windows PowerShell 5.1 reads a file without a byte order mark in the code page of the machine.
    assert SCRIPT.isascii()


def test_cuda_version_of_nvidia_smi() -> None:
    (pattern,) = re.findall(r"'(CUDA\(.+)'\)", SCRIPT)
    for header, version in (
        ("| NVIDIA-SMI 580.95.05   Driver Version: 580.95.05   CUDA Version: 13.0     |", "13.0"),
        ("| NVIDIA-SMI 610.57.04   KMD Version: 610.57.04   CUDA UMD Version: 13.3     |", "13.3"),
    ):
        assert re.findall(pattern, header) == [version]
