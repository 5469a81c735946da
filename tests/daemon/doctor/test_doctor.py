"""The doctor: true findings about this machine, and the right ones for other machines."""

import importlib.metadata
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.doctor.accelerator_probe import (
    NvidiaCards,
    TorchBuild,
    onnxruntime_finding,
    onnxruntime_providers,
    openvino_devices,
    read_torch_build,
    torch_build,
    torch_findings,
)
from daemon.doctor.checks import (
    DEFAULT_PORTS,
    DefaultPort,
    bridge_findings,
    clock_finding,
    model_finding,
    port_finding,
    preset_findings,
)
from daemon.doctor.diagnosis import Finding, Verdict, can_play
from daemon.stage.settings import Settings
from io_bridges.schemes import SCHEMES
from presets.library import Library

CPU_BUILD = TorchBuild("2.13.0+cpu", None)
RTX = ("NVIDIA GeForce RTX 4090 (24 GiB)",)


def test_report_as_json(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "daemon", "doctor", "--json", "--presets", str(tmp_path)],
        capture_output=True,
        check=False,
        text=True,
        timeout=110,
        env=os.environ | {"COLUMNS": "80"},
    )
    report = json.loads(run.stdout)
    assert run.returncode == (0 if report["can_play"] else 1)
    by_area: dict[str, dict[str, dict[str, str]]] = {}
    for finding in report["findings"]:
        assert finding["verdict"] in {"works", "absent", "trouble"}
        assert finding["detail"]
        by_area.setdefault(finding["area"], {})[finding["name"]] = finding
    assert by_area.keys() == {"python", "source", "sink", "control", "model", "accelerator", "port", "preset"}
    assert by_area["model"].keys() == {"shipped", "memory"}
    assert by_area["accelerator"].keys() == {"torch", "nvidia", "openvino", "onnxruntime"}
    torch = by_area["accelerator"]["torch"]
    assert torch["detail"].startswith(importlib.metadata.version("torch"))
    assert importlib.metadata.version("openvino") in by_area["accelerator"]["openvino"]["detail"]
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines() if line.startswith("import time:")}
    assert "daemon.doctor.checks" in imported
    assert not {"torch", "openvino", "onnxruntime", "pipeline"} & imported


def test_openvino_names_the_number_format() -> None:
    flags = Path("/proc/cpuinfo")
    if not flags.exists():
        pytest.skip("this system does not list its processor's flags")
    has_bf16 = re.search(r"\b(avx512_bf16|amx_bf16)\b", flags.read_text()) is not None
    from daemon.doctor.accelerator_probe import openvino_finding

    finding = openvino_finding()
    assert finding.verdict is Verdict.WORKS
    if has_bf16:
        assert "bfloat16" in finding.detail
        assert "no bfloat16" not in finding.detail


def test_torch_build_matches_the_import() -> None:
    build = torch_build()
    assert build is not None
    assert build.version == importlib.metadata.version("torch")
    program = "import torch; print(torch.version.cuda, torch.version.hip)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=110, check=True)
    assert done.stdout.split() == [str(build.cuda), str(build.hip)]


@pytest.mark.parametrize(
    ("text", "build"),
    [
        (
            "__version__ = '2.9.0+cpu'\ncuda: Optional[str] = None\nhip: Optional[str] = None\n",
            TorchBuild("2.9.0+cpu", None),
        ),
        ("__version__ = '2.9.0+cu128'\ncuda: Optional[str] = '12.8'\n", TorchBuild("2.9.0+cu128", "12.8")),
        ("from x import y\n__version__ = '2.9.0'\ncuda = '12.8'\n", TorchBuild("2.9.0", "12.8")),
        ("__version__ = '2.9.0'\nhip: Optional[str] = '6.4'\ncuda = None", TorchBuild("2.9.0", None, "6.4")),
        ("debug = False", None),
    ],
)
def test_version_file_of_torch(text: str, build: TorchBuild | None) -> None:
    assert read_torch_build(text) == build


@pytest.mark.parametrize(
    ("driver", "capability", "wheels"),
    [
        ((13, 1), (12, 0), "cu130"),
        ((13, 0), (6, 1), "cu126"),
        ((12, 9), (12, 0), "cu128"),
        ((12, 8), (7, 0), "cu126"),
        ((12, 6), (8, 9), "cu126"),
        ((12, 2), (8, 6), "cu126"),
        ((11, 8), (8, 6), "cu126"),
    ],
)
def test_card_with_cpu_build_has_a_remedy(driver: tuple[int, int], capability: tuple[int, int], wheels: str) -> None:
    torch, card = torch_findings(CPU_BUILD, NvidiaCards(RTX, driver, capability))
    assert torch.verdict is Verdict.WORKS
    assert card.verdict is Verdict.TROUBLE
    assert RTX[0] in card.detail
    assert card.remedy.startswith(f'"{sys.executable}" -m pip install --force-reinstall "torch')
    assert card.remedy.endswith(f"--index-url https://download.pytorch.org/whl/{wheels}")


def test_card_with_cuda_build_works() -> None:
    assert torch_findings(TorchBuild("2.13.0+cu130", "13.0"), NvidiaCards(RTX, (13, 0)))[1].verdict is Verdict.WORKS


