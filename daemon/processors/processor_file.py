"""`ProcessorFile`: a processor as its file declares it. The file is parsed here and runs in a child process alone.

A file has ``before`` or ``after`` or both, functions of a picture and of numbers that ``PARAMETERS`` declares:

    PARAMETERS = {"amount": (0.0, 1.0, 0.5, "how much")}

    def before(frame, amount): ...
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from presets.coercion import as_number
from presets.errors import ParameterRefused, ProcessorError
from presets.processor_parameters import NAME_PATTERN, PROCESSOR_VALUES

Moment = Literal["before", "after"]
"""Time at which a function gets pictures: before they are drawn, or after."""

MOMENTS: tuple[Moment, ...] = ("before", "after")

MOST_BYTES = 256 * 1024
"""Largest file that is read."""

_DECLARED = "PARAMETERS"
_FORM = '{"amount": (0.0, 1.0, 0.5, "how much")}: lowest, highest and first value, and a description'


class ProcessorNumber(NamedTuple):
    """One number that a processor takes. It is whole if the three that declare it are."""

    name: str
    minimum: float
    maximum: float
    first: float
    description: str
    is_whole: bool

    def value(self, share: float) -> float:
        """Return the number at a share of the range, 0 to 1."""
        value = self.minimum + (self.maximum - self.minimum) * share
        return round(value) if self.is_whole else value

    def share(self, value: object) -> float:
        """Return the share of the range at a number, which is clamped. Raises `ParameterRefused` for anything else."""
        number = min(max(as_number(value), self.minimum), self.maximum)
        return (number - self.minimum) / (self.maximum - self.minimum)


@dataclass(frozen=True, slots=True)
class ProcessorFile:
    """Contents of a file that can be tried."""

    name: str
    path: Path
    source: str
    description: str
    numbers: tuple[ProcessorNumber, ...]
    functions: Mapping[Moment, tuple[str, ...]]
    """Names of the numbers that a function takes, by its moment."""

    def arguments(self, moment: Moment, shares: tuple[float, ...]) -> dict[str, float]:
        """Return the numbers that a function gets, from their shares in the order of the declaration."""
        taken = self.functions[moment]
        pairs = zip(self.numbers, shares, strict=False)
        return {number.name: number.value(share) for number, share in pairs if number.name in taken}


def is_name(text: str) -> bool:
    """Return True if a processor may have this name."""
    return bool(text) and re.fullmatch(NAME_PATTERN, text) is not None


def read_processor(path: Path) -> ProcessorFile:
    """Read the file of a processor without running it. Raises `ProcessorError` with path, line and problem."""
    try:
        if not path.is_file():  # a pipe would block
            raise ProcessorError(f"{path}: not a plain file")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ProcessorError(f"{path}: larger than {MOST_BYTES // 1024} KiB")
        source = data.decode("utf-8-sig")
        tree = ast.parse(source, str(path))
        compile(tree, str(path), "exec")
    except OSError as error:
        raise ProcessorError(f"{path}: it can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ProcessorError(f"{path}:{data[: error.start].count(10) + 1}: not text in UTF-8") from error
    except SyntaxError as error:
        raise ProcessorError(f"{path}:{error.lineno or 1}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ProcessorError(f"{path}: it can't be parsed: {type(error).__name__} {error}") from error
    numbers = _numbers(path, tree)
    return ProcessorFile(
        path.stem, path, source, (ast.get_docstring(tree) or "")[:1000], numbers, _functions(path, tree, numbers)
    )


def _numbers(path: Path, tree: ast.Module) -> tuple[ProcessorNumber, ...]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == _DECLARED for target in targets):
            try:
                declared = ast.literal_eval(getattr(node, "value", None) or ast.Constant(None))
            except (ValueError, TypeError, SyntaxError, RecursionError):
                declared = None
            if not isinstance(declared, dict):
                raise ProcessorError(f"{path}:{node.lineno}: {_DECLARED} must be as in {_FORM}")
            if len(declared) > PROCESSOR_VALUES:
                raise ProcessorError(
                    f"{path}:{node.lineno}: {_DECLARED} has {len(declared)} entries; {PROCESSOR_VALUES} are supported"
                )
            return tuple(_number(f"{path}:{node.lineno}", name, entry) for name, entry in declared.items())
    return ()


def _number(place: str, name: Any, entry: Any) -> ProcessorNumber:
    if not isinstance(name, str) or not name.isidentifier() or name in ("frame", "active", "name"):
        raise ProcessorError(f"{place}: {name!r:.40} can't be the name of a number")
    try:
        minimum, maximum, first, *description = entry
        low, high, start = (as_number(each) for each in (minimum, maximum, first))
    except (TypeError, ValueError, ParameterRefused) as error:
        raise ProcessorError(f"{place}: {name} must be as in {_FORM}") from error
    if not low <= start <= high or low == high or len(description) > 1 or isinstance(entry, str):
        raise ProcessorError(f"{place}: {name} must be as in {_FORM}")
    is_whole = all(type(each) is int for each in (minimum, maximum, first))
    return ProcessorNumber(name, low, high, start, str(*description)[:200], is_whole)


def _functions(path: Path, tree: ast.Module, numbers: tuple[ProcessorNumber, ...]) -> dict[Moment, tuple[str, ...]]:
    known = {number.name for number in numbers}
    found: dict[Moment, tuple[str, ...]] = {}
    for node in tree.body:
        moment = next((each for each in MOMENTS if isinstance(node, ast.FunctionDef) and node.name == each), None)
        if moment is None or not isinstance(node, ast.FunctionDef):
            continue
        names = tuple(each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs))[1:]
        if not (node.args.posonlyargs or node.args.args):
            raise ProcessorError(f"{path}:{node.lineno}: {moment} must take a picture: def {moment}(frame, …)")
        if unknown := [name for name in names if name not in known]:
            raise ProcessorError(f"{path}:{node.lineno}: {moment} takes {unknown[0]!r}, which {_DECLARED} lacks")
        found[moment] = names
    if not found:
        raise ProcessorError(f"{path}:1: neither before(frame) nor after(frame) is defined")
    return found
