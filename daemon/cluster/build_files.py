"""Files that a build names: found on this machine, and renamed to where another machine has them."""

from collections.abc import Mapping
from pathlib import Path

from presets.build import Build
from presets.model_store import find_depth_model, find_model, is_built_in
from presets.paths import home_path
from presets.preset_keys import LORA_KEYS

FILES = ("engine", *sorted(LORA_KEYS), "controlnet", "ip_adapter", "ip_adapter_encoder")
"""Keys of a build that name a file or a folder by its path."""


def named_files(build: Build) -> dict[str, Path]:
    """Return the files and folders that a build needs, by key.

    The program's own files are not among them: each machine has them.

    Raises:
        ModelError: the model or the depth model is not on this machine.
    """
    found = {key: home_path(str(value)) for key in FILES if (value := getattr(build, key))}
    if not is_built_in(build.model):
        found["model"] = find_model(build.model)
    if build.depth_model:
        found["controlnet_depth_model"] = find_depth_model(build.depth_model)
    return found


def with_files(build: Build, paths: Mapping[str, str], threads: int | None) -> Build:
    """Return the build as another machine plays it.

    Args:
        build: The build that the show asks for.
        paths: Paths on the other machine, by key.
        threads: Threads of the network there, unless the show says; None leaves it to the accelerator.
    """
    changed: dict[str, object] = {**paths, "cache": None}
    if build.threads is None:
        changed["threads"] = threads
    return build.model_copy(update=changed)
