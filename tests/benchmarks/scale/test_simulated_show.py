"""The simulation of a show, against what arithmetic says where that is simple."""

import pytest

from benchmarks.scale.link_cost import measure_link
from benchmarks.scale.simulated_show import Plant, simulate

FAST_PORT, NEAR = 1e11, 1e-5
BYTES = 256 * 256 * 3


def plant(renderers: int, **changed: float) -> Plant:
    return Plant(renderers, 0.4, 0.0, BYTES, 1e-4, FAST_PORT, NEAR, 60.0, 60.0)._replace(**changed)


@pytest.mark.parametrize("renderers", [1, 3])
def test_rate_is_that_of_the_renderers(renderers: int) -> None:
    """Each waits for the next frame after a picture: 417 ms at 60 frames a second."""
    show = simulate(plant(renderers), 25.0)
    assert show.drawn == pytest.approx(renderers / (25 / 60), rel=0.05)
    assert show.late_share == 0
    assert 0.4 < show.latency < 0.4 + 2 / 60 + 0.01
    assert show.mbit == pytest.approx(show.drawn * BYTES * 8 / 1e6)


def test_source_bounds_the_rate() -> None:
    show = simulate(plant(20, picture_seconds=0.1, source_fps=30.0), 10.0)
    assert show.drawn == pytest.approx(30, rel=0.05)


def test_port_bounds_the_rate() -> None:
    """The line to the renderers carries five pictures a second."""
    show = simulate(plant(8, picture_seconds=0.01, bits_a_second=5 * BYTES * 8.0), 20.0)
    assert show.drawn == pytest.approx(5, rel=0.1)


def test_link_bounds_the_rate() -> None:
    """A stage that takes 50 ms for a picture handles twenty a second."""
    show = simulate(plant(16, picture_seconds=0.01, link_seconds=0.05), 20.0)
    assert show.drawn == pytest.approx(20, rel=0.1)
    assert show.link_share == pytest.approx(1, rel=0.1)


def test_uneven_renderers_give_late_pictures() -> None:
    show = simulate(plant(16, jitter=0.3), 10.0)
    assert show.late_share > 0.2
    assert show.fps < show.drawn


def test_link_is_measured() -> None:
    """With a real renderer, over TCP with keys."""
    cost = measure_link(64, encrypted=True, seconds=0.2)
    assert cost.core_seconds > 0
    assert cost.a_second > 0
