"""The bench's options as what it is about: a model, or an architecture written out with random weights."""

from pathlib import Path

from benchmarks.child_process import ChildProcess
from benchmarks.paper.architectures import ARCHITECTURES
from benchmarks.plan import EvaluationSettings
from presets.errors import SettingsError
from presets.parameter_table import PARAMETERS

PRECISIONS = ("", "float32", "float16", "bfloat16")
WRITING = 900.0
"""Seconds that a gigabyte of random weights may take to be made and written."""


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """``1,4,8``. Raises `SettingsError`."""
    try:
        numbers = tuple(int(each) for each in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise SettingsError(f"{option} is {text!r}; it takes whole numbers of 1 or more, as in 1,4,8")
    return numbers


def known_precision(text: str) -> str:
    """float32, float16, bfloat16, or nothing. Raises `SettingsError`."""
    if text not in PRECISIONS:
        raise SettingsError(f"--precision is {text!r}; it is one of {', '.join(filter(None, PRECISIONS))}")
    return text


def architecture_size(name: str) -> int:
    """px a side that it was made for. Raises `SettingsError` for one that is not known."""
    if name not in ARCHITECTURES:
        known = "; ".join(f"{each} ({about.about})" for each, about in ARCHITECTURES.items())
        raise SettingsError(f"there is no architecture {name!r}; there are: {known}")
    return ARCHITECTURES[name].size


def write_architecture(name: str, folder: Path) -> EvaluationSettings:
    """Writes its model folder, by way of a process that may import torch; what is compiled of it is kept there too."""
    model = folder / name
    with ChildProcess("benchmarks.paper.contender_process", folder) as child:
        child.ask({"do": "write", "architecture": name, "folder": str(model)}, WRITING)
    return EvaluationSettings(
        model=str(model), name=f"{name}, random weights", cache=folder / "cache", full_autoencoder=True
    )


def accelerators(text: str | None) -> tuple[str, ...] | None:
    """Names of the ``accelerator`` control, or None for all. Raises `SettingsError`."""
    if text is None:
        return None
    known = PARAMETERS["/accelerator"].choices[1:]
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or (unknown := sorted(set(names) - set(known))):
        said = ", ".join(map(repr, unknown if names else [text]))
        raise SettingsError(f"--accelerators is {said}; it takes some of {', '.join(known)}")
    return names
