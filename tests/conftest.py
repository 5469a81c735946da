"""Options, order and fixtures of all tests. They run on the processor, and those that need a GPU with ``-m gpu``.

Accelerators are compared with eager torch in main memory, and eager torch would move to a GPU if it saw one.
"""

import gc
import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from daemon.shared.offline_environment import stay_offline

ABOUT_A_GPU = "gpu"
"""Name of the marker, and the expression for ``-m``. Torch looks for a GPU once a process."""


def pytest_configure(config: pytest.Config) -> None:
    """Hide GPUs from this process and from those that it starts, and let both receive Ctrl-C."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # so a shell starts what it runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.option.markexpr != ABOUT_A_GPU:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # nothing at all would unset it on Windows
    os.environ["NDI_CONFIG_DIR"] = str(Path(__file__).parent / "ndi_on_loopback")  # announces no sender to a network
    # Shows of the tests take pictures of their looks: the user keeps their own.
    looks = tempfile.TemporaryDirectory(prefix="streamflow-live-looks-", ignore_cleanup_errors=True)
    os.environ["STREAMFLOW_LIVE_LOOKS"] = looks.name
    config.add_cleanup(looks.cleanup)
    stay_offline()


FIRST = (
    "test_cluster.py",
    "test_controls.py",
    "test_rebuilds.py",
    "test_offline_environment.py",
    "test_stage.py",
    "test_cluster.py",
    "test_show_models.py",
    "test_compiled.py",
    "test_family_accelerators.py",
    "test_build_engines.py",
    "test_onnx.py",
    "test_stand_in.py",
    "test_adapters_together.py",
    "test_tensorrt_build.py",
    "test_accelerators.py",
    "test_build.py",
    "test_endless_engine.py",
    "test_tensorrt_engines.py",
    "test_supervisor.py",
    "test_render.py",
    "test_show_switches.py",
    "test_engine_exchange.py",
    "test_shipped_training.py",
    "test_source_networks.py",
    "test_bench_command.py",
    "test_bench_architecture.py",
    "test_window.py",
    "test_recovery.py",
    "test_bench_paper.py",
    "test_clip_picture.py",
    "test_show_mixes.py",
    "test_fallback.py",
    "test_show_recordings.py",
    "test_recording.py",
    "test_notices.py",
    "test_web_page_show.py",
    "test_bench_contenders.py",
    "test_bench_model.py",
    "test_onnxruntime.py",
    "test_shipped_model.py",
    "test_image_stream.py",
    "test_network_stream.py",
    "test_bench_transport.py",
    "test_source_image_stream.py",
)
"""Files that take the most processor time, the longest first, as measured. They start first, so that the processes of
pytest-xdist end together (``--no-loadscope-reorder``)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first. The order within a file stays."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while tests and libraries are imported. They stay, and no later collection looks at them.

    Later collections are rare: libraries that tests import make millions of objects that stay.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(100_000, 50, 50)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs a GPU where torch sees none."""
    if item.get_closest_marker(ABOUT_A_GPU) is None:
        return
    import torch  # it takes seconds, and most tests of the stage do without

    if not torch.cuda.is_available():
        pytest.skip("it wants a GPU that torch sees, and pytest -m gpu")


@pytest.fixture(scope="session")
def perflow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny PeRFlow model with random weights, as ``--architecture`` writes it. Read-only: copy it."""
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
    """Limit torch to one thread for a test: tiny networks are slower on several."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope="session")
def patient_disk() -> Iterator[None]:
    """Have stores inside the tests' own process wait for a busy machine's disk. Running shows keep their patience."""
    from daemon.stage.preset_disk import PresetDisk

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PresetDisk, "patience", 20.0)
        yield
