"""The workflow of continuous integration: it parses, and its commands, files and Python versions exist."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
JOBS: dict[str, Any] = WORKFLOW["jobs"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def commands(job: str) -> list[str]:
    """Return the commands of a job, a line each."""
    return [line for step in JOBS[job]["steps"] for line in step.get("run", "").splitlines()]


def test_token_is_read_only() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not [name for name, job in JOBS.items() if "permissions" in job]


def test_actions_have_a_major_version() -> None:
    actions = [step["uses"] for job in JOBS.values() for step in job["steps"] if "uses" in step]
    assert actions
    assert not [action for action in actions if not re.fullmatch(r"actions/[\w-]+@v\d+", action)]


@pytest.mark.parametrize("job", JOBS)
def test_python_versions_are_supported(job: str) -> None:
    oldest = PROJECT["requires-python"].removeprefix(">=")
    versions = JOBS[job]["strategy"]["matrix"]["python"]
    assert oldest in versions
    assert min(versions, key=lambda version: [int(part) for part in version.split(".")]) == oldest


def test_linux_runs_the_one_command() -> None:
    assert commands("linux") == ["bash .ci/run"]
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").rstrip().endswith("make test")


def test_windows_runs_the_install_script() -> None:
    script = (ROOT / "install.ps1").read_text(encoding="utf-8")
    switches = re.findall(r"^    \[(?:switch|string)\]\$(\w+)", script, re.MULTILINE)
    calls = [line.split() for line in commands("windows") if "install.ps1" in line]
    assert len(calls) == 2
    for program, *arguments in calls:
        assert (ROOT / program).is_file()
        assert {each.removeprefix("-") for each in arguments if each.startswith("-")} <= set(switches)


def test_macos_runs_the_recipes_of_make() -> None:
    targets = ("$(INSTALLED)", "$(STAMP)", "check", "rival", "test-in-turn")
    wanted = [line for target in targets for line in recipe(target)]
    run = [line.removeprefix(".venv/bin/") for line in commands("macos") if line.startswith(".venv/bin/")]
    assert run == wanted


def recipe(target: str) -> list[str]:
    """Return the commands that a target of the Makefile runs from the environment, without options of no effect."""
    (lines,) = re.findall(rf"^{re.escape(target)}:.*\n((?:\t.+\n)+)", MAKEFILE, re.MULTILINE)
    plain = re.sub(r"OMP_NUM_THREADS=1 |--quiet |--disable-pip-version-check |--no-compile ", "", lines)
    return re.findall(r"^\t\$\(BIN\)/(.+)$", plain, re.MULTILINE)
