"""Every control has an effect: each declared parameter is changed on a running show with the shipped model.

First those that change a still picture, then those that change more than one: freeze, fade, passages and pace.
"""

import statistics
from dataclasses import replace
from itertools import pairwise

import pytest
from control_show import SAME, Picture, difference, pictures_between, settled, show_values
from control_values import COLOURS, CONTEXT, DIMMED, REBUILDS, SEPARATE, another_value, missing_test
from feed import Feed
from show import Show, until

from presets.parameter_table import PARAMETERS, Parameter


@pytest.mark.parametrize("parameter", PARAMETERS.values(), ids=lambda each: each.address)
def test_every_control_has_a_test(parameter: Parameter) -> None:
    assert not missing_test(parameter), missing_test(parameter)


def test_missing_test_names_file_and_line() -> None:
    strength, model = PARAMETERS["/strength"], PARAMETERS["/model"]
    message = missing_test(replace(strength, address="/glitter", key="glitter"))
    assert '/control_values.py, add this line to ANOTHER:\n    "/glitter": ...,  # a value' in message
    assert "the default, 0.9" in message
    assert "REBUILD_ORDER" in missing_test(replace(model, address="/second_model", key="second_model"))
    assert missing_test(strength) == missing_test(model) == ""


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "parameter",
    [each for each in PARAMETERS.values() if each.address not in SEPARATE | REBUILDS],
    ids=lambda each: each.address,
)
def test_control_changes_the_picture(show: Show, parameter: Parameter) -> None:
    value = another_value(parameter)
    assert value is not None, missing_test(parameter)
    context = CONTEXT.get(parameter.address, {})
    show.set(**context)
    # With feedback, pictures are drawn repeatedly until they converge.
    before = settled(show, drawn=10 if "feedback" in context else 1)
    values = show_values(show)
    show.set(**{parameter.address[1:]: value})
    show.picture(lambda meta, pixels: difference(pixels, before) > SAME)
    show.set(**{address[1:]: old for address, old in values.items() if address != "/preset"})
    show.picture(lambda meta, pixels: difference(pixels, before) < SAME)
    show.set(**{key: PARAMETERS[f"/{key}"].default for key in context})


def test_refused_image_leaves_the_picture(show: Show) -> None:
    before = settled(show)
    show.set(ip_adapter_image="/no/such.png")
    refused = "Image refused: There is no image /no/such.png. Name a JPEG, PNG, WebP, BMP or TIFF, or none."
    until(lambda: {"level": "warning", "text": refused} in show.status()["notices"])
    assert difference(settled(show), before) < SAME
    show.set(ip_adapter_image=COLOURS)
    show.picture(lambda meta, pixels: difference(pixels, before) > SAME)
    until(lambda: not any("Image refused" in notice["text"] for notice in show.status()["notices"]))
    show.set(ip_adapter_image="")
    show.picture(lambda meta, pixels: difference(pixels, before) < SAME)


