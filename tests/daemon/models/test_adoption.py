"""Adoption of folders and of single-file checkpoints: every weight arrives, parts are put in, faults are refused."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from daemon.__main__ import app
from daemon.models.adoption import Adoption, adopt
from daemon.models.inspection import PICKLES, inspect_model
from daemon.models.model_parts import fitting_scheduler
from pipeline.models import load_model
from presets.errors import ModelError
from presets.model_catalogue import SCHEDULERS
from presets.model_record import read_record
from presets.model_store import find_model, stored_models
from presets.vocabulary import VOCABULARY_FILE, read_vocabulary
from tests.original_layout import write_single_file
from tests.tiny_folders import write_family_folder

UNET = "unet/diffusion_pytorch_model.safetensors"
CHECKPOINTS = {
    "stable-diffusion": (UNET, "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"),
    "sdxl": (
        UNET,
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "text_encoder_2/model.safetensors",
    ),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny folder of each UNet family, and a single file of the same weights beside it. Read-only."""
    root = tmp_path_factory.mktemp("folders")
    made = {family: write_family_folder(family, root / family) for family in CHECKPOINTS}
    for family, folder in made.items():
        write_single_file(folder, root / f"{family}.safetensors")
    return made


def single(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.safetensors")


def donor_of(folder: Path, target: Path) -> Path:
    """Copy a folder with other weights: all zeros."""
    shutil.copytree(folder, target)
    for path in target.rglob("*.safetensors"):
        zeros = {name: torch.zeros_like(each) for name, each in load_file(path).items()}
        save_file(zeros, path, metadata={"format": "pt"})
    return target


def quiet(text: str) -> None:
    pass


@pytest.mark.parametrize("family", CHECKPOINTS)
def test_every_weight_of_a_single_file_arrives(
    store: Path, tmp_path: Path, folders: dict[str, Path], family: str
) -> None:
    donor = donor_of(folders[family], tmp_path / "donor")
    folder = adopt(Adoption(single(folders[family]), "mine", like=str(donor)), store, quiet)
    assert folder == find_model("mine") == store / "mine"
    for name in CHECKPOINTS[family]:
        original, arrived = load_file(folders[family] / name), load_file(folder / name)
        assert original.keys() == arrived.keys()
        for key, each in original.items():
            assert torch.equal(arrived[key], each.half()), (name, key)
    model = load_model("mine")
    assert model.denoiser is not None
    assert model.autoencoder is not None
    assert model.text_encoder is not None
    assert inspect_model(folder, thorough=True).is_good


def test_donor_is_found_on_the_disk(store: Path, tmp_path: Path, folders: dict[str, Path]) -> None:
    sd, sdxl = folders["stable-diffusion"], folders["sdxl"]
    with pytest.raises(ModelError, match="streamflow-live models pull, such as perflow-sd15"):
        adopt(Adoption(single(sd)), store, quiet)
    adopt(Adoption(sdxl, "big"), store, quiet)
    with pytest.raises(ModelError, match="no model on this disk has its architecture"):
        adopt(Adoption(single(sd)), store, quiet)
    adopt(Adoption(donor_of(sd, tmp_path / "donor"), "small"), store, quiet)
    folder = adopt(Adoption(single(sd)), store, quiet)
    assert folder.name == "stable-diffusion"
    assert load_file(folder / UNET)["conv_in.weight"].any()
    with pytest.raises(ModelError, match=r"another architecture .*width of a text: 16, not 28"):
        adopt(Adoption(single(sd), "other", like="big"), store, quiet)


def test_tiny_autoencoder_of_the_donor_is_taken(store: Path, folders: dict[str, Path], perflow_folder: Path) -> None:
    """A file has the full autoencoder, which is converted."""
    tiny = perflow_folder / "vae"
    donor = adopt(Adoption(folders["stable-diffusion"], "donor", vae=str(tiny)), store, quiet)
    (donor / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"never read")
    folder = adopt(Adoption(single(folders["stable-diffusion"]), "mine", like="donor"), store, quiet)
    assert load_model("mine").classes["vae"] == "AutoencoderTiny"
    assert load_model("mine", autoencoder="full").autoencoder is not None
    assert (folder / "vae_tiny/config.json").read_bytes() == (tiny / "config.json").read_bytes()


def test_full_autoencoder_beside_a_tiny_one(store: Path, folders: dict[str, Path], perflow_folder: Path) -> None:
    """A folder that has a tiny one alone gets the full one of another, and the other way round."""
    other, tiny = folders["stable-diffusion"], "vae/diffusion_pytorch_model.safetensors"
    adopt(Adoption(perflow_folder, "fast"), store, quiet)
    with pytest.raises(ModelError, match=r"no full autoencoder\. Get one by: .* adopt .*fast --name"):
        load_model("fast", autoencoder="full")
    both = adopt(Adoption(perflow_folder, "both", vae=str(other)), store, quiet)
    assert inspect_model(both, thorough=True).is_good
    assert (both / "vae_tiny" / Path(tiny).name).read_bytes() == (perflow_folder / tiny).read_bytes()
    assert load_model("both", autoencoder="full").classes["vae"] == "AutoencoderKL"
    again = adopt(Adoption(other, "again", vae="both"), store, quiet)
    assert (again / "vae_tiny" / Path(tiny).name).read_bytes() == (perflow_folder / tiny).read_bytes()
    assert inspect_model(again, thorough=False).autoencoders == "tiny, full"


def test_folder_is_copied_with_parts_put_in(
    store: Path, tmp_path: Path, folders: dict[str, Path], perflow_folder: Path
) -> None:
    source = Path(shutil.copytree(folders["stable-diffusion"], tmp_path / "source"))
    (source / VOCABULARY_FILE).write_text('{"known": {"styles": ["golden rings"]}}')
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    folder = adopt(Adoption(source, "look", scheduler="lcm", vae=str(perflow_folder)), store, quiet)
    model = load_model("look")
    assert (model.classes["scheduler"], model.classes["vae"]) == ("LCMScheduler", "AutoencoderTiny")
    assert json.loads((folder / "scheduler/scheduler_config.json").read_text()) == SCHEDULERS["lcm"]
    assert (folder / UNET).read_bytes() == (source / UNET).read_bytes()
    assert read_vocabulary(folder) == read_vocabulary(source) is not None
    record = read_record(folder)
    assert record is not None
    assert [(each.part, each.origin) for each in record.sources] == [
        ("model", str(source)),
        ("scheduler", "lcm"),
        ("vae_tiny", str(perflow_folder / "vae")),
    ]
    assert inspect_model(folder, thorough=True).is_good
    assert before == {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("family", "row"), [("stable-diffusion", "perflow"), ("sdxl", "perflow-sdxl")])
def test_perflow_of_each_family(store: Path, folders: dict[str, Path], family: str, row: str) -> None:
    folder = adopt(Adoption(folders[family], "mine", scheduler="perflow"), store, quiet)
    assert json.loads((folder / "scheduler/scheduler_config.json").read_text()) == SCHEDULERS[row]
    assert load_model("mine").schedule(4, 1.0).timestep.tolist() == [1000, 750, 500, 250]


def delta_of(folder: Path, path: Path) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    delta = {
        name: torch.randn(each.shape, generator=generator).half() * 0.1
        for name, each in load_file(folder / UNET).items()
    }
    save_file(delta, path)
    return delta


def test_delta_is_added_to_a_folder_and_a_file(store: Path, tmp_path: Path, folders: dict[str, Path]) -> None:
    source, path = folders["stable-diffusion"], tmp_path / "delta.safetensors"
    delta = delta_of(source, path)
    base = load_file(source / UNET)
    plain = adopt(Adoption(source, "plain", delta=path, scheduler="perflow"), store, quiet)
    for name, each in load_file(plain / UNET).items():
        assert torch.equal(each, (base[name] + delta[name].float()).half()), name
    both = adopt(Adoption(single(source), "both", like="plain", delta=path), store, quiet)
    for name, each in load_file(both / UNET).items():
        assert torch.equal(each, (base[name].half().float() + delta[name].float()).half()), name
    record = read_record(both)
    assert record is not None
    assert [each.part for each in record.sources] == ["model", "delta"]
    assert load_model("both").denoiser is not None


def test_delta_of_another_architecture(store: Path, tmp_path: Path, folders: dict[str, Path]) -> None:
    path = tmp_path / "delta.safetensors"
    delta_of(folders["sdxl"], path)
    with pytest.raises(ModelError, match="is no delta of this UNet"):
        adopt(Adoption(folders["stable-diffusion"], "mine", delta=path), store, quiet)
    assert list(stored_models(store)) == []


Break = Callable[[Path, Path], Path]


def without(prefix: str) -> Break:
    def change(folder: Path, target: Path) -> Path:
        weights = load_file(single(folder))
        dropped = next(name for name in sorted(weights) if name.startswith(prefix))
        save_file({name: each for name, each in weights.items() if name != dropped}, target)
        return target

    return change


def bytes_of(data: bytes) -> Break:
    def change(folder: Path, target: Path) -> Path:
        target.write_bytes(data)
        return target

    return change


def truncated(folder: Path, target: Path) -> Path:
    target.write_bytes(single(folder).read_bytes()[:-100])
    return target


def pickled(folder: Path, target: Path) -> Path:
    path = target.with_suffix(".ckpt")
    path.write_bytes(b"\x80\x04")
    return path


def only_unet(folder: Path, target: Path) -> Path:
    return Path(shutil.copy(folder / UNET, target))


FAULTS: dict[str, tuple[Break, str]] = {
    "weight missing": (
        without("model.diffusion_model.output_blocks"),
        r"lacks 1 of \d+ weights, for example up_blocks",
    ),
    "text weight missing": (
        without("cond_stage_model.transformer.text_model.encoder"),
        "The text_encoder of .* lacks 1",
    ),
    "vae weight missing": (without("first_stage_model.decoder.mid"), "The vae of .* lacks 1"),
    "no checkpoint": (only_unet, "is no single-file checkpoint of Stable Diffusion or SDXL"),
    "truncated": (truncated, "can't be read as .safetensors"),
    "garbage": (bytes_of(b"\xff" * 1000), "can't be read as .safetensors"),
    "empty": (bytes_of(b""), "can't be read as .safetensors"),
    "pickled": (pickled, "holds pickled weights, which can run any code"),
    "not there": (lambda folder, target: target, "There is no "),
    "folder of nothing": (lambda folder, target: folder / "unet", "has no model_index"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_files_that_are_refused(store: Path, tmp_path: Path, folders: dict[str, Path], case: str) -> None:
    change, sentence = FAULTS[case]
    source = folders["stable-diffusion"]
    path = change(source, tmp_path / "broken.safetensors")
    with pytest.raises(ModelError, match=sentence):
        adopt(Adoption(path, "mine", like=str(source)), store, quiet)
    assert list(stored_models(store)) == []
    assert not list(store.rglob("*.safetensors"))


class Touch:
    """An object that writes a file when a pickle of it is read by Python's own reader."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return Path.touch, (self.path,)


def test_pickled_file_for_those_who_insist(store: Path, tmp_path: Path, folders: dict[str, Path]) -> None:
    source = folders["stable-diffusion"]
    path = tmp_path / "old look.ckpt"
    torch.save({"epoch": 3, "state_dict": load_file(single(source))}, path)
    with pytest.raises(ModelError, match="--allow-pickle reads the file by torch's restricted reader"):
        adopt(Adoption(path, like=str(source)), store, quiet)
    folder = adopt(Adoption(path, like=str(source), allow_pickle=True), store, quiet)
    assert folder.name == "old-look"
    for key, each in load_file(source / UNET).items():
        assert torch.equal(load_file(folder / UNET)[key], each.half()), key
    assert not [each for each in folder.rglob("*") if each.suffix in PICKLES]


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_pickle_runs_no_code(store: Path, tmp_path: Path, folders: dict[str, Path]) -> None:
    path, mark = tmp_path / "bad.pt", tmp_path / "ran"
    asked = Adoption(path, like=str(folders["stable-diffusion"]), allow_pickle=True)
    evil = {"state_dict": {}, "hook": Touch(mark)}
    with path.open("wb") as file:
        pickle.dump(evil, file)
    for save in (lambda: None, lambda: torch.save(evil, path), lambda: path.write_bytes(b"\x80\x04K\x01.")):
        save()
        with pytest.raises(ModelError, match=r"bad\.pt (is damaged|can't be read|is no single-file)") as refused:
            adopt(asked, store, quiet)
        assert "weights_only" not in str(refused.value), "torch's advice to read it without protection"
    assert not mark.exists()
    assert list(stored_models(store)) == []


def test_file_means_the_model_made_of_it(store: Path, tmp_path: Path, folders: dict[str, Path]) -> None:
    source, path = folders["stable-diffusion"], tmp_path / "look.safetensors"
    shutil.copy(single(source), path)
    with pytest.raises(ModelError, match=r"is a single file. Make a model of it by: streamflow-live models adopt"):
        load_model(path)
    with_part = adopt(Adoption(path, "quick", like=str(source), scheduler="lcm"), store, quiet)
    assert load_model(path).folder == with_part
    plain = adopt(Adoption(path, "look", like=str(source)), store, quiet)
    assert load_model(path).folder == plain, "the one without other parts"
    adopt(Adoption(path, "again", like=str(source)), store, quiet)
    with pytest.raises(ModelError, match=r"Several models were made of .*; name one: again, look, quick"):
        find_model(str(path))
    os.utime(path, ns=(0, 0))
    with pytest.raises(ModelError, match=r"has changed since again was made of it. Make it again by: .* --replace"):
        find_model(str(path))


def test_names_are_checked(store: Path, folders: dict[str, Path]) -> None:
    source = folders["stable-diffusion"]
    for name in ("sd-turbo", "shipped", "SDXL Turbo"):
        with pytest.raises(ModelError, match=r"is a name of the program's own|can't be the name"):
            adopt(Adoption(source, name), store, quiet)
    adopt(Adoption(source, "mine"), store, quiet)
    with pytest.raises(ModelError, match="There is a model Mine already"):
        adopt(Adoption(source, "Mine"), store, quiet)
    with pytest.raises(ModelError, match="There is no scheduler 'ddim'"):
        adopt(Adoption(source, "other", scheduler="ddim"), store, quiet)
    with pytest.raises(ModelError, match="two hyphens stand for the / of a hub id"):
        adopt(Adoption(source, "a--b"), store, quiet)
    adopt(Adoption(source, "mine", scheduler="lcm", replaces=True), store, quiet)
    assert load_model("mine").classes["scheduler"] == "LCMScheduler"
    assert [path.name for path in stored_models(store)] == ["mine"]
    adopt(Adoption(Path("Mine"), "again", scheduler="perflow"), store, quiet)
    assert load_model("again").classes["scheduler"] == "PeRFlowScheduler"


def test_adopt_as_it_is_typed(store: Path, tmp_path: Path, folders: dict[str, Path]) -> None:
    source = folders["stable-diffusion"]
    path = tmp_path / "My Look v2.safetensors"
    shutil.copy(single(source), path)
    result = CliRunner().invoke(
        app,
        ["models", "adopt", str(path), "--like", str(source), "--scheduler", "perflow"],
        env={"COLUMNS": "250"},
    )
    assert result.exit_code == 0, result.output
    assert "converting the unet" in result.output
    assert "Play it by this line of a preset: model: My-Look-v2" in result.output
    assert load_model("my look v2").classes["scheduler"] == "PeRFlowScheduler"


def network_folder(folder: Path, network: str, kind: str, **config: object) -> Path:
    """Write what tells the family of a model: its index, and the configuration of its network."""
    (folder / network).mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({network: ["diffusers", kind]}))
    (folder / network / "config.json").write_text(json.dumps(config))
    return folder


def test_perflow_of_stable_diffusion_2(tmp_path: Path) -> None:
    for width, row, kind in ((1024, "perflow-sd21", "velocity"), (768, "perflow", "diff_eps")):
        folder = network_folder(tmp_path / row, "unet", "UNet2DConditionModel", cross_attention_dim=width)
        assert fitting_scheduler("perflow", folder) == row
        assert SCHEDULERS[row]["prediction_type"] == kind


@pytest.mark.parametrize("kind", ["SanaTransformer2DModel", "SD3Transformer2DModel"])
def test_scheduler_of_another_family(store: Path, tmp_path: Path, kind: str) -> None:
    """It would play without an error, and draw noise."""
    folder = network_folder(tmp_path / "model", "transformer", kind)
    for name in ("perflow", "lcm"):
        with pytest.raises(
            ModelError, match=rf"{name} does not fit .*model, which is S.*: it keeps its own, (SCM|Flow)"
        ):
            adopt(Adoption(folder, "mine", scheduler=name), store, quiet)
    assert list(store.rglob("*")) == []


def test_autoencoder_of_another_family(store: Path, tmp_path: Path, folders: dict[str, Path]) -> None:
    """The parts are checked together before there is a model of the name."""
    source = folders["stable-diffusion"]
    vae = tmp_path / "vae"
    shutil.copytree(source / "vae", vae)
    config = json.loads((vae / "config.json").read_text())
    (vae / "config.json").write_text(json.dumps(config | {"latent_channels": 16}))
    with pytest.raises(ModelError, match=r"Nothing was made of .*stable-diffusion, .* its vae has latents of 16"):
        adopt(Adoption(source, "mine", vae=str(vae)), store, quiet)
    assert list(stored_models(store)) == []
    assert not list(store.rglob("*.safetensors"))
