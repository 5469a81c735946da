"""`SenderNotes` tells senders why a message was refused, and how one was read that could not be taken as it stands.

A fader at its limit sends fifty such messages a second. So each sentence is told once, and again when it changes or
after a while.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from io_bridges.osc.surfaces import Surfaces, UdpAddress
from presets.parameter_table import Value

AGAIN = 5.0
"""Seconds after which the same sentence is told again."""
MOST_TOLD = 1024
"""Sentences that are remembered. The oldest of more is forgotten."""

REFUSED, NOTE = "/streamflow/refused", "/streamflow/note"

Send = Callable[[str, Sequence[Value], UdpAddress], None]


class SenderNotes:
    """The sentences that senders were told. Used on the control's thread only."""

    def __init__(self, surfaces: Surfaces, send: Send, now: Callable[[], float] = time.monotonic) -> None:
        """Take the feedback targets. `send` reaches any other sender, at a bounded rate. `now` returns seconds."""
        self._surfaces = surfaces
        self._send = send
        self._now = now
        self._told: OrderedDict[tuple[UdpAddress, str, str], tuple[str, float]] = OrderedDict()

    def tell(self, sender: UdpAddress, address: str, about: str, sentence: str) -> None:
        """Tell a sentence to a sender that does not know it.

        It goes to the sender's own feedback, otherwise to its port and to the targets on its host. A connection that
        asked for no feedback is told nothing: its program may never read.

        Args:
            sender: Host and port that the message came from.
            address: `REFUSED` or `NOTE`.
            about: Address of the message.
            sentence: The sentence.
        """
        key, now = (sender, address, about), self._now()
        told, since = self._told.pop(key, ("", 0.0))
        is_new = told != sentence or now - since >= AGAIN
        self._told[key] = (sentence, now if is_new else since)
        if len(self._told) > MOST_TOLD:
            self._told.popitem(last=False)
        if not is_new:
            return
        for target in self._surfaces.targets_of(sender):
            target.queue_sentence(address, about, sentence)
        if self._surfaces.is_stranger(sender):
            self._send(address, (sentence,), sender)
