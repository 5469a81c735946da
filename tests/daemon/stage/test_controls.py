"""No dead control: every parameter of the declaration, turned on a running show with the shipped model, changes it."""

import shutil
import statistics
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feed import Feed
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from show import Show, until

import pipeline.shipped
from presets.declaration import Effect
from presets.parameter_table import PARAMETERS, Parameter

SAME = 2.0
"""Mean difference in 8-bit levels below which two pictures are the same: batches of other sizes round otherwise."""

SIDE = 128
SIZE = f"width: {SIDE}\nheight: {SIDE}\n"
"""A quarter of the pixels that the model knows best: it obeys, and a picture takes a quarter of the time."""

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def feed() -> Iterator[Feed]:
    feed = Feed(SIDE)
    yield feed
    feed.close()


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory, feed: Feed) -> Iterator[Show]:
    folder = tmp_path_factory.mktemp("controls") / "show"
    folder.mkdir()
    # Far from the source and well guided: words are heard then.
    (folder / "look.yaml").write_text(f"prompt: neon tunnel\nstrength: 0.9\nguidance: 2.5\n{SIZE}")
    with Show(folder, "--source", f"zmq:{feed.address}") as show:
        while not show.status()["sources"][0]["pictures"]:  # it is not heard before the source has opened
            feed.push(feed.still)
        show.picture(lambda meta, pixels: meta["index"] > 0 and meta["source_index"] >= 0)
        until(lambda: "next" not in show.status()["renderer"])  # no stand-in that another takes over from
        yield show


def settled(show: Show, drawn: int = 1) -> Picture:
    """The picture that stands once nothing changes any more, when so many were drawn that are the same."""
    wanted = show.status()["revision"]
    last: Picture | None = None
    steady: list[int] = []
    for meta, pixels in show.frames():
        same = last is not None and difference(last, pixels) < 0.5
        steady = [*steady, meta["index"]] if same and meta["revision"] >= wanted else []
        last = pixels
        if len(steady) >= 15 and len(set(steady)) >= drawn:
            return pixels.copy()
    raise AssertionError


def difference(one: Picture, other: Picture) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


