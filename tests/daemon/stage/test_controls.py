"""Every control has an effect: each declared parameter is changed on a running show with the shipped model.

A new parameter needs a line in `ANOTHER`, or a test of its own and a place in `SEPARATE`.
"""

import json
import shutil
import statistics
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from feed import Feed
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from show import Show, until

import pipeline.shipped
from presets.declaration import Effect
from presets.parameter_table import PARAMETERS, Parameter, Value

SAME = 2.0
"""Mean difference in 8-bit levels below which two pictures are equal. Rounding depends on the batch size."""

SIDE = 128
SIZE = f"width: {SIDE}\nheight: {SIDE}\n"
"""A quarter of the pixels of the default size: a picture takes a quarter of the time."""

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def feed() -> Iterator[Feed]:
    feed = Feed(SIDE)
    yield feed
    feed.close()


@pytest.fixture(scope="module")
def running_show(tmp_path_factory: pytest.TempPathFactory, feed: Feed) -> Iterator[Show]:
    folder = tmp_path_factory.mktemp("controls") / "show"
    folder.mkdir()
    # High strength and guidance, so that the prompt has a visible effect.
    (folder / "look.yaml").write_text(f"prompt: neon tunnel\nstrength: 0.9\nguidance: 2.5\n{SIZE}")
    with Show(folder, "--source", f"zmq:{feed.address}") as show:
        while not show.status()["sources"][0]["pictures"]:  # the source may not be open yet
            feed.push(feed.still)
        show.picture(lambda meta, pixels: meta["index"] > 0 and meta["source_index"] >= 0)
        until(lambda: "next" not in show.status()["renderer"])  # no stand-in that is to be replaced
        yield show


@pytest.fixture
def show(running_show: Show) -> Iterator[Show]:
    """The running show. Values that a test leaves changed are set back, so that its failure fails no other test."""
    values = show_values(running_show)
    yield running_show
    left = {address for address, value in show_values(running_show).items() if value != values[address]}
    if left := left - {"/preset"}:
        running_show.set(**{address[1:]: values[address] for address in left})


def settled(show: Show, drawn: int = 1) -> Picture:
    """Return the picture once it no longer changes and `drawn` equal ones were drawn."""
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