def test_sound_moves_the_picture(show: Show) -> None:
    before = settled(show)
    until(lambda: show.status()["sound"]["state"] == "open")
    show.set(**{"lfo/1/shape": "bass", "lfo/1/amount": -1.0, "lfo/1/target": "brightness"})
    for _ in range(2):
        show.picture(lambda meta, pixels: difference(pixels // 2, before // 4) < SAME)
        show.picture(lambda meta, pixels: difference(pixels, before) < SAME)
    until(lambda: show.status()["sound"]["features"]["bass"] > 0.9)
    until(lambda: show.status()["sound"]["features"]["bass"] == 0)
    show.set(**{"lfo/1/target": "none"})
    settled(show)  # the pictures of meanwhile are read


def test_freeze(show: Show) -> None:
    before = settled(show)
    show.set(freeze=True)
    show.set(seed=999)
    until(lambda: show.status()["on_air"]["index"] > 0)
    after = settled_frozen(show)
    assert difference(before, after) == 0
    show.set(freeze=False)
    show.picture(lambda meta, pixels: difference(pixels, before) > SAME)
    show.set(seed=0)
    show.picture(lambda meta, pixels: difference(pixels, before) < SAME)


def settled_frozen(show: Show) -> Picture:
    """Return the last frame of one second."""
    frames = show.frames()
    for _ in range(30):
        _, pixels = next(frames)
    return pixels


def test_morph(show: Show) -> None:
    assert pictures_between(show, seed=12345) == 0
    show.set(morph=3.0)
    assert pictures_between(show, seed=0) >= 6
    show.set(morph_pictures=5)
    assert 2 <= pictures_between(show, seed=12345) <= 4, "the fifth is the new one"
    show.set(morph=0.0, morph_pictures=0)
    assert pictures_between(show, seed=0) == 0


@pytest.mark.parametrize("mode", ["blend", "flow"])
def test_between(show: Show, mode: str) -> None:
    show.set(max_rate=6, mode="text")
    assert not filled(show, seed=12345)
    show.set(between=mode)
    # An interval of more than half a second is not filled, and a busy machine makes some as long.
    assert any(filled(show, seed=seed) for seed in (0, 12345, 0, 12345, 0))
    show.set(seed=0)
    show.set(between="hold", max_rate=0, mode="image")


def filled(show: Show, **values: object) -> bool:
    """Set these values and return True if pictures go out that are neither the one before nor the one after."""
    before = settled(show)
    show.set(**values)
    frames = show.frames()
    seen = [pixels.copy() for _, (_, pixels) in zip(range(90), frames, strict=False)]
    after = settled(show)
    return any(min(difference(pixels, before), difference(pixels, after)) > SAME for pixels in seen)


def test_drift(show: Show) -> None:
    before = settled(show)
    show.set(drift=1.0)
    _, moved = show.picture(lambda meta, pixels: difference(pixels, before) > SAME)
    show.picture(lambda meta, pixels: difference(pixels, moved) > SAME)
    show.set(drift=0.0)
    assert difference(settled(show), before) > SAME
    show.set(seed=12345)
    settled(show)
    show.set(seed=0)
    show.picture(lambda meta, pixels: difference(pixels, before) < SAME)


def test_lfos_follow_the_tempo(show: Show) -> None:
    show.set(
        bpm=60.0, **{f"lfo/1/{name}": value for name, value in {**DIMMED, "timing": "beats", "period": 2.0}.items()}
    )
    assert lengths_of_light(show) == pytest.approx(30, abs=3)
    show.set(bpm=120.0)
    assert lengths_of_light(show) == pytest.approx(15, abs=3)
    show.set(**{"lfo/1/timing": "seconds"})
    assert lengths_of_light(show) == pytest.approx(30, abs=3)
    show.set(**{f"lfo/1/{name}": PARAMETERS[f"/lfo/1/{name}"].default for name in DIMMED})


def lengths_of_light(show: Show) -> float:
    """Return the median length in ticks of the times of one brightness, of five whole ones."""
    changes: list[int] = []
    last: Picture | None = None
    for meta, pixels in show.frames():
        if last is not None and difference(pixels, last) > SAME:
            changes.append(meta["tick"])
        last = pixels.copy()
        if len(changes) == 7:  # the first length may have begun before the change
            return statistics.median(later - earlier for earlier, later in pairwise(changes[1:]))
    raise AssertionError


def test_prompt_change_reaches_pictures_in_flight(show: Show) -> None:
    show.set(mode="text", steps=8, **{"prompt/1/text": "white ice"})
    settled(show)
    assert pictures_between(show, endless=True, **{"prompt/1/text": "fire"}) == 0
    show.set(prompt_change="all")
    assert pictures_between(show, endless=True, **{"prompt/1/text": "white ice"}) >= 2
    show.set(mode="image", steps=4, prompt_change="next", **{"prompt/1/text": "neon tunnel"})


def test_fade(show: Show) -> None:
    def ticks_to_black() -> int:
        first: int | None = None
        before = settled(show)
        show.set(blackout=True)
        for meta, pixels in show.frames():
            if first is None and difference(pixels, before) > 0:
                first = meta["tick"]
            if not pixels.any():
                assert first is not None
                return int(meta["tick"]) - first
        raise AssertionError

    cut = ticks_to_black()
    show.set(blackout=False, fade=1.0)
    faded = ticks_to_black()
    show.set(blackout=False, fade=0.0)
    assert cut <= 2
    assert 20 <= faded <= 40, "one second at 30 pictures a second"


def distances(show: Show, count: int) -> list[int]:
    """Return the numbers of source frames between one drawn picture and the next."""
    wanted = show.status()["revision"]
    drawn: list[int] = []
    for meta, _ in show.frames():
        if meta["revision"] >= wanted and meta["source_index"] not in drawn:
            drawn.append(meta["source_index"])
        if len(drawn) > count + 1:  # the first may be older than the change
            return [after - before for before, after in pairwise(drawn[1:])]
    raise AssertionError


def test_skip(show: Show, feed: Feed) -> None:
    with feed.moving():
        show.set(skip=10.0, skip_longest=24)  # the frames of `Feed` differ by less
        # Frames that come while the renderer draws are not counted as skipped.
        far = statistics.median(distances(show, 5))
        show.set(skip_longest=10)
        near = statistics.median(distances(show, 5))
        show.set(skip=0.0, skip_longest=30)
        least = statistics.median(distances(show, 10))
    assert far >= 25
    assert 11 <= near <= far - 5
    assert least <= near - 4


def test_low_latency_and_frame_buffer(show: Show, feed: Feed) -> None:
    def in_flight(pacing: str) -> int:
        wanted = show.status()["revision"]
        drawn: set[int] = set()
        show.picture(lambda meta, _: meta["revision"] >= wanted and (drawn.add(meta["index"]) or len(drawn) > 6))
        assert show.status()["renderer"]["pacing"] == pacing
        return int(show.status()["renderer"]["in_flight"])

    show.set(steps=4)
    with feed.moving():
        assert in_flight("stream") == 4
        show.set(low_latency=True)
        assert in_flight("low latency") == 1
        show.set(frame_buffer=3)
        assert in_flight("low latency") == 3
        show.set(low_latency=False)
        assert in_flight("stream") > 4
        show.set(frame_buffer=1)
        assert in_flight("stream") == 4


def test_max_rate(show: Show, feed: Feed) -> None:
    def ticks_a_picture(pictures: int) -> float:
        wanted = show.status()["revision"]
        first: dict[int, int] = {}
        for meta, _ in show.frames():
            if meta["revision"] >= wanted:
                first.setdefault(meta["index"], meta["tick"])
            if len(first) > pictures:
                return statistics.median(after - before for before, after in pairwise(first.values()))
        raise AssertionError

    with feed.moving():
        show.set(max_rate=3)
        assert 9 <= ticks_a_picture(8) <= 15, "of thirty a second"
        show.set(max_rate=0)
        assert ticks_a_picture(20) < 9
