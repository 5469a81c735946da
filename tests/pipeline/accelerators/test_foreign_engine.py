"""Foreign ONNX files as denoisers: recognised by their inputs, and refused with the reason if they do not fit."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_networks import SHAPES, TOLERANCE, SmallNetwork, engines_without_denoiser, inputs, write_onnx

from pipeline.accelerators import foreign_engine
from pipeline.accelerators.adaptive import AdaptiveDenoiser
from pipeline.accelerators.engine_signature import read_signature
from pipeline.accelerators.engines import TensorPort
from pipeline.image_stream import ImageStream
from presets.build import Build
from presets.errors import ModelError


def write_small_network(
    path: Path,
    *,
    names: Sequence[str] = ("sample", "timestep", "encoder_hidden_states"),
    batch: int | None = None,
    timestep_shape: tuple[int, ...] | None = None,
    timestep_dtype: torch.dtype = torch.float32,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Export `SmallNetwork`, by default with a free batch and a timestep for each row."""
    rows = batch or 2
    example = (
        torch.randn(rows, *SHAPES.latent).to(dtype),
        torch.full((rows,) if timestep_shape is None else timestep_shape, 500.0).to(timestep_dtype),
        torch.randn(rows, *SHAPES.embeds).to(dtype),
    )
    free = [batch is None, batch is None and timestep_shape is None, batch is None]
    return write_onnx(SmallNetwork(dtype), path, names, example, free)


TIMESTEPS = [1000.0, 500.0, 1000.0, 250.0, 500.0]

KINDS: dict[str, tuple[dict[str, Any], str, float]] = {
    "vector": ({}, "one call a step", 1e-5),
    "vector of integers": ({"timestep_dtype": torch.int64}, "one call a step", 1e-5),
    "vector, half": ({"dtype": torch.float16}, "one call a step", 1e-2),
    "vector, other names": ({"names": ("hidden_states", "t", "context")}, "one call a step", 1e-5),
    "vector of two rows": ({"batch": 2}, "one call for every 2 rows", 1e-5),
    "scalar": ({"timestep_shape": ()}, "one call for each distinct timestep", 1e-5),
    "one timestep, any batch": (
        {"timestep_shape": (1,), "timestep_dtype": torch.int64}, "one call for each distinct timestep", 1e-5,
    ),
    "scalar of two rows": (
        {"timestep_shape": (), "batch": 2}, "one call for each distinct timestep, of at most 2 rows", 1e-5,
    ),
    "one row": ({"batch": 1}, "one call for each row", 1e-5),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_equals_torch(kind: str, tmp_path: Path) -> None:
    options, forward, tolerance = KINDS[kind]
    path = write_small_network(tmp_path / "small.onnx", **options)
    engines = foreign_engine.replace_denoiser(path, engines_without_denoiser(), SHAPES, 1)
    assert engines.forward == forward
    assert engines.precision == ("float16" if "half" in kind else "float32")
    assert isinstance(engines.denoiser, AdaptiveDenoiser) == (forward != "one call a step")
    latents, timesteps, text = inputs(TIMESTEPS)
    network = SmallNetwork()
    with torch.no_grad():
        expected = network(latents, timesteps, text.embeds)
        assert (network(latents, timesteps, text.embeds.flip(-1)) - expected).abs().max() > 100 * TOLERANCE
        assert (network(latents, timesteps.flip(0), text.embeds) - expected).abs().max() > 100 * TOLERANCE
    out = engines.denoiser(latents, timesteps, text)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, expected, rtol=0, atol=tolerance)
    size = 2 if "two rows" in kind and "scalar" not in kind else 1
    assert engines.sizes == tuple(range(size, SHAPES.rows + 1, size))


class DescribedNetwork:
    """A network with inputs and outputs that is never called."""

    def __init__(self, *ports: TensorPort, out: TensorPort | None = None) -> None:
        self.inputs = ports
        self.outputs = (out or TensorPort("out", (None, 4, 8, 8), torch.float32),)

    def __call__(self, inputs: Any, out: torch.Tensor) -> None:
        raise NotImplementedError


