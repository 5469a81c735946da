"""Names of models: folders, names of the store and the catalogue, hub ids, and what is said of others."""

import contextlib
from pathlib import Path

import pytest

from presets.errors import ModelError
from presets.model_record import (
    RECORD_FILE,
    ModelRecord,
    ModelSource,
    RecordedFile,
    read_record,
    write_record,
)
from presets.model_store import (
    FOLDER_VARIABLE,
    find_model,
    folder_name,
    is_missing_model,
    store_folder,
    stored_models,
    stored_name,
)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "store"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def model_at(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    return folder


def test_store_can_be_elsewhere(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    assert store_folder() == store
    monkeypatch.setenv(FOLDER_VARIABLE, "~/models")
    assert store_folder() == Path.home() / "models"
    monkeypatch.delenv(FOLDER_VARIABLE)
    assert store_folder().parts[-2:] == ("streamflow-live", "models")


@pytest.mark.parametrize("name", ["sd-turbo", "SD Turbo", "sd_turbo", "stabilityai/sd-turbo", "StabilityAI/SD-Turbo"])
def test_spellings_of_a_catalogue_name(store: Path, name: str) -> None:
    with pytest.raises(ModelError) as error:
        find_model(name)
    sentence = "SD-Turbo is not on this disk yet. Get it by: streamflow-live models pull sd-turbo"
    assert str(error.value) == sentence
    assert is_missing_model(name)
    folder = model_at(store / "sd-turbo")
    assert find_model(name) == folder
    assert not is_missing_model(name)


def test_other_hub_ids(store: Path) -> None:
    with pytest.raises(ModelError, match="streamflow-live models pull some-one/Model_v2"):
        find_model("some-one/Model_v2")
    folder = model_at(store / "some-one--Model_v2")
    assert find_model("some-one/Model_v2") == find_model("some-one--model_v2") == folder
    assert stored_name(folder) == "some-one/Model_v2"


def test_folder_goes_before_a_name(store: Path, tmp_path: Path) -> None:
    named = model_at(store / "mine")
    assert find_model("mine") == named
    here = model_at(tmp_path / "mine")
    assert find_model("mine") == Path("mine")
    assert find_model(str(here)) == here
    assert find_model("./mine") == Path("mine")


def test_unknown_names_get_the_nearest(store: Path) -> None:
    model_at(store / "velvet-night")
    for name, near in (("sdturbo", "sd-turbo"), ("velvet", "velvet-night"), ("shiped", "shipped")):
        with pytest.raises(ModelError, match=f"There is no model '{name}'; did you mean .*{near}"):
            find_model(name)
    with pytest.raises(ModelError, match="streamflow-live models list prints all names"):
        find_model("qqqqqqqqqq")


def test_files_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "one.safetensors").write_bytes(b"")
    (tmp_path / "one.ckpt").write_bytes(b"")
    with pytest.raises(ModelError, match=r"streamflow-live models adopt .*one\.safetensors"):
        find_model(str(tmp_path / "one.safetensors"))
    with pytest.raises(ModelError, match="is a file; a model is a folder"):
        find_model(str(tmp_path / "one.ckpt"))


@pytest.mark.parametrize("name", ["", " ", "\0", "a" * 5000, "~nobody-of-this-name/x", "../..", "nul", "\ud800", "/"])
def test_no_text_makes_it_fail(name: str) -> None:
    """A name may come from the wire: it is found, or refused by a `ModelError`."""
    with contextlib.suppress(ModelError):
        assert find_model(name).is_dir()
    assert isinstance(is_missing_model(name), bool)


def test_built_in_names_are_never_missing() -> None:
    assert not is_missing_model("shipped")
    assert not is_missing_model("echo")
    assert is_missing_model("nothing-of-the-kind")
    assert is_missing_model("/nowhere/at/all")


def test_store_lists_whole_models_only(store: Path) -> None:
    assert list(stored_models()) == []
    for name in ("b", "A", ".partial"):
        model_at(store / name)
    (store / "empty").mkdir()
    (store / "file").write_text("")
    assert [path.name for path in stored_models()] == ["A", "b"]


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b/c", "con", "NUL.txt", "a:b", "a\\b", "", "x" * 300, "name."])
def test_names_that_no_folder_can_have(name: str) -> None:
    with pytest.raises(ModelError, match="can't be the name of a model"):
        folder_name(name)


RECORD = ModelRecord(
    "a/b",
    "Apache-2.0",
    "yes",
    (ModelSource("model", "a/b", "0" * 40),),
    {"unet/config.json": RecordedFile(3, "a" * 64)},
)


def test_record_is_read_as_written(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    write_record(tmp_path, RECORD)
    assert read_record(tmp_path) == RECORD


WITHOUT_FILES = '{"name": "x", "licence": "", "paid_show": "", "sources": [], "files": %s}'
RECORDS = {
    "no JSON": "{",
    "a list": "[]",
    "empty": "{}",
    "deep": "[" * 100_000,
    "path out": WITHOUT_FILES % f'{{"../x": {{"size": 1, "sha256": "{"a" * 64}"}}}}',
    "checksum": WITHOUT_FILES % '{"x": {"size": 1, "sha256": "0"}}',
}


@pytest.mark.parametrize("case", RECORDS)
def test_damaged_records_are_refused(tmp_path: Path, case: str) -> None:
    (tmp_path / RECORD_FILE).write_text(RECORDS[case])
    with pytest.raises(ModelError, match=r"streamflow-model\.json is damaged"):
        read_record(tmp_path)
