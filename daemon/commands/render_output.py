"""Output file of ``render``: refused before the model loads, written aside, moved into place when whole."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from daemon.shared.scratch_folder import scratch_folder
from presets.errors import BridgeError, SettingsError


def check_output(source: Path, output: Path, overwrite: bool) -> None:
    """Raise `SettingsError` if `output` must not be written.

    That is the input under any name (a link, another case on a file system that ignores case), anything that is no
    plain file, a file that exists if not `overwrite`, or a file in a missing folder.
    """
    try:
        is_source = source.samefile(output)
    except OSError:  # one of them does not exist
        is_source = False
    if is_source:
        raise SettingsError(f"{output} is the input itself, and would be lost: name another output")
    target = Path(os.path.realpath(output))
    if target.exists() and not target.is_file():
        raise SettingsError(f"{output} is not a plain file: name another output")
    if target.exists() and not overwrite:
        raise SettingsError(f"{output} exists already: give --overwrite to replace it")
    if not target.parent.is_dir():
        raise SettingsError(f"the folder {target.parent} does not exist: make it, or name another output")


@contextmanager
def replace_when_whole(output: Path) -> Iterator[Path]:
    """Yield a path to write to, on the same disk; move the file to `output` when the block ends without an error.

    `output` stays as it was after an error. A link is written through. Raises `BridgeError` with the path of `output`.
    """
    target = Path(os.path.realpath(output))
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch_folder(target.parent))
        except OSError as error:
            raise _unwritable(output, error) from error
        aside = folder / output.name
        try:
            yield aside
        except (BridgeError, SettingsError) as error:
            raise type(error)(str(error).replace(str(aside), str(output))) from error
        try:
            with aside.open("r+b") as file:
                os.fsync(file.fileno())
            aside.replace(target)
        except OSError as error:
            raise _unwritable(output, error) from error


def _unwritable(output: Path, error: OSError) -> BridgeError:
    return BridgeError(f"Cannot write {output}: {error.strerror or error}")
