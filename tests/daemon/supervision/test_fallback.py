"""Show whose accelerator can't work here, with the shipped model, with and without fallback."""

import os
from pathlib import Path

import pytest
from show import Show, until


@pytest.mark.timeout(240)
def test_fallback_replaces_broken_accelerator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO's installation is broken. Without fallback the slate says so; with it torch plays."""
    broken = tmp_path / "broken" / "openvino"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('its library is gone')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(broken.parent), os.environ.get("PYTHONPATH", "")]))
    folder = tmp_path / "show"
    folder.mkdir()
    (folder / "look.yaml").write_text("accelerator: openvino\nwidth: 64\nheight: 64\n")
    with Show(folder, "--output-size", "256x256") as show:
        until(lambda: "its library is gone" in show.status()["renderer"]["failure"])
        slates = [pixels for meta, pixels in (next(show.frames()) for _ in range(30)) if meta["index"] < 0]
        assert len(slates) == 30, "without fallback nothing plays"
        show.set(fallback=True)
        show.picture(lambda meta, pixels: meta["index"] > 0)
        until(lambda: show.status()["renderer"].get("accelerator") == "eager")
        until(lambda: show.status()["renderer"]["why"].startswith("in place of openvino, as the look allows"))
        assert show.ask({"do": "get", "address": "/accelerator"})["values"] == {"/accelerator": "openvino"}, (
            "the parameter stays"
        )
        said = " ".join(show.log.read_text().split())
        assert "In place of shipped at 64x64 with openvino, as the look allows, comes" in said or "(in place of" in said
        assert said.count("starting a renderer") == 2, "one attempt of each"
