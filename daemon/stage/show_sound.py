"""`ShowSound`: what a show hears, for its LFOs, its status and its page. A show without `--audio` hears silence."""

from daemon.stage.notices import Notice
from daemon.stage.tempo_clock import TempoClock
from io_bridges.audio.listener import AudioListener, AudioSource


class ShowSound:
    """One listener, or none. `look` and `stop` on one thread, the rest on any."""

    def __init__(self, source: AudioSource | None, tempo: TempoClock) -> None:
        """Take the source, None for nothing, and the clock by whose instants LFOs move."""
        self._listener = None if source is None else AudioListener(source)
        if self._listener is not None:
            tempo.heard, tempo.since_onset = self._listener.heard, self._listener.since_onset

    def look(self) -> None:
        """Start the process that hears, and start it again when it is due."""
        if self._listener is not None:
            self._listener.look()

    def stop(self) -> None:
        """End the process."""
        if self._listener is not None:
            self._listener.stop()

    def meters(self) -> dict[str, float]:
        """Return the features of now by name; empty for a show that hears nothing."""
        return {} if self._listener is None else self._listener.meters()

    def status(self) -> dict[str, object] | None:
        """Return the source, its state and its features; None for a show that hears nothing."""
        return None if self._listener is None else self._listener.status()

    def notices(self) -> list[Notice]:
        """Return a notice if the source is not heard."""
        problem = "" if self._listener is None else self._listener.problem
        return [Notice(f"audio {problem}", "warning", f"Sound: {problem}", in_log=False)] if problem else []
