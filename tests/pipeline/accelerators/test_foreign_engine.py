"""Foreign ONNX files are recognised by their inputs, wrapped unchanged, and refused with a reason."""

import shutil
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.accelerators import foreign_engine
from pipeline.accelerators.adaptive import AdaptiveDenoiser
from pipeline.accelerators.engines import Engines, Shapes, TensorPort, left_out
from pipeline.conditioning import Conditioning, ConditioningShape, EncodedText
from pipeline.denoiser import ConditioningRows, Denoiser
from pipeline.guidance import Guidance
from pipeline.image_stream import ImageStream
from pipeline.models import load_model
from pipeline.stream import StreamPipeline
from presets.build import Build
from presets.errors import ModelError
from presets.frame_parameters import without_morph
from presets.parameters import Parameters, WeightedPrompt

SHAPES = Shapes(64, 64, (4, 8, 8), (12, 16), 8)
TOLERANCE = 1e-4


class Toy(nn.Module):
    """A network with a denoiser's inputs: nonlinear in each, and cheap to export."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(2)
            self.conv = nn.Conv2d(4, 4, 3, padding=1, dtype=dtype)
            self.text = nn.Linear(16, 4, dtype=dtype)

    def forward(self, latents: torch.Tensor, timestep: torch.Tensor, embeds: torch.Tensor) -> torch.Tensor:
        told = torch.sin(timestep.to(torch.float32) / 300.0).to(latents.dtype).reshape(-1, 1, 1, 1)
        heard = self.text(embeds.mean(1))[:, :, None, None]
        return torch.tanh(self.conv(latents) * (1.0 + told)) + heard * told


def write_onnx(
    network: nn.Module, path: Path, names: Sequence[str], inputs: Sequence[torch.Tensor], batched: Sequence[bool]
) -> Path:
    """Export with the older exporter and its names, with a dynamic batch if `batched`."""
    axes = {name: {0: "B"} for name, free in zip(names, batched, strict=True) if free}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), tuple(inputs), path, input_names=list(names), output_names=["out_sample"], dynamo=False,
            opset_version=17, dynamic_axes=axes | ({"out_sample": {0: "B"}} if batched[0] else {}),
        )  # fmt: skip
    return path


def toy(
    path: Path,
    *,
    names: Sequence[str] = ("sample", "timestep", "encoder_hidden_states"),
    batch: int | None = None,
    timestep: tuple[int, ...] | None = None,
    told: torch.dtype = torch.float32,
    dtype: torch.dtype = torch.float32,
    embeds: tuple[int, int] = (12, 16),
    latent: tuple[int, int, int] = (4, 8, 8),
) -> Path:
    """Export `Toy`, with a dynamic batch and a timestep for each row unless told otherwise."""
    rows = batch or 2
    inputs = (
        torch.randn(rows, *latent).to(dtype),
        torch.full((rows,) if timestep is None else timestep, 500.0).to(told),
        torch.randn(rows, *embeds).to(dtype),
    )
    free = [batch is None, batch is None and timestep is None, batch is None]
    return write_onnx(Toy(dtype), path, names, inputs, free)


def bare() -> Engines:
    """Engines without a denoiser."""
    return Engines(left_out, lambda pixels: pixels, lambda latent: latent, (), torch.device("cpu"), "float32")


def inputs(told: Sequence[float]) -> tuple[torch.Tensor, torch.Tensor, ConditioningRows]:
    generator = torch.Generator().manual_seed(len(told))
    return (
        torch.randn(len(told), *SHAPES.latent, generator=generator),
        torch.tensor(told),
        ConditioningRows(torch.randn(len(told), *SHAPES.embeds, generator=generator)),
    )


MIXED = [1000.0, 500.0, 1000.0, 250.0, 500.0]

KINDS: dict[str, tuple[dict[str, Any], str, float]] = {
    "vector": ({}, "one call a step", 1e-5),
    "vector of whole numbers": ({"told": torch.int64}, "one call a step", 1e-5),
    "vector, half": ({"dtype": torch.float16}, "one call a step", 1e-2),
    "vector, other names": ({"names": ("hidden_states", "t", "context")}, "one call a step", 1e-5),
    "vector of two rows": ({"batch": 2}, "one call for every 2 rows", 1e-5),
    "scalar": ({"timestep": ()}, "one call for each distinct timestep", 1e-5),
    "one beside any batch": ({"timestep": (1,), "told": torch.int64}, "one call for each distinct timestep", 1e-5),
    "scalar of two rows": (
        {"timestep": (), "batch": 2}, "one call for each distinct timestep, of at most 2 rows", 1e-5,
    ),
    "one row": ({"batch": 1}, "one call for each row", 1e-5),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_matches_network(kind: str, tmp_path: Path) -> None:
    options, forward, tolerance = KINDS[kind]
    engines = foreign_engine.plug(toy(tmp_path / "toy.onnx", **options), bare(), SHAPES, 1)
    assert engines.forward == forward
    assert engines.precision == ("float16" if "half" in kind else "float32")
    assert isinstance(engines.denoiser, AdaptiveDenoiser) == (forward != "one call a step")
    latents, timesteps, text = inputs(MIXED)
    with torch.no_grad():
        expected = Toy()(latents, timesteps, text.embeds)
        assert (Toy()(latents, timesteps, text.embeds.flip(-1)) - expected).abs().max() > 100 * TOLERANCE
        assert (Toy()(latents, timesteps.flip(0), text.embeds) - expected).abs().max() > 100 * TOLERANCE
    out = engines.denoiser(latents, timesteps, text)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, expected, rtol=0, atol=tolerance)
    size = 2 if "two rows" in kind and "scalar" not in kind else 1
    assert engines.sizes == tuple(range(size, SHAPES.rows + 1, size))


class Described:
    """A network of which only the description is read."""

    def __init__(self, *ports: TensorPort, out: TensorPort | None = None) -> None:
        self.inputs = ports
        self.outputs = (out or TensorPort("out", (None, 4, 8, 8), torch.float32),)

    def __call__(self, inputs: Any, out: torch.Tensor) -> None:
        raise NotImplementedError


SAMPLE = TensorPort("sample", (None, 4, None, None), torch.float16)
TIMESTEP = TensorPort("timestep", (None,), torch.int64)
WORDS = TensorPort("encoder_hidden_states", (None, 12, 16), torch.float16)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (Described(SAMPLE._replace(shape=(None, 9, None, None)), TIMESTEP, WORDS),
         r"sample is float16 \[any × 9 × any × any\]; latents of this model at this size are float32 \[any × 4"),
        (Described(SAMPLE._replace(shape=(2, 4, 64, 64)), TIMESTEP, WORDS), r"sample is float16 \[2 × 4 × 64 × 64\]"),
        (Described(SAMPLE._replace(shape=(None, 4, 64)), TIMESTEP, WORDS), r"sample is float16 \[any × 4 × 64\]"),
        (Described(SAMPLE._replace(dtype=torch.uint8), TIMESTEP, WORDS), "sample is uint8"),
        (Described(SAMPLE, TIMESTEP, WORDS._replace(shape=(None, 77, 768))),
         r"encoder_hidden_states is float16 \[any × 77 × 768\]; a text of this model is float32 \[any × 12 × 16\]"),
        (Described(SAMPLE, TIMESTEP._replace(shape=(3,)), WORDS), r"timestep is int64 \[3\], beside any number"),
        (Described(SAMPLE, TIMESTEP._replace(shape=(None, 2)), WORDS), r"timestep is int64 \[any × 2\]; timesteps"),
        (Described(SAMPLE, TIMESTEP._replace(dtype=torch.bool), WORDS), "timestep is bool"),
        (Described(SAMPLE, TensorPort("timestep", (), torch.bool), WORDS),
         r"timestep is bool \[\]; one timestep for all"),
        (Described(SAMPLE, TensorPort("timestep", (1,), torch.uint8), WORDS), r"timestep is uint8 \[1\]; one timestep"),
        *((Described(SAMPLE._replace(shape=(rows, 4, 8, 8)), TensorPort("timestep", (), torch.float32),
                     WORDS._replace(shape=(rows, 12, 16)), out=TensorPort("out", (rows, 4, 8, 8), torch.float32)),
           f"takes {rows} rows a call; this stream has 1 to 8") for rows in (0, -1, 65, 10**9, 2**62)),
        (Described(SAMPLE, TIMESTEP), "no input for the embeds"),
        (Described(SAMPLE, TIMESTEP, WORDS, TensorPort("time_ids", (None, 6), torch.float32)),
         r"wants an input 'time_ids', float32 \[any × 6\]; a stream provides latents, timesteps and a text"),
        (Described(SAMPLE, TIMESTEP, WORDS, TensorPort("latent_image", (None, 4, 8, 8), torch.float32)),
         "wants an input 'latent_image'"),
        (Described(SAMPLE, TIMESTEP, WORDS, out=TensorPort("pooled", (None, 768), torch.float32)),
         r"its pooled is float32 \[any × 768\]; the output must be"),
    ],
)  # fmt: skip
def test_unfitting_input_is_explained(network: Described, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        foreign_engine.fitted(Path("engine.onnx"), network, SHAPES)


def build_of(folder: Path, engine: str) -> Build:
    build = Build(model=str(folder), width=64, height=64, accelerator="eager", slots=1)
    return build.model_copy(update={"engine": engine})


def test_other_files_are_refused_early(tiny_folder: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def refused(name: str) -> str:
        build = build_of(tiny_folder, str(tmp_path / name))
        with pytest.raises(ModelError) as raised:
            ImageStream.build(build, lambda text, fraction: said.append(text))
        return str(raised.value)

    (tmp_path / "words.txt").write_text("hello")
    (tmp_path / "damaged.onnx").write_bytes(b"hello")
    assert "There is no engine file" in refused("nowhere.onnx")
    assert "words.txt is a '.txt' file; an engine is one of .onnx, .engine, .plan" in refused("words.txt")
    assert said == ["reading the model"] * 2
    assert "damaged.onnx can't be read as ONNX" in refused("damaged.onnx")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("~nosuchuser/x.onnx", "~nosuchuser/x.onnx can't be looked for: "),
        ("x" * 300 + ".onnx", "can't be looked for: File name too long"),
        ("\udcff.onnx", r"'\\udcff.onnx' is no text"),
        ("\0.onnx", "There is no engine file|can't be looked for"),
    ],
    ids=("another's home", "long", "bytes", "nought"),
)
def test_impossible_names_are_refused(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if name.startswith("\udcff"):
        Path(name).write_bytes(b"hello")
    with pytest.raises(ModelError, match=sentence) as raised:
        ImageStream.build(build_of(tiny_folder, name), lambda text, fraction: None)
    str(raised.value).encode()


def test_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    toy(tmp_path / "toy.onnx")
    assert foreign_engine.plug(Path("~/toy.onnx"), bare(), SHAPES, 1).forward == "one call a step"


def test_engine_with_nan_is_refused(tmp_path: Path) -> None:
    network = Toy()
    with torch.no_grad():
        network.conv.weight[0, 0, 0, 0] = torch.nan
    latents, timesteps, text = inputs([500.0, 250.0])
    names = ("sample", "timestep", "encoder_hidden_states")
    path = write_onnx(network, tmp_path / "black.onnx", names, (latents, timesteps, text.embeds), [True] * 3)
    with pytest.raises(ModelError, match=r"black\.onnx returns NaN or infinity for ordinary inputs"):
        foreign_engine.plug(path, bare(), SHAPES, 1)


@pytest.fixture(scope="module")
def small_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a UNet of one level, which exports in a third of the time."""
    from diffusers import UNet2DConditionModel

    folder = Path(shutil.copytree(tiny_folder, tmp_path_factory.mktemp("small") / "model"))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        unet = UNet2DConditionModel(
            sample_size=8, block_out_channels=(16,), layers_per_block=1, down_block_types=("CrossAttnDownBlock2D",),
            up_block_types=("CrossAttnUpBlock2D",), mid_block_type=None, norm_num_groups=8, attention_head_dim=4,
            cross_attention_dim=16,
        )  # fmt: skip
        with torch.no_grad():
            for name, weight in unet.named_parameters():
                if "attn2.to_v" in name or "attn2.to_out.0.weight" in name:
                    weight.mul_(8.0)
    shutil.rmtree(folder / "unet")
    unet.save_pretrained(folder / "unet")
    return folder


