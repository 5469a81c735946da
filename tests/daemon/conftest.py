"""What several modules want: a parameter store; for the bench a network of nothing, and torch with one thread."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.store import ParameterStore
from presets.library import Library


@pytest.fixture(scope="session")
def perflow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PeRFlow network of nothing, as ``--architecture`` writes it. Not to be changed: copy it."""
    from daemon.bench.paper.architectures import ARCHITECTURES
    from daemon.bench.paper.random_model import write_random_model

    made = tmp_path_factory.mktemp("architecture") / "model"
    write_random_model(ARCHITECTURES["tiny-perflow"], made)
    return made


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks of nothing are too small to share out."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "presets")


@pytest.fixture
def store(library: Library) -> ParameterStore:
    return ParameterStore(library)
