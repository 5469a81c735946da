"""Fixtures: a preset library and a parameter store."""

from pathlib import Path

import pytest

from daemon.stage.parameter_store import ParameterStore
from presets.library import Library


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "presets")


@pytest.fixture
def store(library: Library) -> ParameterStore:
    return ParameterStore(library)
