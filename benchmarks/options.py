"""Checks of the bench's options, and the model folder of an architecture with random weights."""

from pathlib import Path

from benchmarks.child_process import ChildProcess
from benchmarks.paper.architectures import ARCHITECTURES
from benchmarks.plan import EvaluationSettings
from presets.errors import SettingsError
from presets.parameter_table import PARAMETERS

PRECISIONS = ("", "float32", "float16", "bfloat16")
WRITING = 900.0
"""Time limit in seconds for a gigabyte of random weights to be made and written."""


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Return the numbers of a list such as ``1,4,8``. Raise `SettingsError` for anything else."""
    try:
        numbers = tuple(int(each) for each in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise SettingsError(f"{option} is {text!r}; it takes whole numbers of 1 or more, as in 1,4,8")
    return numbers


def known_precision(text: str) -> str:
    """Return float32, float16, bfloat16 or an empty string. Raise `SettingsError` for anything else."""
    if text not in PRECISIONS:
        raise SettingsError(f"--precision is {text!r}; it is one of {', '.join(filter(None, PRECISIONS))}")
    return text


def architecture_size(name: str) -> int:
    """Return the side in px that an architecture was trained for. Raise `SettingsError` for an unknown name."""
    if name not in ARCHITECTURES:
        known = "; ".join(f"{each} ({about.description})" for each, about in ARCHITECTURES.items())
        raise SettingsError(f"--architecture is {name!r}; it is one of: {known}")
    return ARCHITECTURES[name].size


def write_architecture(name: str, folder: Path) -> EvaluationSettings:
    """Write the model folder of an architecture in a child process that imports torch. Return its settings.

    Networks converted from it are kept below `folder` too.
    """
    model = folder / name
    with ChildProcess("benchmarks.paper.contender_process", folder) as child:
        child.ask({"do": "write", "architecture": name, "folder": str(model)}, WRITING)
    return EvaluationSettings(
        model=str(model), name=f"{name}, random weights", cache=folder / "cache", full_autoencoder=True
    )


def accelerators(text: str | None) -> tuple[str, ...] | None:
    """Return the accelerators of a comma-separated list, or None for all. Raise `SettingsError` for an unknown one."""
    if text is None:
        return None
    known = PARAMETERS["/accelerator"].choices[1:]
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or (unknown := sorted(set(names) - set(known))):
        refused = ", ".join(map(repr, unknown if names else [text]))
        raise SettingsError(f"--accelerators is {refused}; it takes some of {', '.join(known)}")
    return names


def several_models(text: str | None) -> tuple[str, ...]:
    """Return the models of a comma-separated list, none for None. Raise `SettingsError` for fewer than two.

    Folders are returned as absolute paths: a show has a folder of its own.
    """
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if len(set(names)) < 2:
        raise SettingsError(f"--among is {text!r}; it takes two models or more, as in sd-turbo,lcm")
    return tuple(str(Path(name).resolve()) if Path(name).is_dir() else name for name in names)
