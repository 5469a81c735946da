"""The output clock: choice, fades and times of the pictures that go out."""

import itertools

import numpy as np
import pytest
from hand_clock import HandClock

from daemon.shared.mailbox import Mailbox
from daemon.stage.burst_spreader import BurstSpreader
from daemon.stage.loss_cover import LossCover
from daemon.stage.newest_frame import LossPolicy
from daemon.stage.output_clock import OutputClock
from io_bridges.frames import RenderedFrame, Tick
from presets.parameters import Parameters

PERIOD = 40_000_000


def picture(index: int, value: int = 200, revision: int = 0) -> RenderedFrame:
    pixels = np.full((4, 6, 3), value, dtype=np.uint8)
    pixels.flags.writeable = False
    return RenderedFrame(pixels, index, index, 1, revision)


class Show:
    """An output clock at 25 Hz, its inputs and one outlet."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.parameters = Parameters()
        self.rendered = BurstSpreader(self.clock)
        self.slate: Mailbox[RenderedFrame] = Mailbox()
        self.safe: Mailbox[RenderedFrame] = Mailbox()
        self.slate.put(picture(-1, 60))
        self.safe.put(picture(-2, 90))
        self.out: list[tuple[RenderedFrame, Tick]] = []
        self.policy: LossPolicy = "hold"
        cover = LossCover(25.0, lambda: self.policy)
        self.output = OutputClock(
            25.0, self.clock, lambda: self.parameters, self.rendered, self.slate, self.safe, self, cover
        )

    def put(self, value: tuple[RenderedFrame, Tick]) -> None:
        self.out.append(value)
        if len(self.out) >= self.stop_after:
            self.output.stop()

    stop_after = 10**9

    def tick(self, **changes: object) -> RenderedFrame:
        self.parameters = self.parameters.model_copy(update=changes)
        self.output.tick(self.clock.now())
        return self.out[-1][0]


def test_slate_then_held_picture() -> None:
    show = Show()
    assert show.tick().index == -1
    show.rendered.put(picture(7))
    assert show.tick().index == 7
    assert not show.out[-1][1].repeated
    assert show.tick().index == 7
    assert show.out[-1][1].repeated
    assert [tick.index for _, tick in show.out] == [0, 1, 2]


def test_freeze_holds_the_picture() -> None:
    show = Show()
    show.rendered.put(picture(1))
    show.tick()
    show.rendered.put(picture(2))
    assert show.tick(freeze=True).index == 1
    assert show.tick(freeze=False).index == 2


def test_freeze_at_start_holds_the_first_picture() -> None:
    show = Show()
    assert show.tick(freeze=True).index == -1
    for index in (1, 2):
        show.rendered.put(picture(index))
        assert show.tick().index == 1


def test_blackout_fades_both_ways() -> None:
    show = Show()
    show.rendered.put(picture(1, value=200))
    levels = [int(show.tick(blackout=True, fade=0.2).pixels[0, 0, 0]) for _ in range(6)]
    assert levels == sorted(levels, reverse=True)
    assert 0 < levels[0] < 200
    assert levels[4:] == [0, 0]
    back = [int(show.tick(blackout=False).pixels[0, 0, 0]) for _ in range(5)]
    assert back == sorted(back)
    assert back[-1] == 200


def test_blackout_without_fade_cuts() -> None:
    show = Show()
    show.rendered.put(picture(1, value=200))
    assert not show.tick(blackout=True).pixels.any()


def test_full_brightness_makes_no_copy() -> None:
    show = Show()
    full = picture(1, value=200)
    show.rendered.put(full)
    assert show.tick() is full
    assert int(show.tick(brightness=0.5).pixels[0, 0, 0]) == pytest.approx(100, abs=1)
    once = show.out[-1][0]
    assert show.tick() is once, "a held picture is faded once"


def test_panic_holds_the_safe_picture() -> None:
    show = Show()
    show.rendered.put(picture(1, revision=5))
    show.tick()
    show.output.panic(6)
    assert show.tick().index == -2
    show.rendered.put(picture(2, revision=5))
    assert show.tick().index == -2, "a picture from before the panic is not shown"
    show.rendered.put(picture(3, revision=6))
    assert show.tick().index == 3


def test_panic_cuts_out_of_a_blackout() -> None:
    show = Show()
    show.rendered.put(picture(1, revision=5))
    assert not show.tick(blackout=True, fade=0.0).pixels.any()
    show.output.panic(6)
    assert show.tick(blackout=False, fade=30.0).pixels[0, 0, 0] == 90
    assert not show.tick(blackout=True, fade=0.0).pixels.any()
    show.output.panic(7)
    show.rendered.put(picture(2, value=200, revision=7))
    assert show.tick(blackout=False, fade=30.0).pixels[0, 0, 0] == 200, "also if the renderer is faster than a tick"


def test_panic_without_a_renderer() -> None:
    show = Show()
    show.output.panic(1)
    assert show.tick().index == -2


def test_late_tick_does_not_drift() -> None:
    show = Show()
    show.stop_after = 8
    show.clock.late = {3: PERIOD // 2}
    show.output.run()
    due = [tick.at for _, tick in show.out]
    assert [later - earlier for earlier, later in itertools.pairwise(due)] == [PERIOD] * 7
    assert show.output.missed == 0


def test_missed_ticks_are_counted() -> None:
    show = Show()
    show.stop_after = 6
    show.clock.late = {2: 10 * PERIOD + PERIOD // 2}
    show.output.run()
    due = [tick.at for _, tick in show.out]
    steps = [(later - earlier) // PERIOD for earlier, later in itertools.pairwise(due)]
    assert steps == [1, 1, 10, 1, 1]
    assert show.output.missed == 9
    assert all((moment - due[0]) % PERIOD == 0 for moment in due), "it continues in phase"


def test_delay_counts_once_per_picture() -> None:
    show = Show()
    show.rendered.put(picture(1))
    show.tick()
    show.clock.time += PERIOD
    show.tick()
    assert show.output.delays.median_and_p99(show.clock.now()) == pytest.approx([(1_000_000_000 - 1) / 1e9] * 2)


def drawn(index: int, value: int, words: bool = False) -> RenderedFrame:
    pixels = np.full((4, 6, 3), value, dtype=np.uint8)
    return RenderedFrame(pixels, index, -1 if words else index, 1, 0)


def value(frame: RenderedFrame) -> int:
    return int(frame.pixels[0, 0, 0])


def test_lost_source_fades_to_black() -> None:
    show = Show()
    show.rendered.put(drawn(1, 200))
    show.policy = "fade"
    assert [value(show.tick(lost_fade=0.16)) for _ in range(5)] == [150, 100, 50, 0, 0]
    assert show.out[-1][1].repeated
    show.policy = "hold"
    assert value(show.tick()) == 0, "the old picture stays covered until a new one is drawn"
    show.rendered.put(drawn(2, 100))
    assert [value(show.tick()) for _ in range(4)] == [25, 50, 75, 100]
    assert show.out[-1][0].index == 2


def test_old_picture_is_uncovered_after_a_second() -> None:
    show = Show()
    show.rendered.put(drawn(1, 200))
    show.policy = "fade"
    show.tick(lost_fade=0.0)
    show.policy = "hold"
    values = [value(show.tick()) for _ in range(30)]
    assert values[:24] == [0] * 24
    assert values[-1] == 200, "frames that are skipped draw nothing"


def test_lost_source_shows_the_safe_picture() -> None:
    show = Show()
    show.rendered.put(drawn(1, 190))
    show.policy = "slate"
    assert [value(show.tick(lost_fade=0.08)) for _ in range(3)] == [140, 90, 90]
    assert show.out[-1][0].index == -2
    assert show.out[0][0].captured_at == 0, "a mixed picture is no measure of the delay"
    large = np.full((8, 12, 3), 190, dtype=np.uint8)
    show.policy = "hold"
    assert show.tick().index == -2
    show.rendered.put(RenderedFrame(large, 2, 2, 1, 0))
    mixed = show.tick()
    assert (value(mixed), mixed.pixels.shape) == (140, (4, 6, 3)), "a picture of another size is scaled"
    assert value(show.tick()) == 190


def test_words_cross_fade_with_frames() -> None:
    show = Show()
    show.rendered.put(drawn(1, 200))
    show.tick(lost_fade=0.16)
    show.policy = "text"
    assert value(show.tick()) == 200, "the last picture of the source, until one of words is drawn"
    show.rendered.put(drawn(2, 100, words=True))
    assert [value(show.tick()) for _ in range(4)] == [175, 150, 125, 100]
    show.policy = "hold"
    show.tick()
    show.rendered.put(drawn(3, 20))
    assert [value(show.tick()) for _ in range(4)] == [80, 60, 40, 20]
    show.rendered.put(drawn(4, 100, words=True))
    assert value(show.tick()) == 100, "a change of mode by the performer is no loss"


def test_freeze_holds_a_fade_and_panic_cuts_through() -> None:
    show = Show()
    show.rendered.put(drawn(1, 200))
    show.policy = "fade"
    assert value(show.tick(lost_fade=0.16)) == 150
    assert [value(show.tick(freeze=True)) for _ in range(3)] == [150] * 3
    show.output.panic(5)
    assert value(show.tick(freeze=False)) == 90, "the safe picture, although the source is lost"
