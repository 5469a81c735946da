"""TensorRT in its two flavours behind one interface: which is installed, the cards it supports, why it can't be used
here.

Classic TensorRT builds for the card it runs on. TensorRT-RTX compiles on the card when it loads, so that its engines
can be built anywhere, for the cards that it names.
"""

import importlib
import re
from dataclasses import dataclass
from typing import Any

import pynvml
import torch

from pipeline.accelerators import cache
from pipeline.accelerators.cache import installed
from presets.errors import AcceleratorUnavailable


@dataclass(frozen=True)
class Flavour:
    """One of NVIDIA's two compilers. Their modules have nearly the same content."""

    name: str
    """Name of the accelerator and of the module."""
    title: str
    distributions: tuple[str, ...]
    """Packages with the module, one for each major version of CUDA, the plain one first."""
    ahead: bool
    """True if it builds for cards of other machines."""
    remedy: str

    @property
    def distribution(self) -> str:
        """The installed package, or the plain one."""
        return next((name for name in self.distributions if installed(name)), self.distributions[0])


TENSORRT = Flavour(
    "tensorrt",
    "TensorRT",
    ("tensorrt", "tensorrt_cu13", "tensorrt_cu12"),
    False,
    "It wants an NVIDIA GPU with its driver, and: pip install 'streamflow-live[tensorrt]'",
)
TENSORRT_RTX = Flavour(
    "tensorrt_rtx",
    "TensorRT-RTX",
    ("tensorrt_rtx", "tensorrt_rtx_cu13", "tensorrt_rtx_cu12"),
    True,
    "It wants an RTX card with its driver, and: pip install 'streamflow-live[tensorrt-rtx]'",
)
FLAVOURS = {flavour.name: flavour for flavour in (TENSORRT, TENSORRT_RTX)}


def library(flavour: Flavour) -> Any:
    """Return the module. Raises `AcceleratorUnavailable` if it is not installed or can't be loaded."""
    try:
        return importlib.import_module(flavour.name)
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise AcceleratorUnavailable(
            f"{flavour.title} can't be used: it can't be imported ({reason[0]}). {flavour.remedy}"
        ) from error


def missing(flavour: Flavour) -> str:
    """Return the reason why its engines can't run here; empty if they can."""
    if importlib.util.find_spec(flavour.name) is None:
        return "it is not installed"
    card = capability()
    if not card:
        built = "" if torch.version.cuda else ", and this torch is not built for CUDA"
        return f"there is no NVIDIA GPU that torch sees{built}"
    try:
        trt = library(flavour)
    except AcceleratorUnavailable as error:
        return str(error.__cause__)
    if flavour.ahead and card not in capabilities(trt):
        return f"this GPU has compute capability {card}, and it knows {', '.join(capabilities(trt))}"
    wants, has = cuda_of(flavour), cuda_of_driver()
    if wants and has and has < wants:
        return f"it wants CUDA {wants}, and the NVIDIA driver, {driver()}, runs CUDA {has}; a newer driver mends that"
    return ""


def capability() -> str:
    """Return the compute capability of torch's GPU, as ``8.9``; empty without one."""
    if not torch.cuda.is_available():
        return ""
    major, minor = torch.cuda.get_device_capability()
    return f"{major}.{minor}"


def card() -> str:
    """Return torch's GPU, as `cache.card` names it; empty without one."""
    return cache.card(capability(), torch.cuda.get_device_name()) if torch.cuda.is_available() else ""


def capabilities(trt: Any) -> tuple[str, ...]:
    """Return the compute capabilities that this TensorRT-RTX can build for, the oldest first."""
    numbers = (re.fullmatch(r"SM(\d+)(\d)", name) for name in trt.ComputeCapability.__members__)
    return tuple(f"{int(one)}.{two}" for one, two in sorted((int(n[1]), n[2]) for n in numbers if n))


def driver() -> str:
    """Return the version of the NVIDIA driver; empty without one."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ""
    try:
        return str(pynvml.nvmlSystemGetDriverVersion())
    finally:
        pynvml.nvmlShutdown()


def cuda_of_driver() -> int:
    """Return the major version of CUDA that the driver runs; 0 without one."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return 0
    try:
        return int(pynvml.nvmlSystemGetCudaDriverVersion_v2()) // 1000
    finally:
        pynvml.nvmlShutdown()


def cuda_of(flavour: Flavour) -> int:
    """Return the major version of CUDA that the installed package is for; 0 if its name does not say."""
    named = [re.search(r"_cu(\d+)$", name) for name in flavour.distributions if installed(name)]
    return max((int(each[1]) for each in named if each), default=0)