class Demo(nn.Module):
    """Export the UNet as NVIDIA's Stable Diffusion demo does: one timestep for all rows of any batch."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, embeds: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.unet(sample, timestep, embeds, return_dict=False)[0]
        return out


@pytest.fixture(scope="module")
def scalar_unet(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scalar") / "unet.onnx"
    latents, timesteps, text = inputs([500.0, 500.0])
    names = ("sample", "timestep", "encoder_hidden_states")
    return write_onnx(
        Demo(load_model(small_folder).unet), path, names, (latents, timesteps[:1], text.embeds), [True, False, True]
    )


def conditioning(seed: int) -> Conditioning:
    generator = torch.Generator().manual_seed(seed)
    return Conditioning(*(EncodedText(torch.randn(SHAPES.embeds, generator=generator)) for _ in range(2)))


def streamed(denoiser: Denoiser, sizes: tuple[int, ...], schedule: Any, shift: int = 0) -> list[torch.Tensor]:
    stream = StreamPipeline(
        denoiser, slots=4, latent_shape=SHAPES.latent, conditioning=ConditioningShape(SHAPES.embeds), sizes=sizes
    )
    out: list[torch.Tensor] = []
    for picture in range(6):
        stream.admit(
            None, schedule(3 + picture % 2, 1.0), conditioning(picture + shift), guidance=Guidance(1.0 + picture % 2)
        )
        out += [latent.clone() for latent, _ in stream.step()]
        while not stream.free:
            out += [latent.clone() for latent, _ in stream.step()]
    while stream.in_flight:
        out += [latent.clone() for latent, _ in stream.step()]
    return out


def test_scalar_unet_matches_eager_stream(small_folder: Path, scalar_unet: Path) -> None:
    model = load_model(small_folder)
    unet: Any = model.unet

    @torch.inference_mode()
    def vector(latents: torch.Tensor, timesteps: torch.Tensor, text: ConditioningRows) -> torch.Tensor:
        out: torch.Tensor = unet(latents, timesteps, text.embeds, return_dict=False)[0]
        return out

    engines = foreign_engine.plug(scalar_unet, bare(), SHAPES, 1)
    assert engines.forward == "one call for each distinct timestep"
    expected = streamed(vector, tuple(range(1, 9)), model.schedule)
    others = streamed(vector, tuple(range(1, 9)), model.schedule, shift=100)
    assert len(expected) == 6
    assert min((one - other).abs().max() for one, other in zip(expected, others, strict=True)) > 100 * TOLERANCE
    for picture, wanted in zip(streamed(engines.denoiser, engines.sizes, model.schedule), expected, strict=True):
        torch.testing.assert_close(picture, wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("accelerator", ["eager", "openvino"])
def test_engine_plays_like_model(small_folder: Path, scalar_unet: Path, tmp_path: Path, accelerator: str) -> None:
    def pictures(build: Build) -> list[Any]:
        stream = ImageStream.build(build, lambda text, fraction: None)
        assert stream.description["engine"] == build.engine
        assert stream.description["forward"].endswith("distinct timestep" if build.engine else "a step")
        out = []
        for seed in range(3):
            parameters = Parameters(mode="text", seed=seed, steps=3, prompt=(WeightedPrompt(text="ab"),))
            moment = without_morph(parameters)
            stream.admit(None, moment, stream.encode(moment.wording))
            out += [picture.pixels for picture in stream.step()]
        while stream.in_flight:
            out += [picture.pixels for picture in stream.step()]
        return out

    own = pictures(Build(model=str(small_folder), width=64, height=64, accelerator="eager", slots=3))
    foreign_build = Build(
        model=str(small_folder),
        width=64,
        height=64,
        accelerator=accelerator,
        slots=3,
        cache=tmp_path,
        engine=str(scalar_unet),
    )
    for one, other in zip(own, pictures(foreign_build), strict=True):
        assert np.abs(one.astype(int) - other).max() <= 2
    assert all(np.abs(one.astype(int) - other).max() > 2 for one, other in pairwise(own))