def another_model(folder: Path) -> str:
    """Return the folder of another model: the shipped one with a negated convolution."""
    source = Path(pipeline.shipped.__file__).parent / "model"
    copy = folder / "another-model"
    shutil.copytree(source, copy, dirs_exist_ok=True)
    (weights,) = (copy / "unet").glob("*.safetensors")
    tensors = load_file(weights)
    tensors["conv_out.weight"] = -tensors["conv_out.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    return str(copy)


def shipped_network(folder: Path, *latents: int) -> str:
    """Export the network of the shipped model to ONNX for latents of this height and width. Return the path."""
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


ANOTHER: dict[str, Value] = {
    "/prompt/1/text": "white ice",
    "/prompt/1/weight": 0.1,
    "/negative_prompt": "fire",
    "/prompt_mix": "spherical",
    "/mode": "text",
    "/strength": 0.4,
    "/steps": 1,
    "/guidance": 6.0,
    "/guidance_kind": "self_negative",
    "/seed": 12345,
    "/seed_to": 12345,
    "/seed_mix": 0.6,
    "/feedback": 0.7,
    "/feedback_zoom": 1.5,
    "/feedback_rotate": 45.0,
    "/feedback_x": 0.3,
    "/feedback_y": 0.3,
    "/preset": "ice-cells",
    "/blackout": True,
    "/brightness": 0.4,
}
"""Another value for each parameter. The further prompts take those of the first."""

CONTEXT: dict[str, dict[str, Any]] = {
    "/negative_prompt": {"guidance": 5.0},
    "/guidance_kind": {"guidance": 6.0},
    **{f"/feedback_{warp}": {"feedback": 0.2} for warp in ("zoom", "rotate", "x", "y")},
    "/seed_to": {"seed_mix": 0.6},
    "/prompt_mix": {"prompt/2/text": "white ice", "mode": "text"},
    "/prompt/1/weight": {"prompt/2/text": "white ice"},
    **{f"/prompt/{place}/weight": {f"prompt/{place}/text": "white ice"} for place in (2, 3, 4)},
}
"""Values that other controls need for this one to have an effect."""

REBUILDS = {address for address, parameter in PARAMETERS.items() if parameter.effect is Effect.REBUILD}
REBUILD_ORDER = (("accelerator", "attention", "width", "height"), ("model",), ("engine",))
"""Keys that start a renderer, in the order in which `test_rebuilds` changes them."""
PERMISSION = {"/fallback"}
"""Allows another build and is none itself. See `tests/daemon/supervision/test_fallback.py`."""
PACE = {"/skip", "/skip_longest", "/low_latency", "/frame_buffer", "/max_rate"}
SOURCE = {"/structure", "/image_guidance"}
"""Act in models that see their source."""
PASSAGES = {"/morph", "/morph_pictures", "/drift", "/prompt_change"}
SEPARATE = {"/freeze", "/fade", *PACE, *PASSAGES, *SOURCE}
"""Parameters with a test of their own below, because they change more than one still picture, or need a model."""


def another_value(parameter: Parameter) -> Value | None:
    """Return another value for a parameter; None if there is none."""
    first = f"/prompt/1/{parameter.address.rsplit('/', 1)[-1]}" if parameter.key == "prompt" else ""
    return ANOTHER.get(parameter.address, ANOTHER.get(first))


def missing_test(parameter: Parameter) -> str:
    """Return what to add where, so that the effect of a parameter is tested; empty if it is tested."""
    address, value = parameter.address, another_value(parameter)
    if parameter.effect is Effect.REBUILD:
        if address in PERMISSION or any(address[1:] in keys for keys in REBUILD_ORDER):
            return ""
        return (
            f"{address} starts a renderer, and no test shows its effect. In {__file__}, add {address[1:]!r} to"
            " REBUILD_ORDER and to the values that test_rebuilds changes."
        )
    if address in SEPARATE or (value is not None and value != parameter.default):
        return ""
    return (
        f"{address} has no test of its effect. In {__file__}, add this line to ANOTHER:\n"
        f'    "{address}": ...,  # a value that looks different from the default, {parameter.default!r}\n'
        f"or write a test of its own and add {address!r} to SEPARATE."
    )


@pytest.mark.parametrize("parameter", PARAMETERS.values(), ids=lambda each: each.address)
def test_every_control_has_a_test(parameter: Parameter) -> None:
    assert not missing_test(parameter), missing_test(parameter)


def test_missing_test_names_file_and_line() -> None:
    strength, model = PARAMETERS["/strength"], PARAMETERS["/model"]
    message = missing_test(replace(strength, address="/glitter", key="glitter"))
    assert '/test_controls.py, add this line to ANOTHER:\n    "/glitter": ...,  # a value' in message
    assert "the default, 0.6" in message
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


def show_values(show: Show) -> dict[str, Any]:
    answer = show.ask({"do": "get"}, timeout=10_000)
    assert answer is not None
    values: dict[str, Any] = answer["values"]
    return values


def model_with_source(folder: Path) -> str:
    """Return the shipped model with further random weights by which it sees its source."""
    path = Path(another_model(folder))
    config = json.loads((path / "unet" / "config.json").read_text())
    (weights,) = (path / "unet").glob("*.safetensors")
    tensors = load_file(weights)
    first = tensors["conv_in.weight"]
    if config["in_channels"] == config["out_channels"]:
        tensors["conv_in.weight"] = torch.cat([first, first.flip(1)], 1)
        save_file(tensors, weights, metadata={"format": "pt"})
        (path / "unet" / "config.json").write_text(json.dumps(config | {"in_channels": 2 * config["out_channels"]}))
    return str(path)


@pytest.mark.timeout(240)
def test_source_controls_change_the_picture(show: Show, tmp_path: Path) -> None:
    shipped, drawn = {key: show_values(show)[f"/{key}"] for key in ("model", "accelerator")}, settled(show)
    # Eager: `auto` would go over to another precision meanwhile.
    show.set(model=model_with_source(tmp_path), accelerator="eager")
    show.picture(lambda meta, pixels: difference(pixels, drawn) > SAME)
    for key, value in (("structure", 0.2), ("image_guidance", 4.0)):
        before = settled(show)
        show.set(**{key: value})
        show.picture(lambda meta, pixels, before=before: difference(pixels, before) > SAME)
        show.set(**{key: 1.0})
        show.picture(lambda meta, pixels, before=before: difference(pixels, before) < SAME)
    show.set(**shipped)
    show.picture(lambda meta, pixels: difference(pixels, drawn) < SAME)


def pictures_between(show: Show, **values: Any) -> int:
    """Set these values and return how many pictures drawn meanwhile are neither the one before nor the one after."""
    before = settled(show)
    drawn: dict[int, Picture] = {}
    show.set(**values)
    wanted = show.status()["revision"]
    # Two seconds without another picture, or ten network calls where a call takes longer than usual.
    patience = max(60, round(10 * show.status()["renderer"]["step_ms"] / 1000 * 30))
    steady = 0
    for meta, pixels in show.frames():
        if meta["revision"] >= wanted:  # the first picture with the new values may take long on a busy machine
            steady = steady + 1 if meta["index"] in drawn else 0
        drawn[meta["index"]] = pixels.copy()
        if steady >= patience or len(drawn) >= 60:  # text mode draws without end
            break
    after = settled(show)
    return sum(min(difference(pixels, before), difference(pixels, after)) > SAME for pixels in drawn.values())


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


def test_prompt_change_reaches_pictures_in_flight(show: Show) -> None:
    show.set(mode="text", steps=8, **{"prompt/1/text": "white ice"})
    settled(show)
    assert pictures_between(show, **{"prompt/1/text": "fire"}) == 0
    show.set(prompt_change="all")
    assert pictures_between(show, **{"prompt/1/text": "white ice"}) >= 2
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


@pytest.mark.timeout(480)
def test_rebuilds(show: Show) -> None:
    """Each change starts a renderer, so the changes add up and are undone together.

    Only drawn pictures go out meanwhile, at every tick, from OpenVINO to torch and back.
    """
    before = settled(show)
    values = show_values(show)
    changed = {
        "accelerator": "eager",
        "attention": "flash",
        "width": 64,
        "height": 64,
        "model": another_model(show.folder),
        "engine": shipped_network(show.folder, 8, 8),
    }
    assert {*changed} == {key for keys in REBUILD_ORDER for key in keys}
    began = show.status()
    switched = []
    with show.every_tick() as ticks:
        drawn = [before]
        for keys in REBUILD_ORDER:
            show.set(**{key: changed[key] for key in keys})
            show.picture(lambda meta, pixels: difference(pixels, drawn[-1]) > SAME)
            switched.append(len(ticks))
            drawn.append(settled(show))
            now = show.status()["renderer"]
            assert now["size"] == [64, 64], "the size is that of the pictures on air"
            assert (now["accelerator"], now["attention"]) == ("eager", "flash")
        assert difference(drawn[3], drawn[1]) < 2 * SAME, "the engine is the network of the model before"
        assert show.status()["renderer"]["engine"] == changed["engine"]
        show.set(**{key: values[f"/{key}"] for key in changed})
        show.picture(lambda meta, pixels: difference(pixels, before) < SAME)
        switched.append(len(ticks))
        until(lambda: show.status()["renderer"]["accelerator"] == began["renderer"]["accelerator"])
        settled(show)
    assert show.status()["renderer"]["restarts"] == 0
    assert all(index > 0 for _, index, _ in ticks), "no slate"
    assert all(lit for _, _, lit in ticks), "no black"
    indices = [index for _, index, _ in ticks]
    assert indices == sorted(indices)
    # Periods between received ticks. A busy machine misses some at any time, so the rest of the run is the measure.
    periods = [after - tick for (tick, _, _), (after, _, _) in pairwise(ticks)]
    near = {place for moment in switched for place in range(moment - 30, moment + 15)}
    around = [gap for place, gap in enumerate(periods) if place in near]
    elsewhere = [gap for place, gap in enumerate(periods) if place not in near]
    assert min(periods) >= 1
    assert max(around) <= max(2, *elsewhere)
    missed_elsewhere = sum(elsewhere) / len(elsewhere) - 1
    assert sum(around) - len(around) <= len(switched) + 2 * missed_elsewhere * len(around), "switches miss no ticks"


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
