"""Silence of a source: when it counts as lost, and what the show does then."""

import numpy as np
import pytest
from hand_clock import HandClock

from daemon.shared.clock import NS
from daemon.stage.newest_frame import LossPolicy, NewestFrame
from io_bridges.frames import Frame
from presets.parameters import Parameters

PICTURE = Frame(np.zeros((4, 4, 3), np.uint8), 0, 1)


class Rig:
    def __init__(self, **values: object) -> None:
        self.clock = HandClock()
        self.parameters = Parameters.model_validate(values)
        self.newest = NewestFrame(self.clock, lambda: self.parameters)

    def receive(self, count: int, interval: float) -> None:
        for _ in range(count):
            self.newest.put(PICTURE)
            self.clock.time += round(interval * NS)

    def wait(self, seconds: float) -> LossPolicy:
        self.clock.time += round(seconds * NS)
        return self.newest.policy()


@pytest.mark.parametrize("lost", ["fade", "text", "slate"])
def test_lost_after_so_many_seconds(lost: LossPolicy) -> None:
    rig = Rig(lost=lost, lost_after=5.0)
    assert rig.wait(100) == "hold", "nothing ever came"
    rig.receive(30, 1 / 30)
    assert rig.wait(4.5) == "hold"
    assert rig.wait(1.0) == lost
    rig.parameters = rig.parameters.model_copy(update={"mode": "text"})
    assert rig.newest.policy() == "hold", "the source is not shown"
    rig.parameters = rig.parameters.model_copy(update={"mode": "image", "lost": "hold"})
    assert rig.newest.policy() == "hold"
    rig.parameters = rig.parameters.model_copy(update={"lost": lost})
    rig.receive(1, 0.1)
    assert rig.newest.policy() == "hold", "frames are back"


def test_slow_source_is_not_lost() -> None:
    rig = Rig(lost="fade", lost_after=1.0)
    rig.receive(30, 3.0)
    assert rig.newest.policy() == "hold", "a frame every three seconds"
    assert rig.wait(11.0) == "hold"
    assert rig.wait(2.0) == "fade"


def test_another_source_is_waited_for() -> None:
    rig = Rig(lost="fade", lost_after=5.0)
    rig.receive(30, 1 / 30)
    rig.wait(60)
    rig.newest.expect(nothing=False)
    assert rig.newest.policy() == "hold"
    assert rig.newest.silence() == 0
    assert rig.wait(4.0) == "hold"
    assert rig.newest.silence() == pytest.approx(4)
    assert rig.wait(2.0) == "fade", "it gives no frame, and that of the one before is held"
    rig.newest.expect(nothing=True)
    assert rig.wait(60) == "hold", "nothing is expected"
    assert rig.newest.peek()[0] is None


def test_policy_in_words() -> None:
    rig = Rig(lost="slate", lost_after=0.5)
    assert rig.newest.meanwhile == "holding the last picture"
    rig.receive(1, 1.0)
    assert rig.newest.meanwhile == "showing the safe picture"
    assert rig.newest.interruption() == pytest.approx(1), (
        "at once, although less than three seconds are no interruption"
    )
    rig.parameters = rig.parameters.model_copy(update={"lost": "hold"})
    assert rig.newest.interruption() == 0
