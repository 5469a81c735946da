"""Rules for the code itself: plain docstrings, one meaning for each class name, short functions and modules."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("benchmarks", "daemon", "io_bridges", "pipeline", "presets")

RIDDLE = re.compile(r"(What|Whether|Who|Whose|Where|How|Which|When|Why|Of|As|That|Likewise|The same)\b")
"""Openings of a docstring that has to be solved; a verb or a noun goes first."""

LONGEST_FUNCTION = 50
LONGEST_MODULE = 250
SHORTEST_MODULE = 40
SHORT_MODULES = 10

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def trees() -> dict[str, ast.Module]:
    """Return every module of the product, parsed, by path."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each docstring, those under attributes too."""
    for node in ast.walk(tree):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text
        body = getattr(node, "body", None)
        for before, after in pairwise(body) if isinstance(body, list) else ():
            if isinstance(before, ast.Assign | ast.AnnAssign) and isinstance(after, ast.Expr):
                value = after.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield after.lineno, value.value


def body_length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
    return (function.end_lineno or body[0].lineno) - body[0].lineno + 1


def lines(path: str) -> int:
    """Return the lines of a module."""
    return (ROOT / path).read_text(encoding="utf-8").count("\n")


def test_docstrings_open_plainly() -> None:
    found = [(path, *docstring) for path, tree in trees().items() for docstring in docstrings(tree)]
    riddles = [f"{path}:{line} {text.splitlines()[0]}" for path, line, text in found if RIDDLE.match(text.strip())]
    assert len(found) > 1000
    report = "\n".join(riddles)
    assert len(riddles) < len(found) / 100, f"{len(riddles)} of {len(found)} docstrings open with a riddle:\n{report}"


def test_names_and_comments_open_plainly() -> None:
    """Tests and comments have the same rule, in tests too."""
    words = "What|Whether|Who|Where|How|Of|As|Likewise|That"
    riddle = re.compile(rf"def test_(?:{words.lower()})_.*|(?:^|  )# (?:{words})\b.*", re.MULTILINE)
    paths = [path for folder in (*PACKAGES, "tests") for path in (ROOT / folder).rglob("*.py")]
    found = {path.name: riddle.findall(path.read_text(encoding="utf-8")) for path in paths}
    assert not {name: lines for name, lines in found.items() if lines}


def test_class_names_are_unique() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(path)
    twice = {name: paths for name, paths in homes.items() if len(paths) > 1}
    assert not twice, "One class name has one meaning: " + str(twice)


def test_functions_are_short() -> None:
    long = [
        f"{path}:{node.lineno} {node.name} has {body_length(node)} lines"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_length(node) > LONGEST_FUNCTION
    ]
    assert not long, "\n".join(long)


def test_modules_are_short() -> None:
    long = {path: lines(path) for path in trees() if lines(path) > LONGEST_MODULE}
    assert not long, f"Split by purpose: {long}"


def test_few_modules_are_tiny() -> None:
    named = [path for path in trees() if not path.endswith(("__init__.py", "__main__.py"))]
    tiny = {path: lines(path) for path in named if lines(path) < SHORTEST_MODULE}
    assert len(tiny) <= SHORT_MODULES, f"Merge with a neighbour: {tiny}"


def test_daemon_has_no_loose_modules() -> None:
    assert {path.name for path in (ROOT / "daemon").glob("*.py")} == {"__init__.py", "__main__.py"}


def test_packages_say_their_job() -> None:
    silent = [path for path, tree in trees().items() if path.endswith("__init__.py") and not ast.get_docstring(tree)]
    assert not silent, silent


def test_packages_name_their_face() -> None:
    """``__all__`` has every module that a package outside imports: its face."""
    homes = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in trees()}
    missing: dict[str, set[str]] = defaultdict(set)
    for path, tree in trees().items():
        room = f"{Path(path).parent.as_posix().replace('/', '.')}."
        for module in imported_modules(tree):
            package, _, name = module.rpartition(".")
            if module in homes and package in homes and not room.startswith(f"{package}."):
                missing[package].add(name)
    for package in missing:
        missing[package] -= public_names(trees()[homes[package]])
    assert not {package: names for package, names in missing.items() if names}


def imported_modules(tree: ast.Module) -> Iterator[str]:
    """Yield the full name of everything that a module imports, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def public_names(tree: ast.Module) -> set[str]:
    """Return the names in a package's ``__all__``."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()
