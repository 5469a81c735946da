"""A running show whose controls are tested: its pictures, their difference, and the picture after a change."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from feed import Feed
from numpy.typing import NDArray
from show import Show, until

import pipeline.shipped

SAME = 2.0
"""Mean difference in 8-bit levels below which two pictures are equal. Rounding depends on the batch size."""

Picture = NDArray[np.uint8]


@contextmanager
def control_show(folder: Path, feed: Feed, look: str, *arguments: str) -> Iterator[Show]:
    """Run a show that draws the still frame of `feed`, with the shipped model if `look` names none."""
    folder.mkdir(exist_ok=True)
    # High strength and guidance, so that the prompt has a visible effect.
    (folder / "look.yaml").write_text(f"prompt: neon tunnel\nstrength: 0.9\nguidance: 2.5\n{look}")
    with Show(folder, "--source", f"zmq:{feed.address}", *arguments) as show:
        while not show.status()["sources"][0]["pictures"]:  # the source may not be open yet
            feed.push(feed.still)
        show.picture(lambda meta, pixels: meta["index"] > 0 and meta["source_index"] >= 0)
        until(lambda: "next" not in show.status()["renderer"])  # no stand-in that is to be replaced
        yield show


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


def show_values(show: Show) -> dict[str, Any]:
    answer = show.ask({"do": "get"}, timeout=10_000)
    assert answer is not None
    values: dict[str, Any] = answer["values"]
    return values


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


def lora_of_the_shipped_model(folder: Path) -> str:
    """Return a LoRA for the shipped model: one random branch, at its last layer."""
    from safetensors.numpy import load_file, save_file

    (weights,) = (Path(pipeline.shipped.__file__).parent / "model" / "unet").glob("*.safetensors")
    out, taken, *kernel = load_file(weights)["conv_out.weight"].shape
    random, file = np.random.default_rng(3), folder / "stripes.safetensors"
    down = random.standard_normal((2, taken, *kernel)).astype(np.float32)
    up = random.standard_normal((out, 2, 1, 1)).astype(np.float32)
    save_file({"unet.conv_out.lora_A.weight": 0.1 * down, "unet.conv_out.lora_B.weight": 0.3 * up}, file)
    return str(file)


def controlnet_of_the_shipped_model(folder: Path) -> str:
    """Return the folder of a ControlNet for the shipped model: its way down, with random numbers beside it."""
    from safetensors.numpy import load_file, save_file

    unet = Path(pipeline.shipped.__file__).parent / "model" / "unet"
    config, random = json.loads((unet / "config.json").read_text()), np.random.default_rng(4)
    kept = ("conv_in", "time_embedding", "add_embedding", "down_blocks", "mid_block")
    tensors = {name: each for name, each in load_file(*unet.glob("*.safetensors")).items() if name.startswith(kept)}

    def convolution(name: str, out: int, taken: int, side: int) -> None:
        weight = random.standard_normal((out, taken, side, side)) * 1.7 / side / taken**0.5
        tensors[f"controlnet_{name}.weight"] = weight.astype(np.float32)
        tensors[f"controlnet_{name}.bias"] = np.zeros(out, np.float32)

    first, *wider = config["block_out_channels"]
    embedding = (8, 8, 16, 16)  # from the size of a picture to that of its latent
    convolution("cond_embedding.conv_in", 8, 3, 3)
    for place, (taken, out) in enumerate(pairwise(embedding)):
        convolution(f"cond_embedding.blocks.{2 * place}", taken, taken, 3)
        convolution(f"cond_embedding.blocks.{2 * place + 1}", out, taken, 3)
    convolution("cond_embedding.conv_out", first, embedding[-1], 3)
    residuals = [first, first, first, wider[0], wider[0], wider[1]]  # a layer a block, and the halving between two
    for place, width in enumerate(residuals):
        convolution(f"down_blocks.{place}", width, width, 1)
    convolution("mid_block", wider[1], wider[1], 1)
    net = folder / "edges"
    net.mkdir()
    config |= {"_class_name": "ControlNetModel", "conditioning_embedding_out_channels": embedding}
    (net / "config.json").write_text(json.dumps(config))
    save_file(tensors, net / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    return str(net)


def another_model(folder: Path) -> str:
    """Return the folder of another model: the shipped one with a negated convolution."""
    from safetensors.torch import load_file, save_file  # with torch, which takes seconds

    copy = folder / "another-model"
    shutil.copytree(Path(pipeline.shipped.__file__).parent / "model", copy)
    (weights,) = (copy / "unet").glob("*.safetensors")
    tensors = load_file(weights)
    tensors["conv_out.weight"] = -tensors["conv_out.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    return str(copy)
