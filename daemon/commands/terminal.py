"""`Terminal`: rich's console, on which nothing that is printed can steer the terminal it is printed on.

Names in a manifest, a look or a message, and paths, come from others: an escape sequence in one could clear the screen,
rename the window or hide what is said after it. Here it is shown, as Python would write it: ``\\x1b[2J``.
"""

import re
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls but tab and newline; what turns the direction of writing; halves of surrogate pairs, which can't be
written."""


def harmless(text: str) -> str:
    """`text` with what is in `STEERING` spelled out."""
    return STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


class Terminal(Console):
    """What rich itself steers with, colours and cursors, goes through; text does not."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Every printed thing comes by here, and so does what it is made of."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=harmless(segment.text))
