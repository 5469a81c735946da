"""Names of models in a running show: what is not on the disk is refused with the command that gets it."""

from pathlib import Path

import pytest
from show import Show, until

from daemon.models.adoption import Adoption, adopt
from presets.model_store import FOLDER_VARIABLE

START = 240.0
"""Most seconds for the start of a renderer on a busy machine."""


@pytest.mark.timeout(600)
def test_names_of_models(tmp_path: Path, perflow_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "store"
    monkeypatch.setenv(FOLDER_VARIABLE, str(store))
    folder = adopt(Adoption(perflow_folder, "velvet"), store, lambda text: None)
    with Show(tmp_path / "show", "--source", "card:", "--size", "64x64") as show:
        until(lambda: show.status()["renderer"].get("model") == "echo", START)
        for name, sentence in (
            ("sd-turbo", "SD-Turbo is not on this disk yet. Get it by: streamflow-live models pull sd-turbo"),
            ("velvt", "There is no model 'velvt'; did you mean velvet?"),
            ("some-one/model", "streamflow-live models pull some-one/model"),
        ):
            show.osc.send_message("/model", name)
            until(lambda sentence=sentence: sentence in " ".join(show.log.read_text().split()), START)
            assert show.status()["renderer"]["model"] == "echo", "the look on air stays"
        show.set(accelerator="eager")
        show.osc.send_message("/model", "Velvet")
        until(lambda: show.status()["renderer"]["model"] == "Velvet", START)
        show.picture(lambda meta, pixels: meta["index"] > 0 and pixels.any())
    assert (folder / "streamflow-model.json").is_file()
