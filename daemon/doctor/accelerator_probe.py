"""Probe of what can run the network on this machine, without importing torch into this process.

The torch build is read from its ``version.py`` and the NVIDIA cards from NVML. OpenVINO and ONNX Runtime answer from a
child process each, because a native library that crashes must not end the report.
"""

import ast
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pynvml

from daemon.doctor.diagnosis import Finding, Verdict, pip_install

LIBRARY_SECONDS = 60.0
"""Seconds that a library may take to answer."""

TORCH_RANGE = "torch>=2.6,<2.14"


class CudaBuild(NamedTuple):
    """A build of torch in PyTorch's own package index."""

    name: str
    """Folder of the index."""
    driver: tuple[int, int]
    """Oldest CUDA version of a driver that runs it."""
    oldest: tuple[int, int]
    newest: tuple[int, int]
    """Compute capabilities of the cards that it has kernels for."""


CUDA_BUILDS = (
    CudaBuild("cu130", (13, 0), (7, 5), (99, 0)),
    CudaBuild("cu128", (12, 8), (7, 5), (99, 0)),
    CudaBuild("cu126", (12, 0), (5, 0), (9, 0)),
)
"""Builds of torch, the best one first. A driver of CUDA 12 runs every minor version of CUDA 12."""

_STAY_OFFLINE = "from daemon.shared.offline_environment import stay_offline; stay_offline()\n"

_ASK_OPENVINO = """
import json, openvino
core = openvino.Core()
print(json.dumps({
    device: [core.get_property(device, name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    for device in core.available_devices
}))
"""

_ASK_ONNXRUNTIME = "import json, onnxruntime; print(json.dumps(onnxruntime.get_available_providers()))"


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """The installed torch."""

    version: str
    cuda: str | None
    """CUDA version that it was built for; None for a CPU or ROCm build."""
    hip: str | None = None
    """ROCm version that it was built for."""


@dataclass(frozen=True, slots=True)
class NvidiaCards:
    """Answer of the NVIDIA driver."""

    names: tuple[str, ...]
    """Name and memory of each card."""
    cuda: tuple[int, int] = (0, 0)
    """Newest CUDA version that the driver runs."""
    capability: tuple[int, int] = (7, 5)
    """Compute capability of the best card."""
    reason: str = ""
    """Reason why there are none."""


def torch_build() -> TorchBuild | None:
    """Return the installed torch, or None if there is none or its version can't be read."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    version_file = Path(spec.origin).with_name("version.py")
    try:
        return read_torch_build(version_file.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):  # a torch built by hand, or half removed
        return None


def torch_has_gpu() -> bool:
    """Return True if torch is built for NVIDIA cards and the driver names one."""
    build = torch_build()
    return build is not None and build.cuda is not None and bool(nvidia_cards().names)


def read_torch_build(text: str) -> TorchBuild | None:
    """Return the build that torch's ``version.py`` describes. Raises `SyntaxError` for text that is not Python."""
    constants: dict[str, str | None] = {}
    for line in ast.parse(text).body:
        target = (
            line.target
            if isinstance(line, ast.AnnAssign)
            else line.targets[0]
            if isinstance(line, ast.Assign)
            else None
        )
        value = line.value if isinstance(line, ast.AnnAssign | ast.Assign) else None
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
            constants[target.id] = value.value if isinstance(value.value, str) else None
    version = constants.get("__version__")
    return None if version is None else TorchBuild(version, constants.get("cuda"), constants.get("hip"))


