"""Encoded texts on disk: equal to those of the text encoder bit for bit, for every family, and never in the way."""

import errno
import gc
import os
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from tiny_folders import SIDE, write_family_folder

from pipeline import kept_texts, models
from pipeline.accelerators.engines import Preparation
from pipeline.conditioning import EncodedText, TextConditioner
from pipeline.image_stream import ImageStream
from pipeline.kept_texts import KeptTexts, make_room, text_key
from pipeline.models import Model, load_model
from pipeline.prepared_engines import text_conditioner
from presets.build import Build
from presets.errors import ModelError
from presets.frame_parameters import without_morph
from presets.parameters import Parameters

TEXT, OTHER = "a red ring on the sea", "neon fire at night"
LOOK = Parameters(prompt=TEXT, negative_prompt="", mode="text", steps=1, width=SIDE, height=SIDE)


@pytest.fixture(scope="module", params=["stable-diffusion", "sdxl", "sd3", "flux", "flux2", "sana", "z-image"])
def each_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of each family with texts of its own."""
    return write_family_folder(request.param, tmp_path_factory.mktemp(request.param) / "model")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of SD3, with two CLIP text encoders and T5."""
    return write_family_folder("sd3", tmp_path_factory.mktemp("sd3") / "model")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the text components that are read, with texts kept whatever the size of the text encoder."""
    monkeypatch.setattr(kept_texts, "SMALLEST", 0)
    read: list[str] = []
    for name in ("read_network", "read_tokenizer"):
        monkeypatch.setattr(models, name, _noting(getattr(models, name), read))
    return read


def _noting(read: Callable[..., object], names: list[str]) -> Callable[..., object]:
    def noting(folder: Path, *arguments: object) -> object:
        if folder.name.startswith(("text_encoder", "tokenizer")):
            names.append(folder.name)
        return read(folder, *arguments)

    return noting


def texts_of(folder: Path, cache: Path) -> TextConditioner:
    """Return the texts of a new start."""
    return text_conditioner("eager", load_model(folder), Preparation(lambda text, fraction: None, cache=cache))


def files(cache: Path) -> list[Path]:
    return sorted((cache / "texts").rglob("*.safetensors"))


def assert_same(found: EncodedText, expected: EncodedText) -> None:
    assert found.parts().keys() == expected.parts().keys()
    for name, part in expected.parts().items():
        assert found.parts()[name].dtype == torch.float32
        assert torch.equal(found.parts()[name], part), name


def test_second_start_loads_no_text_encoder(each_folder: Path, tmp_path: Path, loads: list[str]) -> None:
    plain = load_model(each_folder).text()
    loads.clear()
    first = texts_of(each_folder, tmp_path)
    assert loads, "the first start knows no text, and loads beside the engines"
    encoded = first.encode_text(TEXT)
    assert_same(encoded, plain(TEXT))
    loads.clear()
    second = texts_of(each_folder, tmp_path)
    assert_same(second.encode_text(TEXT), encoded)
    assert (loads, second.text_encoder) == ([], ("", 0, 0))
    assert second.shape == first.shape == encoded.shape
    unknown = second.encode_text(OTHER)
    assert loads, "the first unknown text loads it"
    assert_same(unknown, plain(OTHER))
    assert (unknown.embeds - encoded.embeds).abs().max() > 1e-3
    assert second.text_encoder.encoded == 1


def test_second_start_plays_its_look(folder: Path, tmp_path: Path, loads: list[str]) -> None:
    build = Build.of(LOOK).model_copy(update={"model": str(folder), "accelerator": "eager", "cache": tmp_path})
    drawn = []
    for _ in range(2):
        loads.clear()
        stream = ImageStream.build(build, lambda text, fraction: None)
        moment = without_morph(LOOK)
        stream.admit(None, moment, stream.encode(moment.wording))
        (frame,) = stream.step()
        drawn.append(frame.pixels)
    assert loads == []
    assert (drawn[0] == drawn[1]).all()
    assert drawn[0].std() > 1


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "another number": lambda path: path.write_bytes(path.read_bytes()[:-90] + b"?" + path.read_bytes()[-89:]),
    "no safetensors": lambda path: path.write_bytes(b"\x80\x04." * 100),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a text of another model": lambda path: write_text(path, torch.zeros(3, 5)),
}


def write_text(path: Path, embeds: torch.Tensor) -> None:
    """Write a whole file in the place of another."""
    path.write_bytes(kept_texts._packed(EncodedText(embeds)))


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_file_is_written_again(kind: str, folder: Path, tmp_path: Path, loads: list[str]) -> None:
    expected = texts_of(folder, tmp_path).encode_text(TEXT)
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    DAMAGE[kind](path)
    assert_same(texts_of(folder, tmp_path).encode_text(TEXT), expected)
    if kind != "a folder":  # which nothing here has made, so it stays
        assert path.read_bytes() == whole
    pipe = path.with_name("pipe")
    os.mkfifo(pipe)
    pipe.replace(path) if path.is_file() else path.rmdir()
    assert_same(texts_of(folder, tmp_path).encode_text(TEXT), expected)


def test_full_disk_hurts_nothing(
    folder: Path, tmp_path: Path, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kept_texts, "write_atomically", full)
    expected = load_model(folder).text()(TEXT)
    assert_same(texts_of(folder, tmp_path).encode_text(TEXT), expected)
    assert files(tmp_path) == []
    monkeypatch.undo()
    monkeypatch.setattr(kept_texts, "SMALLEST", 0)
    (tmp_path / "file").write_text("")
    assert_same(texts_of(folder, tmp_path / "file").encode_text(TEXT), expected)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_folder_of_another_user_is_read() -> None:
    text = EncodedText(torch.rand(4, 8))
    with TemporaryDirectory() as root:
        kept = KeptTexts(Path(root), "model", text.shape)
        kept.write(TEXT, (), text)
        for path in (Path(root), *Path(root).rglob("*")):
            path.chmod(0o755)
        os.seteuid(65_534)
        try:
            found = kept.read(TEXT, ())
        finally:
            os.seteuid(0)
    assert found is not None
    assert_same(found, text)


def test_oldest_make_room(tmp_path: Path) -> None:
    shape = EncodedText(torch.zeros(4, 8)).shape
    texts = {str(number): EncodedText(torch.full((4, 8), 0.1 + number)) for number in range(5)}
    size = len(kept_texts._packed(texts["0"]))
    kept = [KeptTexts(tmp_path, model, shape, most=3 * size) for model in ("one", "other")]
    for number, model in enumerate((0, 0, 1)):
        kept[model].write(str(number), (), texts[str(number)])
    for age, path in enumerate(sorted(tmp_path.rglob("*.safetensors"), key=lambda path: path.stat().st_mtime_ns)):
        os.utime(path, ns=(age, age))
    assert kept[0].read("0", ()) is not None, "its last use is now"
    kept[1].write("3", (), texts["3"])
    found = [[number for number in texts if each.read(number, ()) is not None] for each in kept]
    assert found == [["0"], ["2", "3"]]
    assert kept[0].read("0", (0.5,)) is None, "weights of LoRAs make another text"
    make_room(tmp_path, 0)
    assert not list(tmp_path.iterdir()), "folders of models without texts are removed"
    assert not kept[0].has_any


def test_large_numbers_are_kept_in_half(tmp_path: Path) -> None:
    whole = torch.rand(64, 32)
    half = EncodedText(whole.bfloat16().float(), pooled=torch.rand(5))
    sizes = [len(kept_texts._packed(text)) for text in (EncodedText(whole), half)]
    assert sizes[1] < 0.6 * sizes[0]
    kept = KeptTexts(tmp_path, "model", half.shape)
    kept.write(TEXT, (), half)
    found = kept.read(TEXT, ())
    assert found is not None
    assert_same(found, half)


def test_key_follows_what_encodes(folder: Path, tmp_path: Path) -> None:
    def key(model: Model) -> str:
        return text_key(model, "torch")

    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    original = key(load_model(folder))
    assert key(load_model(copy)) == original, "the same content at another place"
    assert text_key(load_model(folder), "openvino") != original
    network = copy / "transformer" / "config.json"
    network.write_text(network.read_text() + " ")
    assert key(load_model(copy)) == original, "the network encodes no text"
    for file in ("text_encoder_3/config.json", "tokenizer_3/tokenizer.json"):
        before = (copy / file).read_text()
        (copy / file).write_text(before + " ")
        assert key(load_model(copy)) != original, file
        (copy / file).write_text(before)


def test_freed_text_encoder_leaves_the_memory(folder: Path, tmp_path: Path, loads: list[str]) -> None:
    model = load_model(folder)
    networks: list[weakref.ref[torch.nn.Module]] = []
    read = type(model).read_network

    def remembered(self: Model, component: str, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
        network = read(self, component, dtype)
        networks.append(weakref.ref(network))
        return network

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Model, "read_network", remembered)
        texts = text_conditioner("eager", model, Preparation(lambda text, fraction: None, cache=tmp_path))
    size = sum(path.stat().st_size for name in model.weights if "text" in name for path in model.weights[name])
    assert texts.text_encoder.held == size > 0
    expected = texts.encode_text(OTHER)
    assert len(networks) == 3
    gc.disable()
    try:
        texts.free()
        assert [each() for each in networks] == [None] * 3, "without waiting for a collection"
    finally:
        gc.enable()
    assert "text_encoder" not in vars(model)
    assert texts.text_encoder.held == 0
    assert texts.encode_text(OTHER) is expected, "encoded texts stay"
    assert_same(texts.encode_text(TEXT), load_model(folder).text()(TEXT))
    assert texts.text_encoder.held == size


def test_shipped_model_keeps_no_texts(tmp_path: Path) -> None:
    texts = texts_of(load_model().folder, tmp_path)
    texts.encode_text("neon rings")
    assert files(tmp_path) == []
    texts.free()
    assert texts.text_encoder == ("", 1, 0), "it stays in memory"
    assert texts._lazy is not None
    assert texts._lazy.is_loaded


def test_failed_load_leaves_nothing(folder: Path, tmp_path: Path, loads: list[str]) -> None:
    model = load_model(shutil.copytree(folder, tmp_path / "model"))
    texts = text_conditioner("eager", model, Preparation(lambda text, fraction: None, cache=tmp_path))
    texts.encode_text(TEXT)
    texts.free()
    shutil.move(model.folder / "text_encoder_3", tmp_path / "aside")
    for _ in range(2):
        with pytest.raises(ModelError, match="text_encoder_3"):
            texts.encode_text(OTHER)
        assert texts.text_encoder == ("", 1, 0)
        assert "text_encoder" not in vars(model), "the first of three was read before"
    shutil.move(tmp_path / "aside", model.folder / "text_encoder_3")
    assert_same(texts.encode_text(OTHER), load_model(folder).text()(OTHER))
