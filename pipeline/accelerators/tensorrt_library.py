"""The two TensorRT libraries: what is installed, which cards they support, and why one can't be used here.

Classic TensorRT builds engines for the card that it runs on. TensorRT-RTX compiles an engine's kernels when the engine
is loaded, so it builds engines on any machine, for the compute capabilities that it supports.
"""

import importlib
import re
from dataclasses import dataclass
from typing import Any

import pynvml
import torch

from pipeline.accelerators.engine_key import card_name, installed_version
from presets.errors import AcceleratorUnavailable


@dataclass(frozen=True)
class Flavour:
    """One of the two TensorRT libraries. Their Python modules are nearly identical."""

    name: str
    """Name of the accelerator and of the Python module."""
    title: str
    distributions: tuple[str, ...]
    """Packages that contain the module: first the one without a CUDA version in its name."""
    builds_ahead: bool
    """True if it builds engines for cards that this machine does not have."""
    remedy: str
    """The sentence that says what it needs and how to install it."""

    @property
    def distribution(self) -> str:
        """The installed package, or the first one if none is installed."""
        return next((name for name in self.distributions if installed_version(name)), self.distributions[0])


TENSORRT = Flavour(
    "tensorrt",
    "TensorRT",
    ("tensorrt", "tensorrt_cu13", "tensorrt_cu12"),
    False,
    "It needs an NVIDIA GPU with its driver, and: pip install 'streamflow-live[tensorrt]'",
)
TENSORRT_RTX = Flavour(
    "tensorrt_rtx",
    "TensorRT-RTX",
    ("tensorrt_rtx", "tensorrt_rtx_cu13", "tensorrt_rtx_cu12"),
    True,
    "It needs an RTX card with its driver, and: pip install 'streamflow-live[tensorrt-rtx]'",
)
FLAVOURS = {flavour.name: flavour for flavour in (TENSORRT, TENSORRT_RTX)}


def load_library(flavour: Flavour) -> Any:
    """Return the Python module. Raises `AcceleratorUnavailable` if it is not installed or can't be imported."""
    try:
        return importlib.import_module(flavour.name)
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise AcceleratorUnavailable(
            f"{flavour.title} can't be used: it can't be imported ({reason[0]}). {flavour.remedy}"
        ) from error


def unavailable_reason(flavour: Flavour) -> str:
    """Return the reason why its engines can't run here, or an empty text."""
    if importlib.util.find_spec(flavour.name) is None:
        return "it is not installed"
    capability = compute_capability()
    if not capability:
        build = "" if torch.version.cuda else ", and this build of torch has no CUDA support"
        return f"torch finds no NVIDIA GPU{build}"
    try:
        trt = load_library(flavour)
    except AcceleratorUnavailable as error:
        return str(error.__cause__)
    if flavour.builds_ahead and capability not in supported_capabilities(trt):
        return f"this GPU has compute capability {capability}, it supports {', '.join(supported_capabilities(trt))}"
    needed, available = package_cuda_version(flavour), driver_cuda_version()
    if needed and available and available < needed:
        return (
            f"it needs CUDA {needed}, but the NVIDIA driver {driver_version()} supports CUDA {available}."
            " Install a newer driver"
        )
    return ""


def compute_capability() -> str:
    """Return the compute capability of torch's GPU, for example ``8.9``, or an empty text without a GPU."""
    if not torch.cuda.is_available():
        return ""
    major, minor = torch.cuda.get_device_capability()
    return f"{major}.{minor}"


def current_card() -> str:
    """Return the `card_name` of torch's GPU, or an empty text without a GPU."""
    return card_name(compute_capability(), torch.cuda.get_device_name()) if torch.cuda.is_available() else ""


def supported_capabilities(trt: Any) -> tuple[str, ...]:
    """Return the compute capabilities that TensorRT-RTX, the module `trt`, builds for, in ascending order."""
    matches = (re.fullmatch(r"SM(\d+)(\d)", name) for name in trt.ComputeCapability.__members__)
    numbers = sorted((int(match[1]), int(match[2])) for match in matches if match)
    return tuple(f"{major}.{minor}" for major, minor in numbers)


def driver_version() -> str:
    """Return the version of the NVIDIA driver, or an empty text without one."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ""
    try:
        return str(pynvml.nvmlSystemGetDriverVersion())
    finally:
        pynvml.nvmlShutdown()


def driver_cuda_version() -> int:
    """Return the major version of CUDA that the driver supports, or 0 without a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return 0
    try:
        return int(pynvml.nvmlSystemGetCudaDriverVersion_v2()) // 1000
    finally:
        pynvml.nvmlShutdown()


def package_cuda_version(flavour: Flavour) -> int:
    """Return the major version of CUDA that the installed package is for, or 0 if its name has none."""
    matches = [re.search(r"_cu(\d+)$", name) for name in flavour.distributions if installed_version(name)]
    return max((int(match[1]) for match in matches if match), default=0)
