"""`ForeignFunction`: a function of the user's file, called with care. Every way in which it fails is one sentence."""

import linecache
import sys
import traceback
import types
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from presets.errors import ProcessorError

LONGEST_PROBLEM = 300
"""Most characters of a sentence about a failure."""

_MODULE = "streamflow_processor"


class ForeignFunction:
    """One function of a file. The file is run once, when this is made."""

    def __init__(self, path: str, source: str, moment: str) -> None:
        """Run the file from its text. Raises `ProcessorError` with file, line and problem if it fails."""
        self._path = path
        self._moment = moment
        # Tracebacks quote the text that runs, which may be older than the file.
        linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
        sys.path.append(str(Path(path).parent))
        module = types.ModuleType(_MODULE)
        module.__file__ = path
        sys.modules[_MODULE] = module  # dataclasses and pickle look their module up
        try:
            exec(compile(source, path, "exec"), module.__dict__)
            self._function = getattr(module, moment)
        except BaseException as error:  # noqa: BLE001 - it is not this program's code
            self._fail(error)

    def call(self, picture: NDArray[np.uint8], values: dict[str, float]) -> NDArray[np.uint8]:
        """Return the function's picture, of the shape of `picture`. Raises `ProcessorError`."""
        try:
            result = self._function(picture, **values)
        except BaseException as error:  # noqa: BLE001 - it is not this program's code
            self._fail(error)
        if isinstance(result, np.ndarray) and result.dtype == np.uint8 and result.shape == picture.shape:
            return result
        expected = f"uint8 {list(picture.shape)} is expected"
        raise ProcessorError(f"{Path(self._path).name}: {self._moment} returned {_kind(result)}; {expected}")

    def _fail(self, error: BaseException) -> NoReturn:
        lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if _file(frame) == self._path]
        if isinstance(error, SyntaxError) and error.filename == self._path:
            lines = [error.lineno or 1]
        place = f"{Path(self._path).name}:{lines[-1]}" if lines else Path(self._path).name
        raise ProcessorError(one_line(f"{place}: {_sentence(error)}")) from None


def place_in(path: str, thread: int | None) -> str:
    """Return ``file:line in function`` for the line of the file that a thread is at; empty if it is elsewhere."""
    frame = sys._current_frames().get(thread or 0)
    while frame is not None and _file(frame) != path:
        frame = frame.f_back
    return "" if frame is None else one_line(f"{Path(path).name}:{frame.f_lineno} in {frame.f_code.co_name}")


def one_line(text: str) -> str:
    """Return the text on one line, cut, without control characters."""
    return "".join(each if each.isprintable() else " " for each in text[:LONGEST_PROBLEM])


def _file(frame: types.FrameType) -> str:
    return frame.f_code.co_filename


def _sentence(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "it called sys.exit"
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - an exception of the file's own may fail here too
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _kind(result: Any) -> str:
    if result is None:
        return "nothing"
    return f"{result.dtype} {list(result.shape)}" if isinstance(result, np.ndarray) else type(result).__name__