def test_old_driver_is_reported() -> None:
    card = torch_findings(TorchBuild("2.13.0+cu130", "13.0"), NvidiaCards(RTX, (12, 8)))[1]
    assert card.verdict is Verdict.TROUBLE
    assert "12.8" in card.detail
    assert "newer NVIDIA driver" in card.remedy


def test_coarse_clock_is_trouble() -> None:
    windows_before_python_313 = clock_finding(0.015625)
    assert windows_before_python_313.verdict is Verdict.TROUBLE
    assert "15.6 ms" in windows_before_python_313.detail
    assert "3.13" in windows_before_python_313.remedy
    assert clock_finding(1e-7).verdict is Verdict.WORKS


def test_missing_torch_is_trouble() -> None:
    torch, card = torch_findings(None, NvidiaCards((), reason="no driver"))
    assert (torch.verdict, card.verdict) == (Verdict.TROUBLE, Verdict.ABSENT)
    assert "pip install" in torch.remedy


def test_openvino_devices() -> None:
    plain = openvino_devices("2026.1", {"CPU": ("A CPU ", ["FP32", "INT8"]), "GPU": ("Arc", ["FP16"])})
    assert "no bfloat16" in plain.detail
    assert "GPU: Arc" in plain.detail
    assert "in bfloat16" in openvino_devices("2026.1", {"CPU": ("A CPU", ["FP32", "BF16"])}).detail
    assert openvino_devices("2026.1", {}).verdict is Verdict.TROUBLE


def test_onnx_runtime_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    here = onnxruntime_finding()
    assert here.verdict is Verdict.WORKS
    assert here.detail == f"{importlib.metadata.version('onnxruntime')} on CPU"
    both = onnxruntime_providers(
        "1.32", ["CUDAExecutionProvider", "AzureExecutionProvider", "CPUExecutionProvider"], []
    )
    assert both.detail == "1.32 on CUDA and CPU"
    lame = onnxruntime_providers("1.32", ["CPUExecutionProvider"], ["onnxscript"])
    assert lame.verdict is Verdict.TROUBLE
    assert "onnxscript" in lame.remedy

    def absent(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    gone = onnxruntime_finding()
    assert gone.verdict is Verdict.ABSENT
    assert "streamflow-live[onnx]" in gone.remedy


def test_every_scheme_has_a_finding() -> None:
    findings = bridge_findings()
    assert [(finding.area, finding.name) for finding in findings] == [(row.kind, f"{row.name}:") for row in SCHEMES]
    for row, finding in zip(SCHEMES, findings, strict=True):
        needs_screen = row.name == "screen" or (row.name, row.kind) == ("window", "sink")
        works = finding.verdict is Verdict.WORKS
        assert not (works and row.unavailable())
        assert works or row.unavailable() or needs_screen
        assert bool(finding.remedy) != works
        assert works or finding.remedy not in finding.detail, "the remedy stands below the table"


def test_machine_without_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    if sys.platform != "linux":
        pytest.skip("a session always has a screen there")
    found = {(finding.area, finding.name): finding for finding in bridge_findings()}
    for key in (("source", "screen:"), ("sink", "window:")):
        assert found[key].verdict is Verdict.ABSENT
        assert "there is no" in found[key].detail or "not installed" in found[key].detail


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_taken_port_names_its_program(protocol: str) -> None:
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            taken.listen()
        port = DefaultPort("test", protocol, taken.getsockname()[1], "--osc PORT")  # type: ignore[arg-type]
        finding = port_finding(port)
        assert finding.verdict is Verdict.TROUBLE
        assert "--osc PORT" in finding.remedy
        if sys.platform == "linux":
            assert f"(process {os.getpid()})" in finding.detail
    assert port_finding(port).verdict is Verdict.WORKS


def test_ports_are_the_defaults_of_run() -> None:
    settings = Settings()
    ports = {(port.protocol, port.port) for port in DEFAULT_PORTS}
    assert settings.osc is not None
    assert settings.web is not None
    assert settings.control is not None
    assert ("udp", settings.osc.port) in ports
    assert ("tcp", settings.web.port) in ports
    for uri in (*settings.sinks, settings.control):
        assert ("tcp", int(uri.rpartition(":")[2])) in ports


def test_broken_preset_has_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("strength: 2")
    count, bad = preset_findings(Library(tmp_path))
    assert count.verdict is Verdict.WORKS
    assert (bad.name, bad.verdict) == ("bad", Verdict.TROUBLE)
    assert bad.remedy == f'streamflow-live presets check "{tmp_path / "bad.yaml"}"'


def test_can_play_needs_four_things() -> None:
    needed = [
        Finding("source", "card:", Verdict.WORKS, ""),
        Finding("sink", "zmq:", Verdict.WORKS, ""),
        Finding("model", "shipped", Verdict.WORKS, ""),
        Finding("accelerator", "torch", Verdict.WORKS, ""),
    ]
    assert can_play([*needed, Finding("port", "5555/tcp", Verdict.TROUBLE, "")])
    for lost in needed:
        assert not can_play([finding for finding in needed if finding is not lost])


def test_shipped_model_is_found() -> None:
    finding = model_finding()
    assert (finding.area, finding.name) == ("model", "shipped")
    assert "shipped" in finding.detail
