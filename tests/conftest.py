"""Tests run on the processor, whatever is in the machine; those that are about a GPU with ``pytest -m gpu``.

What computes here holds one accelerator against another in tensors of main memory, and eager torch, the oracle of
nearly all, would move to a GPU where it sees one.
"""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.shared.offline_environment import stay_offline

ABOUT_A_GPU = "gpu"
"""The marker, and what is given to ``-m``: a process has a GPU from its first look at one on, or none."""


def pytest_configure(config: pytest.Config) -> None:
    """Hides GPUs from this process and, through the environment, from all that it starts; has both hear Ctrl-C."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # so a shell starts what it runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.option.markexpr != ABOUT_A_GPU:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # nothing at all would unset it on Windows
    os.environ["NDI_CONFIG_DIR"] = str(
        Path(__file__).parent / "ndi_on_loopback"
    )  # No sender is announced to a network.
    stay_offline()


FIRST = (
    "test_offline_environment.py",
    "test_rebuilds.py",
    "test_accelerators.py",
    "test_controls.py",
    "test_stand_in.py",
    "test_paced_controls.py",
    "test_render.py",
    "test_build_engines.py",
    "test_stage.py",
    "test_onnx.py",
    "test_tensorrt_engines.py",
    "test_tensorrt_build.py",
    "test_bench_architecture.py",
    "test_supervisor.py",
    "test_build.py",
    "test_engine_exchange.py",
    "test_bench_command.py",
    "test_recovery.py",
    "test_endless_engine.py",
    "test_fallback.py",
)
"""Files that take longest, by name. They go first, so that two processes end together (``--no-loadscope-reorder``)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first. The order within a file stays."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what is about a GPU where none is seen."""
    if item.get_closest_marker(ABOUT_A_GPU) is None:
        return
    import torch  # it takes seconds, and most tests of the stage do without

    if not torch.cuda.is_available():
        pytest.skip("it wants a GPU that torch sees, and pytest -m gpu")


@pytest.fixture(scope="session")
def perflow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PeRFlow network of nothing, as ``--architecture`` writes it. Not to be changed: copy it."""
    from benchmarks.paper.architectures import ARCHITECTURES
    from benchmarks.paper.random_model import write_random_model

    made = tmp_path_factory.mktemp("architecture") / "model"
    write_random_model(ARCHITECTURES["tiny-perflow"], made)
    return made


@pytest.fixture
def ndi_alone() -> Iterator[None]:
    """One test with NDI at a time. Without mDNS, senders are found on one port, which all processes share.

    Each connection to it reaches one of them by chance, so that there are several addresses. A sender that starts while
    others run is not found by a search that began before.
    """
    fcntl = pytest.importorskip("fcntl")
    with Path(tempfile.gettempdir(), "streamflow-live-ndi-tests.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks of nothing are too small to share out."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
