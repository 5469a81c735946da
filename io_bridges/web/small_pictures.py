"""Small pictures of looks, for the buttons that load them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from io_bridges.frames import Pixels
from io_bridges.pixels import bounded, jpeg

LONGEST_SIDE = 160
"""Most pixels on a side of a look's picture."""

_QUALITY = 78
_HEADERS = {"cache-control": "private, max-age=31536000, immutable"}
"""The address has the version, so that a browser never needs to ask again."""


class LookPicture(NamedTuple):
    """Small picture of a preset, as a JPEG file."""

    version: str
    """Another one for another picture of the preset."""
    data: bytes


LookPicturesByName = Callable[[], Mapping[str, LookPicture]]
"""Returns the picture of each preset that has one, by name. Another picture comes with another mapping."""


def small_jpeg(pixels: Pixels) -> bytes:
    """Return uint8 [H, W, 3] as a JPEG file of at most `LONGEST_SIDE` pixels a side."""
    return jpeg(bounded(pixels, LONGEST_SIDE), _QUALITY)


def versions(looks: Mapping[str, LookPicture]) -> dict[str, str]:
    """Return the version of each picture by name, as the page gets them."""
    return {name: picture.version for name, picture in looks.items()}


def picture_response(looks: Mapping[str, LookPicture], request: Request) -> Response:
    """Return the picture that a request names. Raises `HTTPException` if there is none."""
    picture = looks.get(request.path_params["name"])
    if picture is None:
        raise HTTPException(404, "There is no picture of this preset yet.")
    return Response(picture.data, media_type="image/jpeg", headers=_HEADERS)
