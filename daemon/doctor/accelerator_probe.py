"""What could run the network on this machine, found out without importing torch into this process.

The torch build is read from its ``version.py``, the NVIDIA cards from NVML; OpenVINO and ONNX Runtime are asked in a
child each, because a native library that crashes must not take the report with it.
"""

import ast
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pynvml

from daemon.doctor.diagnosis import Finding, Verdict

LIBRARY_SECONDS = 60.0
TORCH_RANGE = "torch>=2.6,<2.14"

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
    """Which torch is installed."""

    version: str
    cuda: str | None
    """CUDA version it was built for; None for a CPU build (and for ROCm)."""
    hip: str | None = None
    """ROCm version it was built for."""


@dataclass(frozen=True, slots=True)
class NvidiaCards:
    """What the NVIDIA driver says."""

    names: tuple[str, ...]
    """One a card, with its memory."""
    cuda: tuple[int, int] = (0, 0)
    """The newest CUDA version that the driver runs."""
    reason: str = ""
    """Why there are none."""


def torch_build() -> TorchBuild | None:
    """The installed torch; None if there is none, or if it can't be told which it is."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    version_file = Path(spec.origin).with_name("version.py")
    try:
        return read_torch_build(version_file.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):  # a torch that was built by hand, or half removed
        return None


def read_torch_build(text: str) -> TorchBuild | None:
    """The build that torch's ``version.py`` tells of. Raises `SyntaxError` for what is not Python."""
    told: dict[str, str | None] = {}
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
            told[target.id] = value.value if isinstance(value.value, str) else None
    version = told.get("__version__")
    return None if version is None else TorchBuild(version, told.get("cuda"), told.get("hip"))


def nvidia_cards() -> NvidiaCards:
    """The NVIDIA cards that the driver names."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return NvidiaCards((), reason=str(error))
    try:
        names = []
        for place in range(pynvml.nvmlDeviceGetCount()):
            card = pynvml.nvmlDeviceGetHandleByIndex(place)
            memory = pynvml.nvmlDeviceGetMemoryInfo(card).total / 2**30
            names.append(f"{pynvml.nvmlDeviceGetName(card)} ({memory:.0f} GiB)")
        cuda = pynvml.nvmlSystemGetCudaDriverVersion_v2()
        return NvidiaCards(tuple(names), (cuda // 1000, cuda % 1000 // 10), "" if names else "the driver names no card")
    except pynvml.NVMLError as error:
        return NvidiaCards((), reason=f"the NVIDIA driver does not answer: {error}")
    finally:
        pynvml.nvmlShutdown()


def torch_findings(build: TorchBuild | None, cards: NvidiaCards) -> list[Finding]:
    """The torch build, and the NVIDIA cards as that build can use them."""
    if build is None:
        torch = Finding("accelerator", "torch", Verdict.TROUBLE, "torch is not installed", _pip(f'"{TORCH_RANGE}"'))
    else:
        made_for = f"CUDA {build.cuda}" if build.cuda else f"ROCm {build.hip}" if build.hip else "the CPU"
        torch = Finding("accelerator", "torch", Verdict.WORKS, f"{build.version}, built for {made_for}")
    if not cards.names:
        return [torch, Finding("accelerator", "nvidia", Verdict.ABSENT, f"no NVIDIA card: {cards.reason}")]
    named = ", ".join(cards.names)
    if build is not None and build.cuda is None:
        detail = f"{named} lies idle: this torch is not built for CUDA"
        remedy = _pip(
            f'--force-reinstall "{TORCH_RANGE}" --index-url https://download.pytorch.org/whl/{_wheels(cards)}'
        )
        return [torch, Finding("accelerator", "nvidia", Verdict.TROUBLE, detail, remedy)]
    if build is not None and build.cuda is not None and int(build.cuda.split(".")[0]) > cards.cuda[0]:
        detail = f"{named}: its driver runs CUDA {cards.cuda[0]}.{cards.cuda[1]}, this torch wants {build.cuda}"
        remedy = "install a newer NVIDIA driver, or " + _pip(
            f'--force-reinstall "{TORCH_RANGE}" --index-url https://download.pytorch.org/whl/{_wheels(cards)}'
        )
        return [torch, Finding("accelerator", "nvidia", Verdict.TROUBLE, detail, remedy)]
    return [torch, Finding("accelerator", "nvidia", Verdict.WORKS, named)]


def openvino_finding() -> Finding:
    """OpenVINO's devices, and whether its CPU computes in bfloat16, which nearly doubles the rate."""
    version = _version("openvino")
    if not version:
        detail = "the package openvino is not installed; the CPU plays several times slower without"
        return Finding("accelerator", "openvino", Verdict.ABSENT, detail, _pip("openvino"))
    answer = _asked("openvino", version, _ASK_OPENVINO, _pip("--force-reinstall openvino"))
    return answer if isinstance(answer, Finding) else openvino_devices(version, answer)


