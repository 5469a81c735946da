"""Controls that start a renderer: each has an effect, and no tick is missed."""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from control_show import (
    SAME,
    Picture,
    another_model,
    control_show,
    difference,
    settled,
    show_values,
)
from control_values import ANOTHER, LORAS, REBUILD_ORDER
from feed import Feed
from judged_switches import JudgedSwitches
from shipped_adapters import (
    controlnet_of_the_shipped_model,
    ip_adapter_of_the_shipped_model,
    lora_of_the_shipped_model,
)
from show import Show, until
from tiny_depth_model import write_depth_model

from presets.build import Build

SIDE = 128
START = 240.0
"""Most seconds for the start of a renderer. It has the lowest priority, and a busy machine gives it little."""


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    """A show of the shipped model on OpenVINO. One thread leaves few candidates to measure."""
    folder = tmp_path_factory.mktemp("rebuilds")
    convert_ahead(folder / "cache")
    feed = Feed(SIDE)
    look = f"accelerator: openvino\nwidth: {SIDE}\nheight: {SIDE}\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        with control_show(folder / "show", feed, look, "--threads", "1") as show:
            yield show
    feed.close()


def convert_ahead(cache: Path) -> None:
    """Convert the shipped model as ``streamflow-live build`` does, so that no stand-in plays first."""

    from pipeline.accelerators.engines import Preparation
    from pipeline.accelerators.openvino_convert import converted, openvino_core
    from pipeline.accelerators.openvino_text import text_encoder
    from pipeline.models import SHIPPED, load_model
    from pipeline.prepared_engines import shapes_of

    root, model = cache / "streamflow-live" / "engines", load_model(SHIPPED)
    shapes = shapes_of(Build(width=SIDE, height=SIDE), model)
    converted(openvino_core(), model, shapes, lambda text, fraction: None, root)
    text_encoder(model, Preparation(lambda text, fraction: None, cache=root))


@pytest.mark.timeout(300)
def test_controls_on_openvino(show: Show) -> None:
    """Each input of the compiled networks has an effect. `test_controls` has every control, on torch."""
    for key in ("prompt/1/text", "strength", "structure", "steps", "guidance", "image_guidance", "seed"):
        before, values = settled(show), show_values(show)
        show.set(**{key: ANOTHER[f"/{key}"]})
        show.picture(lambda meta, pixels, before=before: difference(pixels, before) > SAME)
        show.set(**{key: values[f"/{key}"]})
        settled(show)


def shipped_network(folder: Path, *latents: int) -> str:
    """Export the network of the shipped model to ONNX for latents of this height and width. Return the path."""
    import torch

    from pipeline.models import SHIPPED, load_model

    model = load_model(SHIPPED)
    channels = int(model.configurations["unet"]["in_channels"])
    example = torch.zeros(2, channels, *latents), torch.tensor([1000.0, 500.0]), torch.zeros(2, *model.conditioning[0])
    names, path = ["sample", "timestep", "encoder_hidden_states"], folder / "unet.onnx"
    free = {name: {0: "B"} for name in [*names, "out_sample"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.denoiser, example, path, input_names=names, output_names=["out_sample"], dynamic_axes=free,
            opset_version=17, dynamo=False,
        )  # fmt: skip
    return str(path)


def playing(show: Show) -> list[Any]:
    """Return the accelerator, attention and size that are on air."""
    now = show.status()["renderer"]
    return [now["accelerator"], now["attention"], now["size"]]


@pytest.mark.timeout(900)
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
        **dict.fromkeys(LORAS, lora_of_the_shipped_model(show.folder)),
        "controlnet": controlnet_of_the_shipped_model(show.folder),
        "controlnet_preprocessor": "depth",
        "controlnet_depth_model": str(write_depth_model(show.folder / "depth")),
        "ip_adapter": (ip_adapter := ip_adapter_of_the_shipped_model(show.folder)),
        "ip_adapter_encoder": str(Path(ip_adapter).parent / "image_encoder"),
        "model": another_model(show.folder),
        "engine": shipped_network(show.folder, 8, 8),
    }
    assert {*changed} == {key for keys in REBUILD_ORDER for key in keys}
    began, wanted = playing(show), ["eager", "flash", [64, 64]]
    with show.every_tick() as ticks:
        drawn, switches = [before], JudgedSwitches(ticks)

        def play(values: dict[str, Any], settings: list[Any], arrived: Callable[[Picture], bool]) -> Picture:
            show.set(**values)
            # The engines that play may be exchanged for faster ones meanwhile, which moves the picture too.
            until(lambda: playing(show) == settings, START)
            show.picture(lambda meta, pixels: arrived(pixels), START)
            switches.arrived()
            return settled(show)

        def differs(pixels: Picture) -> bool:
            return difference(pixels, drawn[-1]) > SAME

        def returns(pixels: Picture) -> bool:
            return difference(pixels, drawn[-1]) < SAME

        for keys in REBUILD_ORDER:
            # An engine has no inputs for them.
            without = dict.fromkeys((*LORAS, "controlnet", "ip_adapter") if "engine" in keys else (), "")
            new, old = {**without, **{key: changed[key] for key in keys}}, show_values(show)
            former, settings = {key: old[f"/{key}"] for key in new}, playing(show)
            drawn.append(switches.make(partial(play, new, wanted, differs), partial(play, former, settings, returns)))
            assert playing(show) == wanted, "the size is that of the pictures on air"
        assert difference(drawn[4], drawn[1]) < 2 * SAME, "the engine is the network of the model before"
        assert show.status()["renderer"]["engine"] == changed["engine"]
        last = {key: value for key, value in changed.items() if key not in without}
        all_back = {key: values[f"/{key}"] for key in changed}
        switches.make(
            partial(play, all_back, began, lambda pixels: difference(pixels, before) < SAME),
            partial(play, {**without, **last}, wanted, returns),
        )
    assert show.status()["renderer"]["restarts"] == 0
    assert all(tick.index > 0 for tick in ticks), "no slate"
    assert all(tick.lit for tick in ticks), "no black"
    indices = [tick.index for tick in ticks]
    assert indices == sorted(indices)
    assert min(after.number - tick.number for tick, after in pairwise(ticks)) >= 1
