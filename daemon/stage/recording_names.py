"""Names of recorded controls: the command line takes any path, a surface only names in the folder of the show."""

from pathlib import Path

import platformdirs

from daemon.stage.settings import Settings
from presets.control_file import SUFFIX
from presets.errors import ParameterRefused
from presets.paths import home_path
from presets.preset_names import is_device

_LONGEST = 120
"""Characters of the longest name."""
_FORBIDDEN = frozenset('/\\:*?"<>|')
"""Characters that lead to another folder, or that a file can't have on Windows."""


def controls_path(text: str) -> Path:
    """Return the path of a recording by its name or path; the end of its name may be left out."""
    return home_path(_with_suffix(text))


def recordings_folder(settings: Settings) -> Path:
    """Return the folder of the recordings that surfaces name, which need not exist.

    It is the one that the command line names, else that of the file which it records or plays, else the user's.
    """
    folder = settings.recordings
    if folder is None and settings.record_controls is not None:
        folder = settings.record_controls.parent
    if folder is None and settings.play_controls is not None:
        folder = settings.play_controls.path.parent
    if folder is None:
        folder = Path(platformdirs.user_data_dir("streamflow-live", appauthor=False)) / "recordings"
    return home_path(str(folder)).absolute()


def named_controls(folder: Path, text: str) -> Path:
    """Return the path that a surface means by a name, or by the whole path of a file in the folder. No disk is asked.

    Raises `ParameterRefused` for everything else: nothing from a network may write or read outside of the folder.
    """
    asked = Path(text)
    name = _with_suffix(asked.name if asked.parent == folder else text)
    is_name = len(name) <= _LONGEST and name.isprintable() and not _FORBIDDEN.intersection(name)
    if not is_name or name.startswith(".") or name != name.strip() or is_device(name.partition(".")[0].strip()):
        raise ParameterRefused(
            f"{text[:64]!r} can't be the name of a recording: give that of a file in {folder}. "
            "--recordings FOLDER chooses another folder"
        )
    return folder / name


def _with_suffix(text: str) -> str:
    return text if text.lower().endswith(SUFFIX) else f"{text}{SUFFIX}"
