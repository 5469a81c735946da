"""`ControlThread`: a control bridge on its own thread. Its port is open when `start` returns.

A control that fails during a show is opened again.
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
    """Opens, serves and closes a control on one thread, and opens it again if it fails."""

    def __init__(self, name: str, control: Control, desk: ShowControl) -> None:
        self.name = name
        self._control = control
        self._desk = desk
        self._opened = threading.Event()
        self._failure: BridgeError | None = None
        self._stopping = threading.Event()
        self._is_open = False
        self._logged = ""
        self._thread = threading.Thread(target=self._run, name=f"control {name}", daemon=True)

    def start(self) -> None:
        """Start the thread and raise the error of `open`: a show must not start with a control that does not work."""
        self._thread.start()
        self._opened.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End the thread and free the port."""
        self._stopping.set()
        if self._thread.is_alive():
            self._control.stop()
            self._thread.join(2.0)

    @property
    def address(self) -> str:
        """Address or URL on which the control listens."""
        status = self._control.status()
        return str(status.get("url") or status.get("address") or "")

    def status(self) -> dict[str, Any]:
        """Return the name and the counters of the control."""
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
        """Open the control unless it is open, and serve until it is stopped or fails."""
        try:
            if not self._is_open:
                self._control.open(self._desk)
                log.warning("control %s is open again: %s", self.name, self.address)
            self._logged = ""
            if not self._stopping.is_set():  # `stop` during `open` does not reach the control
                self._control.serve()
        except BridgeError as error:
            if str(error) != self._logged:
                log.error("control %s failed: %s. Opening it again.", self.name, error)
            self._logged = str(error)
        finally:
            self._is_open = False
            self._control.close()
