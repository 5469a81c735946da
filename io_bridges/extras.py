"""What not every installation has: a package of an extra, imported on use, missed with the command that mends it."""

import importlib
import importlib.util
from types import ModuleType

from presets.errors import BridgeUnavailable


def import_extra(module: str, extra: str) -> ModuleType:
    """The module; raises `BridgeUnavailable` that names the extra where its package is not installed."""
    reason = missing(module, extra)
    if reason:
        raise BridgeUnavailable(reason)
    return importlib.import_module(module)


def missing(module: str, extra: str) -> str:
    """Why the module can't be imported here and what to do, or an empty string; nothing is imported to find out."""
    package = module.partition(".")[0]
    if importlib.util.find_spec(package) is not None:
        return ""
    return f"the package {package} is not installed: pip install 'streamflow-live[{extra}]'"
