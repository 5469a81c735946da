"""Switches that keep dependencies from opening connections nobody asked for.

Every process of the program calls `stay_offline` before it imports a library of this kind. Environment variables
reach child processes too; the blocked modules have to be blocked in each process.

Measured with strace: ``import openvino`` alone resolves a name and writes a client id below the home folder, ONNX
Runtime does both when it opens a network, and its own ``disable_telemetry_events()`` stops neither.
"""

import os
import sys

SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime
    "HF_HUB_OFFLINE": "1",  # models are folders, never names to download
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",  # diffusers
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment variables by name. A value that the user has set stays."""

BLOCKED_MODULES = ("openvino_telemetry",)
"""Modules that can't be imported. OpenVINO then takes the silent stub that it carries for that case."""

HUB_SWITCHES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
"""Switches that `allow_the_hub` takes back."""

_set_here: set[str] = set()


def stay_offline() -> None:
    """Set every switch for this process and its children."""
    for name, value in SWITCHES.items():
        if name not in os.environ:
            os.environ[name] = value
            _set_here.add(name)
    for module in BLOCKED_MODULES:
        # None makes `import` raise ModuleNotFoundError; a module that is loaded already is replaced as well.
        sys.modules[module] = None  # type: ignore[assignment]


def allow_the_hub() -> bool:
    """Take back the switches that keep huggingface_hub offline, for a command that the user asked to download.

    Return False if the user has set one of them: that is no business of this program. Telemetry stays off.
    """
    for name in HUB_SWITCHES:
        if name in _set_here:
            os.environ.pop(name, None)
            _set_here.discard(name)
    return not any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in HUB_SWITCHES)
