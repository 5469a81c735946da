"""`ProcessorShow`: a show whose processors are controlled by their names too, as in ``/processor/mirror/amount``.

A message to a name is one to the place that holds the processor, with the number as a share of its range. A name never
is a path: it is looked up among the files of the folder.
"""

from collections.abc import Callable, Sequence

from daemon.processors.processor_file import ProcessorFile
from daemon.processors.processor_folder import ProcessorFolder
from daemon.stage.show_wrapper import ShowWrapper
from io_bridges.show_control import ControlReply, Later, ShowControl
from presets.coercion import as_bool
from presets.declaration import NORM
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, Value
from presets.processor_parameters import PROCESSORS

PREFIX = "/processor/"

Apply = Callable[[str, Sequence[object]], ControlReply]


class ProcessorShow(ShowWrapper):
    """Implements `io_bridges.show_control.ShowControl` around a show. Every method may be called from any thread."""

    def __init__(self, show: ShowControl, value: Callable[[str], Value], folder: ProcessorFolder) -> None:
        """Wrap a show. `value` returns the wanted value of a parameter by its address."""
        super().__init__(show)
        self._value = value
        self._folder = folder

    def apply(self, address: str, arguments: Sequence[object], sender: str, later: Later | None = None) -> ControlReply:
        """Apply a message. One to a processor's name goes to its place; one that names another sets its numbers."""
        if not address.startswith(PREFIX):
            return self._show.apply(address, arguments, sender, later)

        def apply(to: str, values: Sequence[object]) -> ControlReply:
            return self._show.apply(to, values, sender, later)

        name, _, field = address.removeprefix(PREFIX).partition("/")
        if name.isdecimal():
            reply = apply(address, arguments)
            if reply.accepted and address in PARAMETERS and field == "name":
                self._set_first_values(str(reply.value), int(name), apply)
            return reply
        file = self._folder.files.get(name)
        if file is None:
            return self._refuse(address, sender, self._folder.missing(name[:64]))
        try:
            return self._named(address, file, field, arguments, apply)
        except ParameterRefused as refusal:
            return self._refuse(address, sender, str(refusal))

    def _named(
        self, address: str, file: ProcessorFile, field: str, arguments: Sequence[object], apply: Apply
    ) -> ControlReply:
        place = next((each for each in _places() if self._value(f"{PREFIX}{each}/name") == file.name), None)
        raw = arguments[0] if len(arguments) == 1 else None
        if field == "active":
            return self._switch(address, file, place, as_bool(raw), apply)
        names = [number.name for number in file.numbers]
        number_name, _, end = field.partition("/")
        if number_name not in names or end not in ("", NORM[1:]):
            known = ", ".join(("active", *names))
            raise ParameterRefused(f"{file.name} has no {field[:40]!r}; it has {known}")
        if place is None:
            raise ParameterRefused(f"{file.name} is in no place; {PREFIX}{file.name}/active 1 puts it in one")
        number = file.numbers[names.index(number_name)]
        to = f"{PREFIX}{place}/value{names.index(number_name) + 1}"
        reply = apply(to, [raw] if end else [number.share(raw)])
        taken = None if reply.value is None else number.value(float(reply.value))
        return reply._replace(address=address, value=float(reply.value or 0.0) if end else taken)

    def _switch(
        self, address: str, file: ProcessorFile, place: int | None, is_active: bool, apply: Apply
    ) -> ControlReply:
        """Activate a processor, in the first empty place if it is in none, or let pictures pass by it."""
        if place is None:
            if not is_active:
                return ControlReply(address, True, False, f"{file.name} is in no place")
            place = next((each for each in _places() if not self._value(f"{PREFIX}{each}/name")), None)
            if place is None:
                raise ParameterRefused(f"all {PROCESSORS} places are taken; empty one, such as {PREFIX}1/name")
            reply = apply(f"{PREFIX}{place}/name", [file.name])
            if not reply.accepted:
                return reply._replace(address=address)
            self._set_first_values(file.name, place, apply)
        return apply(f"{PREFIX}{place}/active", [is_active])._replace(address=address)

    def _set_first_values(self, name: str, place: int, apply: Apply) -> None:
        """Set the numbers of a processor that was put into a place to their first values."""
        file = self._folder.files.get(name)
        for number, declared in enumerate(file.numbers if file else (), 1):
            apply(f"{PREFIX}{place}/value{number}", [declared.share(declared.first)])

    def _refuse(self, address: str, sender: str, sentence: str) -> ControlReply:
        self._show.refused(sender, f"{PREFIX}: {sentence}")
        return ControlReply(address, False, None, sentence)


def _places() -> range:
    return range(1, PROCESSORS + 1)
