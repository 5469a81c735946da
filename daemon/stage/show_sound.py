"""`ShowSound`: what a show hears, for its LFOs, its status and its page. A show that hears nothing has silence."""

from collections import deque

from daemon.stage.notices import Notice
from daemon.stage.parameter_store import ParameterStore
from io_bridges.audio.listener import AudioListener, AudioSource
from io_bridges.lazy_imports import missing_extra
from presets.errors import ParameterRefused

OFF = "off"
"""Text that ends the hearing."""


class ShowSound:
    """One listener, or none. `look` and `stop` on one thread, the rest on any."""

    def __init__(self, source: AudioSource | None, store: ParameterStore) -> None:
        """Take the source, None for nothing, and the store, whose ``/audio/input`` chooses another one."""
        self._tempo = store.tempo
        self._silence = self._tempo.heard, self._tempo.since_onset
        self._listener: AudioListener | None = None
        self._chosen: deque[AudioSource | None] = deque(maxlen=1)
        self._listen(source)
        store.choose_sound = self.choose

    def choose(self, text: str) -> str:
        """Hear another input from the next `look` on, by a part of its name. Return a note for the reply.

        ``off`` ends the hearing. Raises `ParameterRefused` for a file, which no network may name, or without the
        extra.
        """
        if text.casefold() == OFF:
            self._chosen.append(None)
            return "nothing is heard any more"
        if text.startswith("file:"):
            raise ParameterRefused("a file is named when the show starts, with --audio FILE")
        if reason := missing_extra("sounddevice", "audio"):
            raise ParameterRefused(reason)
        self._chosen.append(AudioSource(text, False))
        return f"an input with {text[:60]!r} in its name is looked for"

    def look(self) -> None:
        """Start the process that hears, and start it again when it is due. Take the input that was chosen."""
        if self._chosen:
            self._listen(self._chosen.popleft())
        if self._listener is not None:
            self._listener.look()

    def stop(self) -> None:
        """End the process."""
        if self._listener is not None:
            self._listener.stop()

    def meters(self) -> dict[str, float]:
        """Return the features of now by name; empty for a show that hears nothing."""
        listener = self._listener
        return {} if listener is None else listener.meters()

    def status(self) -> dict[str, object] | None:
        """Return the source, its state and its features; None for a show that hears nothing."""
        listener = self._listener
        return None if listener is None else listener.status()

    def notices(self) -> list[Notice]:
        """Return a notice if the source is not heard."""
        listener = self._listener
        problem = "" if listener is None else listener.problem
        return [Notice(f"audio {problem}", "warning", f"Sound: {problem}", in_log=False)] if problem else []

    def _listen(self, source: AudioSource | None) -> None:
        self.stop()
        self._listener = listener = None if source is None else AudioListener(source)
        heard, since_onset = self._silence if listener is None else (listener.heard, listener.since_onset)
        self._tempo.heard, self._tempo.since_onset = heard, since_onset
