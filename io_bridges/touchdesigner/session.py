"""`Session`: what the component does at each frame and at each change of a parameter. Its DATs call it."""

from typing import Any

from io_bridges.touchdesigner.remote import ShowRemote
from io_bridges.touchdesigner.top_reader import TopReader
from io_bridges.touchdesigner.top_writer import TopWriter


class Session:
    """The running part of one component."""

    def __init__(self, component: Any, addresses: dict[str, str], page: str, osc: tuple[str, int]) -> None:
        """
        Args:
            component: The COMP.
            addresses: OSC address of each custom parameter by its name.
            page: Address of the page.
            osc: Host and port of OSC.
        """
        self._component = component
        self._addresses = addresses
        self._remote = ShowRemote(page, *osc)
        self._writer: TopWriter | None = None
        self._reader: TopReader | None = None
        self._names = ("", "")
        self._quiet = False

    def frame(self) -> None:
        """Send the input TOP, fetch the newest output, and follow the values of the show. Called once each frame."""
        names = (str(self._component.par.Sendas.eval()), str(self._component.par.Receivefrom.eval()))
        if names != self._names:
            self._open(*names)
        source = self._component.op("in1")
        if self._writer is not None and source is not None and self._component.par.Send.eval():
            # The array is that of the last frame: reading this one would stop the GPU until it is drawn.
            pixels = source.numpyArray(delayed=True)
            if pixels is not None:
                self._writer.write(pixels)
        self._component.op("video").cook(force=True)
        self._follow()

    def cook(self, script_top: Any) -> None:
        """Give a Script TOP the newest picture. Without a newer one it keeps what it has."""
        picture = None if self._reader is None else self._reader.read()
        if picture is not None:
            script_top.copyNumpyArray(picture)

    def value_changed(self, parameter: Any) -> None:
        """Send the value of a custom parameter to the show, unless the value came from there."""
        address = self._addresses.get(parameter.name)
        if address is not None and not self._quiet:
            self._remote.send(address, parameter.eval())

    def pulsed(self, parameter: Any) -> None:
        """Do the action of a pulse parameter."""
        address = self._addresses.get(parameter.name)
        if address is not None:
            self._remote.send(address)

    def close(self) -> None:
        """Give everything back. Called before the component is built again."""
        self._open("", "")
        self._remote.close()

    def _open(self, send_as: str, receive_from: str) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._reader is not None:
            self._reader.close()
        self._names = (send_as, receive_from)
        self._writer = TopWriter(send_as) if send_as else None
        self._reader = TopReader(receive_from) if receive_from else None

    def _follow(self) -> None:
        values = self._remote.changed_values()
        if not values:
            return
        self._quiet = True
        try:
            for name, address in self._addresses.items():
                parameter = getattr(self._component.par, name, None)
                if parameter is not None and address in values and parameter.eval() != values[address]:
                    parameter.val = values[address]
        finally:
            self._quiet = False


SESSIONS: dict[str, Session] = {}
"""Running sessions by the path of their component. They are not in its storage, because a project saves that."""
