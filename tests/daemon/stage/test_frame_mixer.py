"""The frame that two sources make: when it is new, what stamps it has, and what is left once the second is lost."""

import numpy as np
import pytest
from hand_clock import HandClock

from daemon.shared.clock import NS
from daemon.stage.frame_mixer import FrameMixer
from daemon.stage.newest_frame import NewestFrame
from daemon.stage.second_source import NewestLayer
from io_bridges.frames import Frame
from presets.parameters import Parameters


class Rig:
    """Two sources and the mixer, by a clock that the test turns."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.parameters = Parameters(mix=0.5)
        self.first = NewestFrame(self.clock, lambda: self.parameters)
        self.layer = NewestLayer(self.clock, lambda: self.parameters)
        self.mixer = FrameMixer(self.first, self.layer, lambda: self.parameters, self.clock)

    def change(self, **values: object) -> None:
        self.parameters = self.parameters.model_copy(update=values)

    def grey(self) -> int:
        frame, _ = self.mixer.peek()
        assert frame is not None
        assert (frame.pixels == frame.pixels[0, 0, 0]).all()
        return int(frame.pixels[0, 0, 0])


def frame(grey: int, captured_at: int, side: int = 4) -> Frame:
    return Frame(np.full((side, side, 3), grey, np.uint8), 7, captured_at)


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.first.put(frame(100, 10))
    rig.layer.put(frame(200, 20))
    return rig


def test_nothing_before_the_first_source() -> None:
    rig = Rig()
    rig.layer.put(frame(200, 20))
    assert rig.mixer.peek() == (None, 0)
    rig.first.put(frame(100, 10))
    assert rig.grey() == 150
    rig.first.expect(nothing=True)
    assert rig.mixer.peek() == (None, 0)


def test_first_source_alone_is_not_copied() -> None:
    rig = Rig()
    alone = frame(100, 10)
    rig.first.put(alone)
    assert rig.mixer.peek() == (alone, 1)
    rig.layer.put(frame(200, 20))
    rig.change(mix=0.0)
    assert rig.mixer.peek() == (alone, 1), "an amount of 0 is no reason to draw"


def test_mixed_frame_is_made_once(rig: Rig) -> None:
    once, serial = rig.mixer.peek()
    assert once is not None
    assert (once.captured_at, serial) == (20, 1)
    assert rig.mixer.peek() == (once, 1)


def test_frame_of_either_source_is_new(rig: Rig) -> None:
    before, _ = rig.mixer.peek()
    rig.first.put(frame(50, 30))
    of_first, first_serial = rig.mixer.peek()
    rig.layer.put(frame(250, 25))
    of_layer, layer_serial = rig.mixer.peek()
    assert before is not None
    assert of_first is not None
    assert of_layer is not None
    assert (first_serial, layer_serial) == (2, 3)
    assert [each.captured_at for each in (before, of_first, of_layer)] == [20, 30, 25]
    assert [each.index for each in (before, of_first, of_layer)] == [1, 2, 3]
    assert rig.grey() == 150


def test_change_of_the_mix_has_no_capture_time(rig: Rig) -> None:
    rig.mixer.peek()
    rig.change(mix_mode="add", mix=0.25)
    again, serial = rig.mixer.peek()
    assert again is not None
    assert (rig.grey(), again.captured_at, serial) == (150, 0, 2)
    rig.change(mix=0.0)
    alone, _ = rig.mixer.peek()
    assert alone is not None
    assert (rig.grey(), alone.captured_at, alone.index) == (100, 0, 7)


def test_lost_layer_leaves_the_first_source(rig: Rig) -> None:
    rig.change(lost="fade", lost_after=2.0, lost_fade=0.0)
    for _ in range(30):
        rig.layer.put(frame(200, 20))
        rig.clock.time += NS // 30
    assert rig.grey() == 150
    rig.clock.time += NS
    assert rig.grey() == 150
    assert rig.layer.meanwhile == "its last picture stays in the mix"
    rig.clock.time += 2 * NS
    assert rig.grey() == 100
    assert rig.layer.policy() == "hold", "the output is not that of a lost source"
    assert rig.layer.meanwhile == "the first source plays alone"
    rig.layer.put(frame(220, 30))
    assert rig.grey() == 160


def test_lost_layer_fades_out_and_in(rig: Rig) -> None:
    rig.change(lost_after=2.0, lost_fade=4.0)
    for _ in range(30):
        rig.layer.put(frame(200, 20))
        rig.clock.time += NS // 30
    seen = []
    for _ in range(8):
        seen.append(rig.grey())
        rig.clock.time += NS
    assert seen == [150, 150, 138, 125, 112, 100, 100, 100]
    _, serial = rig.mixer.peek()
    assert rig.mixer.peek()[1] == serial, "nothing is drawn again once it is gone"
    seen = []
    for _ in range(5):
        rig.layer.put(frame(200, 30))
        seen.append(rig.grey())
        rig.clock.time += NS
    assert seen == [100, 112, 125, 138, 150]


def test_another_layer_cuts_in(rig: Rig) -> None:
    rig.change(lost_after=2.0, lost_fade=4.0)
    rig.grey()
    rig.clock.time += 100 * NS
    assert rig.grey() == 100
    rig.layer.expect(nothing=False)
    rig.clock.time += NS
    assert rig.grey() == 100, "the picture of the lost one stays away"
    rig.layer.put(frame(200, 30))
    assert rig.grey() == 150
    rig.layer.expect(nothing=False)
    assert rig.grey() == 150, "the picture of one that plays is held until the next"
    rig.layer.expect(nothing=True)
    assert rig.grey() == 100


def test_lost_first_source_holds_in_the_mix(rig: Rig) -> None:
    rig.change(lost="fade", lost_after=2.0)
    rig.clock.time += 100 * NS
    rig.layer.put(frame(240, 30))
    assert rig.grey() == 170
    assert rig.first.policy() == "fade"


def test_sizes_differ_during_a_rebuild(rig: Rig) -> None:
    rig.layer.put(frame(240, 30, side=8))
    assert rig.grey() == 170
    rig.first.put(frame(100, 30, side=8))
    mixed, _ = rig.mixer.peek()
    assert mixed is not None
    assert mixed.pixels.shape == (8, 8, 3)
    assert rig.grey() == 170
