"""`ControlThread`: a control bridge on its own thread, whose port is taken before `start` returns.

A control that fails in the middle of a show is opened again.
"""

import logging
import threading
from typing import Any

from daemon.shared.threads import restart_on_crash
from io_bridges.bridges import Control
from io_bridges.show_control import ShowControl
from presets.errors import BridgeError

log = logging.getLogger("stage.controls")


class ControlThread:
    """Opens, serves and closes on one thread; again, where it fails."""

    def __init__(self, name: str, control: Control, desk: ShowControl) -> None:
        self.name = name
        self._control = control
        self._desk = desk
        self._opened = threading.Event()
        self._failure: BridgeError | None = None
        self._stopping = threading.Event()
        self._is_open = False
        self._said = ""
        self._thread = threading.Thread(target=self._run, name=f"control {name}", daemon=True)

    def start(self) -> None:
        """Raises what `open` raised: a show must not begin with a fader box that nobody hears."""
        self._thread.start()
        self._opened.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Free the port."""
        self._stopping.set()
        if self._thread.is_alive():
            self._control.stop()
            self._thread.join(2.0)

    @property
    def place(self) -> str:
        """Where it listens, as it says itself."""
        status = self._control.status()
        return str(status.get("url") or status.get("address") or "")

    def status(self) -> dict[str, Any]:
        """The control's own counters, and its name."""
        return {"name": self.name, "alive": self._thread.is_alive()} | self._control.status()

    def _run(self) -> None:
        try:
            self._control.open(self._desk)
        except BridgeError as error:
            self._failure = error
            self._control.close()
            return
        finally:
            self._opened.set()
        self._is_open = True
        restart_on_crash(f"control {self.name}", self._serve, self._stopping.is_set)()

    def _serve(self) -> None:
        """Serve what is open, until it is stopped or fails; what failed is opened anew."""
        try:
            if not self._is_open:
                self._control.open(self._desk)
                log.warning("control %s is open again: %s", self.name, self.place)
            self._said = ""
            if not self._stopping.is_set():  # it may have been told so while it opened, and not know
                self._control.serve()
        except BridgeError as error:
            if str(error) != self._said:
                log.error("control %s failed, it is opened again: %s", self.name, error)
            self._said = str(error)
        finally:
            self._is_open = False
            self._control.close()
