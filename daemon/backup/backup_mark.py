"""`BackupMark`: a file beside the state that says that a show has a backup, which its next start asks first."""

import logging
from pathlib import Path

from presets.atomic_write import write_atomically

log = logging.getLogger("stage.backup")


def mark_path(state: Path) -> Path:
    """Return the path of the mark beside a state file."""
    return state.with_name(state.name + ".backup")


def has_backup(state: Path | None) -> bool:
    """Return True if the last show with this state file had a backup."""
    try:
        return state is not None and mark_path(state).is_file()
    except OSError:
        return False


class BackupMark:
    """Writes and removes the mark of one show. For one thread, which may wait for the disk."""

    def __init__(self, state: Path | None, is_there: bool) -> None:
        """Keep the mark beside a state file; None keeps nothing. `is_there` is True if the last show left one."""
        self._path = None if state is None else mark_path(state)
        self._kept = "the last show's" if is_there else ""

    def keep(self, partner: str) -> None:
        """Note the name of the backup; an empty one removes the mark. A disk that fails is logged once."""
        if self._path is None or partner == self._kept:
            return
        self._kept = partner
        try:
            if partner:
                write_atomically(self._path, f"{partner}\n".encode())
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            log.error(
                "%s: it can't be written: %s. After a crash this show would go on air beside its backup for a moment.",
                self._path,
                error.strerror or error,
            )