SAMPLE = TensorPort("sample", (None, 4, None, None), torch.float16)
TIMESTEP = TensorPort("timestep", (None,), torch.int64)
EMBEDS = TensorPort("encoder_hidden_states", (None, 12, 16), torch.float16)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (DescribedNetwork(SAMPLE._replace(shape=(None, 9, None, None)), TIMESTEP, EMBEDS),
         r"sample is float16 \[any × 9 × any × any\], but the latents of this model at this size are float32"),
        (DescribedNetwork(SAMPLE._replace(shape=(2, 4, 64, 64)), TIMESTEP, EMBEDS),
         r"sample is float16 \[2 × 4 × 64 × 64\]"),
        (DescribedNetwork(SAMPLE._replace(shape=(None, 4, 64)), TIMESTEP, EMBEDS),
         r"sample is float16 \[any × 4 × 64\]"),
        (DescribedNetwork(SAMPLE._replace(dtype=torch.uint8), TIMESTEP, EMBEDS), "sample is uint8"),
        (DescribedNetwork(SAMPLE, TIMESTEP, EMBEDS._replace(shape=(None, 77, 768))),
         r"encoder_hidden_states is float16 \[any × 77 × 768\], but the text embeddings of this model are float32 "
         r"\[any × 12 × 16\]"),
        (DescribedNetwork(SAMPLE, TIMESTEP._replace(shape=(3,)), EMBEDS),
         r"timestep is int64 \[3\], but the number of latents is free"),
        (DescribedNetwork(SAMPLE, TIMESTEP._replace(shape=(None, 2)), EMBEDS),
         r"timestep is int64 \[any × 2\], but a timestep for each row is"),
        (DescribedNetwork(SAMPLE, TIMESTEP._replace(dtype=torch.bool), EMBEDS), "timestep is bool"),
        (DescribedNetwork(SAMPLE, TensorPort("timestep", (), torch.bool), EMBEDS),
         r"timestep is bool \[\], but one timestep for all"),
        (DescribedNetwork(SAMPLE, TensorPort("timestep", (1,), torch.uint8), EMBEDS),
         r"timestep is uint8 \[1\], but one timestep"),
        *((DescribedNetwork(SAMPLE._replace(shape=(rows, 4, 8, 8)), TensorPort("timestep", (), torch.float32),
                            EMBEDS._replace(shape=(rows, 12, 16)),
                            out=TensorPort("out", (rows, 4, 8, 8), torch.float32)),
           f"takes {rows} rows a call. This stream has 1 to 8") for rows in (0, -1, 65, 10**9, 2**62)),
        (DescribedNetwork(SAMPLE, TIMESTEP), "no input for the embeds"),
        (DescribedNetwork(SAMPLE, TIMESTEP, EMBEDS, TensorPort("time_ids", (None, 6), torch.float32)),
         r"needs an input 'time_ids', float32 \[any × 6\]\. A stream has latents, timesteps and text"),
        (DescribedNetwork(SAMPLE, TIMESTEP, EMBEDS, TensorPort("latent_image", (None, 4, 8, 8), torch.float32)),
         "needs an input 'latent_image'"),
        (DescribedNetwork(SAMPLE, TIMESTEP, EMBEDS, out=TensorPort("pooled", (None, 768), torch.float32)),
         r"pooled is float32 \[any × 768\], but the output must be"),
    ],
)  # fmt: skip
def test_wrong_inputs_are_refused(network: DescribedNetwork, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        read_signature(Path("engine.onnx"), network, SHAPES)


def test_extra_inputs_have_their_own_names() -> None:
    shapes, weights = replace(SHAPES, numbers=(("loras", 2),)), TensorPort("loras", (None, 2), torch.float32)
    with pytest.raises(ModelError, match="has no input for the loras"):
        read_signature(Path("engine.onnx"), DescribedNetwork(SAMPLE, TIMESTEP, EMBEDS), shapes)
    given = DescribedNetwork(SAMPLE, TIMESTEP, EMBEDS, weights._replace(shape=(None, 3)))
    with pytest.raises(ModelError, match=r"loras is float32 \[any × 3\], but weights of LoRAs of this model is"):
        read_signature(Path("engine.onnx"), given, shapes)
    signature = read_signature(Path("engine.onnx"), DescribedNetwork(SAMPLE, TIMESTEP, EMBEDS, weights), shapes)
    assert signature.ports["loras"] == weights


def build_of(folder: Path, engine: str) -> Build:
    build = Build(model=str(folder), width=64, height=64, accelerator="eager", slots=1)
    return build.model_copy(update={"engine": engine})


def test_other_files_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    messages: list[str] = []

    def refusal(name: str) -> str:
        build = build_of(tiny_folder, str(tmp_path / name))
        with pytest.raises(ModelError) as raised:
            ImageStream.build(build, lambda text, fraction: messages.append(text))
        return str(raised.value)

    (tmp_path / "words.txt").write_text("hello")
    (tmp_path / "damaged.onnx").write_bytes(b"hello")
    assert "There is no engine file" in refusal("nowhere.onnx")
    assert "words.txt is a '.txt' file. An engine file is one of .onnx, .engine, .plan" in refusal("words.txt")
    assert messages == ["reading the model"] * 2, "they are refused before anything is built"
    assert "damaged.onnx can't be read as ONNX" in refusal("damaged.onnx")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("~nosuchuser/x.onnx", "~nosuchuser/x.onnx can't be opened: "),
        ("x" * 300 + ".onnx", "can't be opened: File name too long"),
        ("\udcff.onnx", r"'\\udcff.onnx' is not valid text"),
        ("\0.onnx", "There is no engine file|can't be opened"),
    ],
    ids=("unknown user", "too long", "not text", "null byte"),
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


def test_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_small_network(tmp_path / "small.onnx")
    engines = foreign_engine.replace_denoiser(Path("~/small.onnx"), engines_without_denoiser(), SHAPES, 1)
    assert engines.forward == "one call a step"


def test_nan_output_is_refused(tmp_path: Path) -> None:
    network = SmallNetwork()
    with torch.no_grad():
        network.conv.weight[0, 0, 0, 0] = torch.nan
    latents, timesteps, text = inputs([500.0, 250.0])
    names = ("sample", "timestep", "encoder_hidden_states")
    path = write_onnx(network, tmp_path / "black.onnx", names, (latents, timesteps, text.embeds), [True] * 3)
    with pytest.raises(ModelError, match=r"black\.onnx returns NaN or infinity for ordinary inputs"):
        foreign_engine.replace_denoiser(path, engines_without_denoiser(), SHAPES, 1)
