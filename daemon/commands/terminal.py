"""Terminal output of the commands: `Terminal`, the progress bar, and signals that end a command as Ctrl-C does."""

import re
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.segment import Segment

_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls other than tab and newline, characters that change the direction of writing, and lone surrogates, which
can't be encoded."""


class Terminal(Console):
    """A rich console that prints control characters as escapes, such as ``\\x1b[2J``.

    Names in a manifest, a preset, a message or a path come from others: an escape sequence in one could clear the
    screen, rename the window or hide what follows. Rich's own colours and cursor movements are left as they are.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Escape the text of every segment. Everything printed passes through here, nested renderables too."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=_escape_controls(segment.text))


def _escape_controls(text: str) -> str:
    return _CONTROL_CHARACTERS.sub(lambda found: ascii(found[0])[1:-1], text)


def progress_bar() -> Progress:
    """Return a progress bar on standard error, so that standard output can be piped."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Terminal(stderr=True))


def download_bar() -> Progress:
    """Return a progress bar of bytes on standard error, with their rate and the time that remains."""
    name = TextColumn("{task.description}", markup=False)
    columns = (name, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Terminal(stderr=True))


@contextmanager
def signals_as_ctrl_c() -> Iterator[None]:
    """Raise `KeyboardInterrupt` for SIGINT, SIGTERM and SIGHUP inside the block, so that it can clean up.

    An error that a library makes of the interrupt is replaced by it. A signal that is ignored stays ignored (nohup).
    Outside the main thread, where handlers can't be set, this does nothing.
    """
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        numbers = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    except Exception as error:
        if received:  # OpenVINO's converter raises an error of its own in place of the interrupt
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
