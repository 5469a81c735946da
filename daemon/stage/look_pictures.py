"""`LookPictures`: a small picture of each preset, taken from what the show draws with it and kept on disk.

A picture belongs to the contents of a preset and to the model: another value, and the look gets another picture.
"""

import contextlib
import hashlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import platformdirs

from daemon.shared.clock import NS, Clock
from daemon.shared.threads import restart_on_crash
from daemon.stage.parameter_store import ParameterStore
from io_bridges.frames import RenderedFrame
from io_bridges.output_grade import apply_grade, output_grade
from io_bridges.web.small_pictures import LookPicture, small_jpeg
from presets.atomic_write import write_atomically
from presets.errors import PresetError
from presets.files import Preset
from presets.library import Library
from presets.parameter_table import snapshot

SETTLED = 2.0
"""Seconds that a look must be on air, after its morph, before its picture is taken."""

PERIOD = 0.5
"""Seconds between two looks at what is on air."""

LISTING = 2.0
"""Seconds between two looks at the presets."""

MOST_FILES = 1000
"""Most pictures on disk. The oldest of more are removed."""

MOST_BYTES = 64 * 1024
"""Largest picture that is read."""


FOLDER_VARIABLE = "STREAMFLOW_LIVE_LOOKS"
"""Environment variable that names another folder for the pictures."""


def default_folder() -> Path:
    """Return the folder of the pictures: that of the environment, or one in the cache of this platform."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path(platformdirs.user_cache_dir("streamflow-live")) / "looks"


class LookPictures:
    """Pictures of the presets of one show, taken on a thread of their own, which may wait for the disk.

    A look is pictured once each time it comes on air, and only while its values are those of the preset. The disk is a
    convenience: what can't be read or written is left out.
    """

    def __init__(self, library: Library, store: ParameterStore, clock: Clock, folder: Path | None = None) -> None:
        """Keep pictures in `folder`, by default in `default_folder`."""
        self.newest: RenderedFrame | None = None
        """Newest drawn picture; the stage sets it."""
        self._library = library
        self._store = store
        self._clock = clock
        self._folder = folder or default_folder()
        self._pictures: Mapping[str, LookPicture] = MappingProxyType({})
        self._keys: dict[str, str] = {}
        """Key of the picture that each preset has or lacks."""
        self._on_air = ("", -1)
        self._since = 0
        self._is_taken = False
        self._listed_at: int | None = None
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        work = restart_on_crash("pictures of looks", self._run, self._stopping.is_set)
        threading.Thread(target=work, name="look pictures", daemon=True).start()

    def stop(self) -> None:
        """Have the thread end. A disk that hangs does not keep the show from ending."""
        self._stopping.set()

    def pictures(self) -> Mapping[str, LookPicture]:
        """Return the picture of each preset that has one, by name. Any thread may call it."""
        return self._pictures

    def look(self) -> None:
        """Take the picture of the look on air if it is due, and read those of presets that are new or changed."""
        now = self._clock.now()
        state = self._store.standing()
        on_air = str(self._store.value("/preset")), state.look_revision
        if on_air != self._on_air:
            self._on_air, self._since, self._is_taken = on_air, now, False
        settled = SETTLED + self._store.snapshot()[1].morph_seconds
        frame = self.newest
        if (
            not self._is_taken
            and frame is not None
            and frame.revision >= state.look_revision
            and now - self._since >= settled * NS
            and self._store.is_as_loaded()
        ):
            self._is_taken = True
            self._take(on_air[0], frame)
        if self._listed_at is None or now - self._listed_at >= LISTING * NS:
            self._listed_at = now
            self._list()

    def _run(self) -> None:
        while not self._stopping.wait(PERIOD):
            self.look()

    def _take(self, name: str, frame: RenderedFrame) -> None:
        try:
            entry, preset = self._library.find(name)
        except PresetError:  # a path of the command line, or a file that is gone
            return
        look = snapshot(preset.addresses())
        shown = apply_grade(frame.host_pixels(), output_grade(look, 1.0))
        key, data = self._key(preset), small_jpeg(shown)
        self._keys[entry.name] = key
        version = hashlib.sha256(data).hexdigest()[:12]
        self._pictures = MappingProxyType({**self._pictures, entry.name: LookPicture(version, data)})
        with contextlib.suppress(OSError):
            write_atomically(self._folder / f"{key}.jpg", data)
            self._prune()

    def _list(self) -> None:
        """Read the picture of each preset whose contents are new, and forget those of presets that are gone."""
        entries = {entry.name: entry for entry in self._library.entries() if entry.preset is not None}
        pictures = {name: picture for name, picture in self._pictures.items() if name in entries}
        self._keys = {name: key for name, key in self._keys.items() if name in entries}
        for name, entry in entries.items():
            assert entry.preset is not None
            key = self._key(entry.preset)
            if self._keys.get(name) == key:
                continue
            self._keys[name] = key
            pictures.pop(name, None)
            data = _read(self._folder / f"{key}.jpg") or (_read(_shipped_picture(entry.path)) if entry.shipped else b"")
            if data:
                pictures[name] = LookPicture(hashlib.sha256(data).hexdigest()[:12], data)
        if pictures != self._pictures:
            self._pictures = MappingProxyType(pictures)

    def _key(self, preset: Preset) -> str:
        contents = repr((str(self._store.value("/model")), sorted(preset.values.items()), preset.numbers))
        return hashlib.sha256(contents.encode("utf-8", "replace")).hexdigest()[:32]

    def _prune(self) -> None:
        files = sorted(self._folder.glob("*.jpg"), key=lambda path: path.stat().st_mtime)
        for path in files[:-MOST_FILES]:
            path.unlink()


def _shipped_picture(preset: Path) -> Path:
    """Return the path of the picture that comes with a shipped preset."""
    return preset.parent / "pictures" / f"{preset.stem}.jpg"


def _read(path: Path) -> bytes:
    """Return a JPEG file, empty if there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError:
        return b""
    return data if data[:2] == b"\xff\xd8" and len(data) <= MOST_BYTES else b""