def nvidia_cards() -> NvidiaCards:
    """Return the NVIDIA cards that the driver names."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return NvidiaCards((), reason=str(error))
    try:
        names, capabilities = [], [(0, 0)]
        for place in range(pynvml.nvmlDeviceGetCount()):
            card = pynvml.nvmlDeviceGetHandleByIndex(place)
            memory = pynvml.nvmlDeviceGetMemoryInfo(card).total / 2**30
            capabilities.append(pynvml.nvmlDeviceGetCudaComputeCapability(card))
            names.append(f"{pynvml.nvmlDeviceGetName(card)} ({memory:.0f} GiB)")
        cuda = pynvml.nvmlSystemGetCudaDriverVersion_v2()
        reason = "" if names else "the driver names no card"
        return NvidiaCards(tuple(names), (cuda // 1000, cuda % 1000 // 10), max(capabilities), reason)
    except pynvml.NVMLError as error:
        return NvidiaCards((), reason=f"the NVIDIA driver does not answer: {error}")
    finally:
        pynvml.nvmlShutdown()


def torch_findings(build: TorchBuild | None, cards: NvidiaCards) -> list[Finding]:
    """Return the findings for the torch build, and for the NVIDIA cards with that build."""
    if build is None:
        remedy = pip_install(f'"{TORCH_RANGE}"')
        torch = Finding("accelerator", "torch", Verdict.TROUBLE, "torch is not installed", remedy)
    else:
        made_for = f"CUDA {build.cuda}" if build.cuda else f"ROCm {build.hip}" if build.hip else "the CPU"
        torch = Finding("accelerator", "torch", Verdict.WORKS, f"{build.version}, built for {made_for}")
    if not cards.names:
        return [torch, Finding("accelerator", "nvidia", Verdict.ABSENT, f"no NVIDIA card: {cards.reason}")]
    named = ", ".join(cards.names)
    wheels = f"https://download.pytorch.org/whl/{_wheels(cards)}"
    reinstall = pip_install(f'--force-reinstall "{TORCH_RANGE}" --index-url {wheels}')
    if build is not None and build.cuda is None:
        detail = f"{named} is not used: this torch is not built for CUDA"
        return [torch, Finding("accelerator", "nvidia", Verdict.TROUBLE, detail, reinstall)]
    if build is not None and build.cuda is not None and int(build.cuda.split(".")[0]) > cards.cuda[0]:
        detail = f"{named}: its driver runs CUDA {cards.cuda[0]}.{cards.cuda[1]}, this torch needs {build.cuda}"
        remedy = f"install a newer NVIDIA driver, or {reinstall}"
        return [torch, Finding("accelerator", "nvidia", Verdict.TROUBLE, detail, remedy)]
    return [torch, Finding("accelerator", "nvidia", Verdict.WORKS, named)]


def openvino_finding() -> Finding:
    """Return the finding for OpenVINO: its devices, and the number format of its CPU."""
    version = _version("openvino")
    if not version:
        detail = "the package openvino is not installed; the CPU is several times slower without it"
        return Finding("accelerator", "openvino", Verdict.ABSENT, detail, pip_install("openvino"))
    answer = _ask("openvino", version, _ASK_OPENVINO, pip_install("--force-reinstall openvino"))
    return answer if isinstance(answer, Finding) else openvino_devices(version, answer)


def openvino_devices(version: str, devices: dict[str, tuple[str, list[str]]]) -> Finding:
    """Return the finding for OpenVINO's answer: the full name and number formats of each device."""
    if "CPU" not in devices:
        return Finding("accelerator", "openvino", Verdict.TROUBLE, f"{version} sees no CPU", "use --accelerator eager")
    name, formats = devices["CPU"]
    number = "bfloat16" if "BF16" in formats else "float32; this processor has no bfloat16"
    others = "".join(f"; {device}: {full.strip()}" for device, (full, _) in devices.items() if device != "CPU")
    return Finding("accelerator", "openvino", Verdict.WORKS, f"{version} on {name.strip()} in {number}{others}")


def onnxruntime_finding() -> Finding:
    """Return the finding for ONNX Runtime: its providers, and whether models can be exported for it."""
    versions = {name: _version(name) for name in ("onnxruntime", "onnxruntime-gpu", "onnx", "onnxscript")}
    version = versions["onnxruntime"] or versions["onnxruntime-gpu"]
    remedy = pip_install('"streamflow-live[onnx]"')
    if not version:
        detail = "the package onnxruntime is not installed; it plays ONNX files, your own too"
        return Finding("accelerator", "onnxruntime", Verdict.ABSENT, detail, remedy)
    package = "onnxruntime" if versions["onnxruntime"] else "onnxruntime-gpu"
    providers = _ask("onnxruntime", version, _ASK_ONNXRUNTIME, pip_install(f"--force-reinstall {package}"))
    if isinstance(providers, Finding):
        return providers
    lacking = [name for name in ("onnx", "onnxscript") if not versions[name]]
    return onnxruntime_providers(version, providers, lacking)


def onnxruntime_providers(version: str, providers: list[str], lacking: list[str]) -> Finding:
    """Return the finding for ONNX Runtime's providers; `lacking` are the packages for export that are missing."""
    names = [name.removesuffix("ExecutionProvider") for name in providers]
    if lacking:
        detail = f"{version} plays ONNX files; to export a model it lacks {' and '.join(lacking)}"
        return Finding("accelerator", "onnxruntime", Verdict.TROUBLE, detail, pip_install(" ".join(lacking)))
    # The Azure provider calls a remote service; it is in every build.
    here = [name for name in names if name != "Azure"]
    return Finding("accelerator", "onnxruntime", Verdict.WORKS, f"{version} on {' and '.join(here) or 'nothing'}")


def _version(package: str) -> str:
    """Return the version of an installed package, or an empty string."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _ask(name: str, version: str, program: str, reinstall: str) -> Any:
    """Return the library's answer from a child process, or a finding if it gives none."""
    try:
        answer = subprocess.run(
            [sys.executable, "-c", _STAY_OFFLINE + program], capture_output=True, timeout=LIBRARY_SECONDS, check=True
        )
        return json.loads(answer.stdout)
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit status {error.returncode}"]
        return Finding("accelerator", name, Verdict.TROUBLE, f"{version} does not start: {last[0]}", reinstall)
    except (subprocess.TimeoutExpired, ValueError):
        return Finding("accelerator", name, Verdict.TROUBLE, f"{version} gives no answer", reinstall)


def _wheels(cards: NvidiaCards) -> str:
    """Return the best build of torch for this driver and card, or the oldest one where none fits."""
    for build in CUDA_BUILDS:
        if build.driver <= cards.cuda and build.oldest <= cards.capability <= build.newest:
            return build.name
    return CUDA_BUILDS[-1].name