def openvino_devices(version: str, devices: dict[str, tuple[str, list[str]]]) -> Finding:
    """The finding for OpenVINO's answer: device to full name and number formats."""
    if "CPU" not in devices:
        return Finding("accelerator", "openvino", Verdict.TROUBLE, f"{version} sees no CPU", "use --accelerator eager")
    name, formats = devices["CPU"]
    number = "bfloat16" if "BF16" in formats else "float32; this processor has no bfloat16"
    others = "".join(f"; {device}: {full.strip()}" for device, (full, _) in devices.items() if device != "CPU")
    return Finding("accelerator", "openvino", Verdict.WORKS, f"{version} on {name.strip()} in {number}{others}")


def onnxruntime_finding() -> Finding:
    """ONNX Runtime, what it computes on, and whether what it plays can be exported here."""
    versions = {name: _version(name) for name in ("onnxruntime", "onnxruntime-gpu", "onnx", "onnxscript")}
    version = versions["onnxruntime"] or versions["onnxruntime-gpu"]
    remedy = _pip('"streamflow-live[onnx]"')
    if not version:
        detail = "the package onnxruntime is not installed; it plays ONNX files, yours too"
        return Finding("accelerator", "onnxruntime", Verdict.ABSENT, detail, remedy)
    package = "onnxruntime" if versions["onnxruntime"] else "onnxruntime-gpu"
    providers = _asked("onnxruntime", version, _ASK_ONNXRUNTIME, _pip(f"--force-reinstall {package}"))
    if isinstance(providers, Finding):
        return providers
    lacking = [name for name in ("onnx", "onnxscript") if not versions[name]]
    return onnxruntime_providers(version, providers, lacking)


def onnxruntime_providers(version: str, providers: list[str], lacking: list[str]) -> Finding:
    """The finding for ONNX Runtime's answer, and the packages it needs that are not installed."""
    names = [name.removesuffix("ExecutionProvider") for name in providers]
    if lacking:
        detail = f"{version} plays engines of others; to export a model's own it lacks {' and '.join(lacking)}"
        return Finding("accelerator", "onnxruntime", Verdict.TROUBLE, detail, _pip(" ".join(lacking)))
    # Azure's calls a service elsewhere; it is in every build.
    here = [name for name in names if name != "Azure"]
    return Finding("accelerator", "onnxruntime", Verdict.WORKS, f"{version} on {' and '.join(here) or 'nothing'}")


def _version(package: str) -> str:
    """Of an installed package; nothing where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _asked(name: str, version: str, program: str, reinstall: str) -> Any:
    """What the library says in a child, or the finding that it can't."""
    try:
        answer = subprocess.run(
            [sys.executable, "-c", _STAY_OFFLINE + program], capture_output=True, timeout=LIBRARY_SECONDS, check=True
        )
        return json.loads(answer.stdout)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"it died ({error.returncode})"]
        return Finding("accelerator", name, Verdict.TROUBLE, f"{version} does not start: {said[0]}", reinstall)
    except (subprocess.TimeoutExpired, ValueError):
        return Finding("accelerator", name, Verdict.TROUBLE, f"{version} gives no answer", reinstall)


def _wheels(cards: NvidiaCards) -> str:
    """PyTorch's folder of wheels that this driver can run, the newest first."""
    known = ((13, 0), (12, 8), (12, 6))
    return "cu{}{}".format(*next((cuda for cuda in known if cuda <= cards.cuda), known[-1]))


def _pip(arguments: str) -> str:
    return f'"{sys.executable}" -m pip install {arguments}'