def damaged_copy(folder: Path) -> str:
    """The shipped model with one convolution turned round: another model, in the same format."""
    source = Path(pipeline.shipped.__file__).parent / "model"
    copy = folder / "another-model"
    shutil.copytree(source, copy, dirs_exist_ok=True)
    (weights,) = (copy / "unet").glob("*.safetensors")
    tensors = load_file(weights)
    tensors["conv_out.weight"] = -tensors["conv_out.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    return str(copy)


def shipped_network(folder: Path, *latents: int) -> str:
    """The shipped model's network as others would export it, for latents of this height and width."""
    import torch

    from pipeline.models import SHIPPED, load_model

    model = load_model(SHIPPED)
    example = torch.zeros(2, 4, *latents), torch.tensor([1000.0, 500.0]), torch.zeros(2, *model.conditioning[0])
    names, path = ["sample", "timestep", "encoder_hidden_states"], folder / "unet.onnx"
    free = {name: {0: "B"} for name in [*names, "out_sample"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.unet, example, path, input_names=names, output_names=["out_sample"], dynamic_axes=free,
            opset_version=17, dynamo=False,
        )  # fmt: skip
    return str(path)


ANOTHER: dict[str, Callable[[Show], Any]] = {
    "/prompt/1/text": lambda show: "white ice",
    "/prompt/1/weight": lambda show: 0.1,
    "/negative_prompt": lambda show: "fire",
    "/prompt_mix": lambda show: "spherical",
    "/mode": lambda show: "text",
    "/strength": lambda show: 0.4,
    "/steps": lambda show: 1,
    "/guidance": lambda show: 6.0,
    "/guidance_kind": lambda show: "self_negative",
    "/seed": lambda show: 12345,
    "/seed_to": lambda show: 12345,
    "/seed_mix": lambda show: 0.6,
    "/feedback": lambda show: 0.7,
    "/feedback_zoom": lambda show: 1.5,
    "/feedback_rotate": lambda show: 45.0,
    "/feedback_x": lambda show: 0.3,
    "/feedback_y": lambda show: 0.3,
    "/preset": lambda show: "ice-cells",
    "/blackout": lambda show: True,
    "/brightness": lambda show: 0.4,
}
"""Another value for each; texts and weights of the further prompts follow from the first's."""

CONTEXT: dict[str, dict[str, Any]] = {
    "/negative_prompt": {"guidance": 5.0},
    "/guidance_kind": {"guidance": 6.0},
    **{f"/feedback_{warp}": {"feedback": 0.2} for warp in ("zoom", "rotate", "x", "y")},
    "/seed_to": {"seed_mix": 0.6},
    "/prompt_mix": {"prompt/2/text": "white ice", "mode": "text"},
    "/prompt/1/weight": {"prompt/2/text": "white ice"},
    **{f"/prompt/{place}/weight": {f"prompt/{place}/text": "white ice"} for place in (2, 3, 4)},
}
"""What must stand for a control to be heard."""

REBUILDS = {address for address, parameter in PARAMETERS.items() if parameter.effect is Effect.REBUILD}
PACE = {"/skip", "/skip_longest", "/low_latency", "/frame_buffer", "/max_rate"}
WAYS = {"/morph", "/morph_pictures", "/drift", "/prompt_change"}
APART = {"/freeze", "/fade", *PACE, *WAYS, *REBUILDS}
"""Turned in tests of their own below: what they change is not one still picture."""


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "parameter", [each for each in PARAMETERS.values() if each.address not in APART], ids=lambda each: each.address
)
def test_turning_it_changes_the_picture_and_turning_it_back_brings_the_picture_back(
    show: Show, parameter: Parameter
) -> None:
    context = CONTEXT.get(parameter.address, {})
    show.set(**context)
    # With feedback it is drawn again and again, on the way to a picture that stands.
    before = settled(show, drawn=10 if "feedback" in context else 1)
    values = show_values(show)
    inner = parameter.address.rsplit("/", 1)[-1]
    value = ANOTHER.get(parameter.address) or ANOTHER[f"/prompt/1/{inner}"]
    show.set(**{parameter.address[1:]: value(show)})
    show.picture(lambda meta, pixels: difference(pixels, before) > SAME)
    show.set(**{address[1:]: old for address, old in values.items() if address != "/preset"})
    show.picture(lambda meta, pixels: difference(pixels, before) < SAME)
    show.set(**{key: PARAMETERS[f"/{key}"].default for key in context})


def show_values(show: Show) -> dict[str, Any]:
    answer = show.ask({"do": "get"}, timeout=10_000)
    assert answer is not None
    values: dict[str, Any] = answer["values"]
    return values


def on_the_way(show: Show, **values: Any) -> int:
    """How many pictures are drawn that are neither the one before these values are set nor the one after."""
    before = settled(show)
    drawn: dict[int, Picture] = {}
    show.set(**values)
    wanted = show.status()["revision"]
    steady = 0
    for meta, pixels in show.frames():
        steady = steady + 1 if meta["index"] in drawn or meta["revision"] < wanted else 0
        drawn[meta["index"]] = pixels.copy()
        if steady >= 30 or len(drawn) >= 60:  # in text mode it is drawn again and again
            break
    after = settled(show)
    return sum(min(difference(pixels, before), difference(pixels, after)) > SAME for pixels in drawn.values())


def test_freeze_holds_against_another_seed(show: Show) -> None:
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
    """The last of a second's worth of ticks."""
    frames = show.frames()
    for _ in range(30):
        _, pixels = next(frames)
    return pixels


def test_a_morph_is_pictures_on_the_way_for_so_long_or_so_many(show: Show) -> None:
    assert on_the_way(show, seed=12345) == 0
    show.set(morph=3.0)
    assert on_the_way(show, seed=0) >= 6
    show.set(morph_pictures=5)
    assert 2 <= on_the_way(show, seed=12345) <= 4, "the fifth is there"
    show.set(morph=0.0, morph_pictures=0)
    assert on_the_way(show, seed=0) == 0


def test_drift_moves_a_still_picture_until_it_is_held_and_another_seed_begins_anew(show: Show) -> None:
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


def test_a_prompt_change_for_all_reaches_those_in_flight(show: Show) -> None:
    show.set(mode="text", steps=8, **{"prompt/1/text": "white ice"})
    settled(show)
    assert on_the_way(show, **{"prompt/1/text": "fire"}) == 0
    show.set(prompt_change="all")
    assert on_the_way(show, **{"prompt/1/text": "white ice"}) >= 2
    show.set(mode="image", steps=4, prompt_change="next", **{"prompt/1/text": "neon tunnel"})


def test_fade_is_how_long_blackout_takes(show: Show) -> None:
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
    """How many source pictures lie between one drawn picture and the next."""
    wanted = show.status()["revision"]
    drawn: list[int] = []
    for meta, _ in show.frames():
        if meta["revision"] >= wanted and meta["source_index"] not in drawn:
            drawn.append(meta["source_index"])
        if len(drawn) > count + 1:  # the first may have been begun before
            return [after - before for before, after in pairwise(drawn[1:])]
    raise AssertionError


@pytest.mark.timeout(480)
def test_what_rebuilds_takes_over_one_after_another_and_back_at_once_between_two_pictures(show: Show) -> None:
    """Each is a renderer of its own, so they are turned on top of one another, and turned back together.

    On the way nothing but drawn pictures goes out, every tick of them: from OpenVINO to torch and back.
    """
    before = settled(show)
    values = show_values(show)
    turned = {
        "accelerator": "eager",
        "attention": "flash",
        "width": 64,
        "height": 64,
        "model": damaged_copy(show.folder),
        "engine": shipped_network(show.folder, 8, 8),
    }
    assert {f"/{key}" for key in turned} | {"/fallback"} == REBUILDS
    began = show.status()
    switched = []
    with show.every_tick() as ticks:
        drawn = [before]
        for keys in (("accelerator", "attention", "width", "height"), ("model",), ("engine",)):
            show.set(**{key: turned[key] for key in keys})
            show.picture(lambda meta, pixels: difference(pixels, drawn[-1]) > SAME)
            switched.append(len(ticks))
            drawn.append(settled(show))
            now = show.status()["renderer"]
            assert now["size"] == [64, 64], "each of them is that of the pictures that come"
            assert (now["accelerator"], now["attention"]) == ("eager", "flash")
        assert difference(drawn[3], drawn[1]) < 2 * SAME, "the engine is the network that the model was before"
        assert show.status()["renderer"]["engine"] == turned["engine"]
        show.set(**{key: values[f"/{key}"] for key in turned})
        show.picture(lambda meta, pixels: difference(pixels, before) < SAME)
        switched.append(len(ticks))
        until(lambda: show.status()["renderer"]["accelerator"] == began["renderer"]["accelerator"])
        settled(show)
    assert show.status()["renderer"]["restarts"] == 0
    assert all(index > 0 for _, index, _ in ticks), "no slate"
    assert all(lit for _, _, lit in ticks), "no black"
    indices = [index for _, index, _ in ticks]
    assert indices == sorted(indices)
    # Periods from each tick that came to the next. A machine that is short of time leaves some out at any moment.
    periods = [after - tick for (tick, _, _), (after, _, _) in pairwise(ticks)]
    near = {place for moment in switched for place in range(moment - 30, moment + 15)}
    elsewhere = max(gap for place, gap in enumerate(periods) if place not in near)
    assert min(periods) >= 1
    assert max(gap for place, gap in enumerate(periods) if place in near) <= max(2, elsewhere)
    assert show.status()["missed_ticks"] - began["missed_ticks"] <= max(len(switched), len(ticks) // 100)


def test_skip_leaves_out_what_hardly_differs_for_at_most_its_longest_run(show: Show, feed: Feed) -> None:
    with feed.moving():
        show.set(skip=10.0, skip_longest=24)  # one step of the still differs by less
        # While it draws, the renderer sees none of the source's pictures: those come on top.
        far = statistics.median(distances(show, 5))
        show.set(skip_longest=10)
        near = statistics.median(distances(show, 5))
        show.set(skip=0.0, skip_longest=30)
        least = statistics.median(distances(show, 10))
    assert far >= 25
    assert 11 <= near <= far - 5
    assert least <= near - 4


def test_low_latency_and_the_frame_buffer_are_how_many_pictures_are_in_flight(show: Show, feed: Feed) -> None:
    def in_flight(pacing: str) -> int:
        wanted = show.status()["revision"]
        drawn: set[int] = set()
        show.picture(lambda meta, _: meta["revision"] >= wanted and (drawn.add(meta["index"]) or len(drawn) > 6))
        assert show.status()["renderer"]["pacing"] == pacing
        return int(show.status()["renderer"]["in_flight"])

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


def test_max_rate_is_how_long_a_picture_stands_at_the_least(show: Show, feed: Feed) -> None:
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
