"""`PairedShow`: a show that refuses messages while the other one of two is on air, and passes the outputs on."""

from collections.abc import Sequence

from daemon.backup.pair import RELEASE, TAKE, Pair
from daemon.stage.message_reading import read_message
from daemon.stage.notices import as_json
from daemon.stage.replies import action_text
from daemon.stage.show_wrapper import ShowWrapper
from io_bridges.show_control import ControlReply, Later, ShowControl
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, TWINS


class PairedShow(ShowWrapper):
    """Implements `io_bridges.show_control.ShowControl` around a show. Every method may be called from any thread."""

    def __init__(self, show: ShowControl, pair: Pair) -> None:
        super().__init__(show)
        self._pair = pair

    def apply(self, address: str, arguments: Sequence[object], sender: str, later: Later | None = None) -> ControlReply:
        """Pass the outputs on, refuse a message off air, or pass it on."""
        if address not in PARAMETERS and address not in TWINS and address.lower().startswith("/backup"):
            return self._pass_on(address, arguments, sender, later)
        if refusal := self._pair.refusal():
            # Surfaces that send to both shows are no mistake. Each message is answered, and the status counts them.
            self._pair.unheard += 1
            return ControlReply(address, False, None, refusal)
        return self._show.apply(address, arguments, sender, later)

    def status(self) -> dict[str, object]:
        """Return the state of the show, with that of the pair and its notices first."""
        status = self._show.status()
        pair = self._pair.status()
        if not pair:
            return status
        notices = status.get("notices")
        told = as_json(self._pair.notices())
        both = {"backup": pair, "outputs_open": self._pair.is_on_air}
        return {**status, **both, "notices": [*told, *(notices if isinstance(notices, list) else [])]}

    def _pass_on(self, address: str, arguments: Sequence[object], sender: str, later: Later | None) -> ControlReply:
        written = "/" + address.lower().strip("/")
        try:
            known, arguments, _, _ = read_message(written, arguments, {}, tuple)
            if known not in (TAKE, RELEASE):
                return self._show.apply(address, arguments, sender, later)
            if action_text(known, "", arguments) is None:
                return ControlReply(known, True, None, "a button's release does nothing")
            return ControlReply(known, True, None, self._pair.take() if known == TAKE else self._pair.release())
        except ParameterRefused as refusal:
            self.refused(sender, f"{written[:60]}: {refusal}")
            return ControlReply(written, False, None, str(refusal))
