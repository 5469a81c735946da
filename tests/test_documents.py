"""Paths and modules that the documents name exist."""

import importlib.util
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = (".", "docs", "benchmarks")
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in FOLDERS
    for path in (ROOT / folder).glob("*.md")
    if path.name != "CHANGELOG.md"  # it names what was there
)
RIDDLE = re.compile(r"(?:^|[.!?] |\| |[*-] )(?:What|Whether|Who|Where|How|Of|As|Likewise|That)\b.*", re.MULTILINE)
"""A sentence whose subject has to be looked for. A verb or a noun goes first."""
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
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


@pytest.mark.parametrize("document", DOCUMENTS)
def test_sentences_open_plainly(document: str) -> None:
    text = BLOCK.sub("", (ROOT / document).read_text(encoding="utf-8"))
    assert not RIDDLE.findall(text)


def test_named_tests_exist() -> None:
    """The table of families names tests, and the folder of those that are not beside the others."""
    sources: dict[str, str] = defaultdict(str)
    for path in (ROOT / "tests").rglob("test_*.py"):
        sources[f"{path.parent.relative_to(ROOT).as_posix()}/"] += path.read_text(encoding="utf-8")
    text = (ROOT / "docs/families.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    assert len(named) > 10
    assert not [name for name in named if not any(f"def {name}(" in source for source in sources.values())]
    for row in re.findall(r"^\| .*`test_\w+`.*$", text, re.MULTILINE):
        for cell in row.split(" | "):
            folder = re.search(r"\(`(tests/[\w/]+)`\)", cell)
            here = sources[folder[1] if folder else "tests/pipeline/families/"]
            assert not [name for name in re.findall(r"`(test_\w+)`", cell) if f"def {name}(" not in here], cell
