"""A player whose engines are measured while it plays, on a real link."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.renderer.player import Player
from daemon.shared.threads import run_in_threads
from pipeline.accelerators import registry
from pipeline.accelerators.processor import Cores
from pipeline.engine_tuner import engine_tuner
from pipeline.image_stream import ImageStream
from presets.build import Build
from tests.daemon.renderer.test_player import SIDE, Rig
from tests.daemon.show import until
from tests.pipeline.conftest import write_least_model


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(registry, "usable_cores", lambda: Cores(2, 2))
    write_least_model(tmp_path / "model")
    build = Build(model=str(tmp_path / "model"), width=SIDE, height=SIDE, slots=1, cache=tmp_path / "cache")
    made = Rig(ImageStream.build(build, lambda text, fraction: None, run_in_threads))
    yield made
    made.close()


@pytest.mark.timeout(300)
def test_measurement_beside_a_show(rig: Rig) -> None:
    tuner = engine_tuner(rig.stream, time.perf_counter, run_in_threads)
    assert tuner is not None
    player = Player(rig.connection, rig.stream, tuner=tuner)
    rig.live = True
    limit = time.monotonic() + 200
    while not tuner.done and time.monotonic() < limit:
        player.turn()
    assert tuner.done
    player.turn()
    until(lambda: rig.report.description.values == rig.stream.description)
    described = rig.stream.description
    assert " × " in described["why"]
    assert described["requests"] in ("1", "2")
    numbers = [frame.index for frame in rig.drawn]
    assert numbers == sorted(set(numbers)), "each frame comes once and in order, whatever engines drew it"
    assert len(numbers) > 24
