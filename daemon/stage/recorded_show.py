"""`RecordedShow`: a show whose controls are recorded by ``/record/controls`` and played by ``/play/controls``."""

from collections.abc import Sequence

from daemon.stage.control_transport import ControlTransport
from daemon.stage.message_reading import read_message
from daemon.stage.replies import action_text, action_value
from daemon.stage.show_wrapper import ShowWrapper
from io_bridges.show_control import ControlReply, Later, ShowControl
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, TWINS

ADDRESSES = ("/record/controls", "/record/stop", "/play/controls", "/play/loop", "/play/stop")


class RecordedShow(ShowWrapper):
    """Passes every message but these actions on. A panic by hand stops what is played, which would undo it."""

    def __init__(self, show: ShowControl, transport: ControlTransport) -> None:
        super().__init__(show)
        self._transport = transport
        self._store = transport.store

    def apply(self, address: str, arguments: Sequence[object], sender: str, later: Later | None = None) -> ControlReply:
        """Record or play, or pass any other message on."""
        if address in PARAMETERS or address in TWINS:  # most messages
            return self._show.apply(address, arguments, sender, later)
        # The name of a recording, which may be the end of the address, keeps its case.
        parts = address.strip("/").split("/", 2)
        written = "/".join(["", *(part.lower() for part in parts[:2]), *parts[2:]])
        if written == "/panic":
            return self._panic(address, arguments, sender, later)
        if not written.startswith(("/record/", "/play/")):
            return self._show.apply(address, arguments, sender, later)
        try:
            known, arguments, _, _ = read_message(written, arguments, {}, tuple)
            if known not in ADDRESSES:
                return self._show.apply(address, arguments, sender, later)
            text = action_text(known, self._show.actions[known].argument, arguments)
            if text is None:
                return ControlReply(known, True, None, "a button's release does nothing")
            taken, _ = action_value(known, text)
            return self._transport.request(known, taken, sender, later)
        except ParameterRefused as refusal:
            self.refused(sender, f"{written[:60]}: {refusal}")
            return ControlReply(written, False, None, str(refusal))

    def status(self) -> dict[str, object]:
        """Return the state of the show, with what is recorded and played. A recording that failed is a notice."""
        status = {**self._show.status(), **self._transport.status()}
        if failure := self._transport.recorder.state.failure:
            notice = {"level": "error", "text": f"The recording of the controls has ended: {failure}"}
            notices = status.get("notices")
            status["notices"] = [*(notices if isinstance(notices, list) else []), notice]
        return status

    def _panic(self, address: str, arguments: Sequence[object], sender: str, later: Later | None) -> ControlReply:
        before = self._store.standing().panic_revision
        reply = self._show.apply(address, arguments, sender, later)
        if self._store.standing().panic_revision != before:
            self._transport.stop_playing()
        return reply
