"""`PresetActions`: what ``/preset``, ``/next``, ``/previous``, ``/save`` and ``/undo_save`` do, by `PresetDisk`."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from daemon.stage import replies
from daemon.stage.preset_disk import DiskRequest, Finish, PresetDisk
from daemon.stage.preset_saver import LoadedPreset, PresetSaver
from daemon.stage.prompt_reading import PLACES
from io_bridges.show_control import ControlReply, Later
from presets.errors import ConfirmationNeeded, PresetError
from presets.library import Library
from presets.parameter_table import Value
from presets.preset_names import composed, shipped_files

if TYPE_CHECKING:
    from daemon.stage.parameter_store import ParameterStore

Refuse = Callable[[str, str, str, str], ControlReply]
"""Counts a refusal by address, sender, reason and sentence, and returns the reply to it."""


class PresetActions:
    """Loads and saves presets for a store. Any thread may call it, and none waits for a disk that hangs."""

    def __init__(self, store: "ParameterStore", library: Library, refuse: Refuse) -> None:
        self.disk = PresetDisk()
        self.saver = PresetSaver(library)
        self._store = store
        self._library = library
        self._refuse = refuse
        self._names: list[str] = []

    def acts(self) -> dict[str, Callable[[str, str, Later | None], ControlReply]]:
        """Return what each action does with its text, its sender and its later reply."""
        return {
            "/next": lambda _, sender, later: self._neighbour("/next", 1, sender, later),
            "/previous": lambda _, sender, later: self._neighbour("/previous", -1, sender, later),
            "/preset": lambda name, sender, later: self._load("/preset", lambda: name, {}, sender, later),
            "/save": self._save,
            "/undo_save": self._undo_save,
        }

    def names(self) -> list[str]:
        """Return the names of the presets that can be loaded, in order: the last known ones if the disk is slow."""

        def work() -> Finish:
            self._names = self._library.names()
            return lambda: ControlReply("/preset", True, None)

        request = DiskRequest(work, lambda sentence: ControlReply("/preset", False, None, sentence), "names")
        self.disk.ask("/preset", request, None)
        return self._names

    def recall(self, name: str, instead: Mapping[str, Value], sender: str, later: Later | None) -> ControlReply:
        """Load a preset as a cue does, with the values `instead` in place of its own. The lock lets it pass."""
        return self._load("/preset", lambda: name, instead, sender, later, is_planned=True)

    def texts(self, name: str | int) -> list[str]:
        """Return the texts of a preset, or of the one so many places after that on air. It waits for the disk.

        Raises `PresetError`.
        """
        if isinstance(name, int):
            name = self._library.neighbour(str(self._store.value("/preset")), name)
        values = self._library.recall(name)
        return [str(values[text]) for text in PLACES.values() if str(values[text]).strip()]

    def _neighbour(self, address: str, step: int, sender: str, later: Later | None) -> ControlReply:
        now = self._store.value
        return self._load(address, lambda: self._library.neighbour(str(now("/preset")), step), {}, sender, later)

    def _load(
        self,
        address: str,
        name: Callable[[], str],
        instead: Mapping[str, Value],
        sender: str,
        later: Later | None,
        is_planned: bool = False,
    ) -> ControlReply:
        panicked = self._store.standing().panic_revision

        def read() -> Finish:
            wanted = name()
            values = {**self._library.recall(wanted), **instead}
            if not is_planned:
                self._store.check_lock(wanted, values)
            return lambda: self._apply_loaded(address, wanted, values, panicked, sender, later)

        return self._ask(address, read, sender, later)

    def _apply_loaded(
        self, address: str, name: str, values: dict[str, Value], panicked: int, sender: str, later: Later | None
    ) -> ControlReply:
        if self._store.standing().panic_revision != panicked:
            return ControlReply(address, False, None, "dropped by /panic")
        return self._store.load(address, name, values, sender, later)

    def _save(self, name: str, sender: str, later: Later | None) -> ControlReply:
        name, values = composed(name), self._store.values_to_save()

        def write() -> Finish:
            before = self._store.loaded()
            note = self.saver.save(name, values, sender, before)
            loaded = LoadedPreset(name, {**values, "/preset": name})

            def finish() -> ControlReply:
                self._store.change({"/preset": name}, sender, "/save", loaded)
                return ControlReply("/save", True, None, note)

            return finish

        # A second request for a shipped name is a confirmation, and no repetition.
        key = (
            None
            if name.casefold() in {each.casefold() for each in shipped_files()}
            else ("/save", name, tuple(values.items()))
        )
        return self._ask("/save", write, sender, later, key, waits=False)

    def _undo_save(self, _: str, sender: str, later: Later | None) -> ControlReply:
        def write() -> Finish:
            saved, note = self.saver.undo()

            def finish() -> ControlReply:
                if self._store.value("/preset") == saved.name:
                    self._store.change({"/preset": saved.loaded.name}, sender, "/undo_save", saved.loaded)
                return ControlReply("/undo_save", True, None, note)

            return finish

        return self._ask("/undo_save", write, sender, later, waits=False)

    def _ask(
        self,
        address: str,
        work: Callable[[], Finish],
        sender: str,
        later: Later | None,
        key: object = None,
        waits: bool = True,
    ) -> ControlReply:
        """Have `work` done by the disk. Its errors are replies."""

        def refuse(sentence: str) -> ControlReply:
            return self._refuse(address, sender, f"{address}: a preset that can't be used", sentence)

        def careful() -> Finish:
            try:
                return work()
            except ConfirmationNeeded as error:
                asked = ControlReply(address, False, None, str(error), confirm=True)
                return lambda: asked
            except PresetError as error:
                problem = replies.first_line(str(error))
                return lambda: refuse(problem)

        return self.disk.ask(address, DiskRequest(careful, refuse, key), later, waits)
