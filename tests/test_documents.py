"""Paths and modules that the documents name exist."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/accelerators.md",
    "docs/adapters.md",
    "docs/coming-from-streamdiffusion.md",
    "docs/connections.md",
    "docs/control.md",
    "docs/controlnet.md",
    "docs/families.md",
    "docs/ip-adapter.md",
    "docs/midi.md",
    "docs/dmx.md",
    "docs/models.md",
    "docs/movement.md",
    "docs/performance.md",
    "docs/processors.md",
    "docs/programs.md",
    "docs/recorded-controls.md",
    "docs/security.md",
    "docs/shared-memory.md",
    "docs/surfaces.md",
    "benchmarks/README.md",
)
PATH = re.compile(r"`((?:benchmarks|daemon|docs|io_bridges|pipeline|presets|tests)/[\w./-]*)`")
MODULE = re.compile(r"`((?:benchmarks|daemon|io_bridges|pipeline|presets)(?:\.\w+)+)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def module_exists(name: str) -> bool:
    """Return True if a name is a module, or an attribute of one."""
    parent, _, last = name.rpartition(".")
    try:
        if importlib.util.find_spec(name) is not None:
            return True
    except ModuleNotFoundError:
        pass
    spec = importlib.util.find_spec(parent)
    if spec is None or spec.origin is None:
        return False
    return re.search(rf"\b{last}\b", Path(spec.origin).read_text(encoding="utf-8")) is not None


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_paths_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    missing = [path for path in PATH.findall(text) if not (ROOT / path).exists()]
    missing += [link for link in LINK.findall(text) if not (ROOT / document).parent.joinpath(link).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_modules_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    assert not [name for name in MODULE.findall(text) if not module_exists(name)]


def test_named_tests_exist() -> None:
    """The table of families names tests."""
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/families.md").read_text(encoding="utf-8")))
    assert len(named) > 10
    assert not [name for name in named if f"def {name}(" not in sources]
