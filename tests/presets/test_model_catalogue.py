"""The catalogue's table: names, ids, commits, and parts that it puts in."""

import re
from pathlib import Path

import pytest

from pipeline.families.family_table import FAMILIES, NOT_PLAYED
from pipeline.schedules.lcm import lcm_schedule
from pipeline.solvers import solver_from_config
from presets.files import read_preset
from presets.model_catalogue import CATALOGUE, SCHEDULERS, TINY_AUTOENCODERS
from presets.model_store import HUB_ID, catalogue_model, folder_name
from presets.preset_keys import PRESET_KEYS

COMMIT = re.compile("[0-9a-f]{40}")


def test_rows_are_well_formed() -> None:
    ids = [row.hub_id for row in CATALOGUE.values()]
    assert len(set(ids)) == len(ids) >= 14
    for name, row in CATALOGUE.items():
        assert name == row.name == folder_name(name) == name.lower()
        assert HUB_ID.fullmatch(row.hub_id)
        assert row.revision == "" or COMMIT.fullmatch(row.revision)
        assert catalogue_model(row.hub_id.upper()) is row
        assert row.steps[0] <= row.steps[1]
        assert 1 <= row.guidance[0] <= row.guidance[1] <= 10
        assert row.scheduler in ("", *SCHEDULERS)
        assert row.autoencoder in ("", *TINY_AUTOENCODERS)


def test_rows_without_a_commit_are_named() -> None:
    """The document says which rows take the newest commit."""
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    (sentence,) = re.findall(r"No citation was found for (.*?):", text, re.DOTALL)
    assert re.findall("`([^`]+)`", sentence) == [row.name for row in CATALOGUE.values() if not row.revision]


def test_every_network_plays_or_says_why_not() -> None:
    played = {family.network_class for family in FAMILIES}
    assert {row.network for row in CATALOGUE.values()} <= played | NOT_PLAYED.keys()


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_are_playable(name: str) -> None:
    config = SCHEDULERS[name]
    schedule = solver_from_config(config["_class_name"], config, Path("scheduler_config.json"))(4, 1.0)
    assert len(schedule.timestep) == 4


def test_tiny_autoencoders_have_commits() -> None:
    for each in TINY_AUTOENCODERS.values():
        assert HUB_ID.fullmatch(each.hub_id)
        assert COMMIT.fullmatch(each.revision)
        assert each.channels in (4, 16)


def test_non_commercial_models_are_marked() -> None:
    for row in CATALOGUE.values():
        named = row.licence.text.split("(")[0]
        assert (row.licence.paid_show == "no") == ("NC" in named or "Non-Commercial" in named)


def test_document_lists_the_catalogue() -> None:
    text = (Path(__file__).parent.parent.parent / "docs" / "models.md").read_text(encoding="utf-8")
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if "](https://huggingface.co/" in line]
    listed = [line for line in lines if len(line) == 8]
    assert listed == [
        [
            f"`{row.name}`",
            row.title,
            f"[{row.hub_id}](https://huggingface.co/{row.hub_id})",
            "–".join(f"{each:g}" for each in dict.fromkeys(row.steps)),
            "–".join(f"{each:g}" for each in dict.fromkeys(row.guidance)),
            str(row.size),
            row.licence.text,
            row.licence.paid_show,
        ]
        for row in CATALOGUE.values()
    ]


def test_comparison_names_real_controls(tmp_path: Path) -> None:
    """Every key that the page for StreamDiffusion's users names is one of a preset, with every value that it names."""
    text = (Path(__file__).parent.parent.parent / "docs" / "coming-from-streamdiffusion.md").read_text(encoding="utf-8")
    pairs = re.findall(r"`(\w+): ([\w.]+)`", text)
    assert len(pairs) > 12
    for key, value in pairs:
        (tmp_path / "look.yaml").write_text(f"{key}: {value}\n")
        assert key in read_preset(tmp_path / "look.yaml").values
    (tmp_path / "look.yaml").write_text(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])
    assert read_preset(tmp_path / "look.yaml").values["model"] == "sd-turbo"
    rate = set(re.findall(r"`(\w+)`", text.split("## Rate and delay")[1]))
    assert {"frame_buffer", "skip", "skip_longest", "max_rate", "structure", "feedback"} <= rate & {*PRESET_KEYS}
    assert {"seed_to", "seed_mix", "drift", "negative_prompt"} <= set(re.findall(r"`(\w+)`", text)) & {*PRESET_KEYS}


def test_comparison_of_timesteps() -> None:
    """The rows of the page, by the schedule itself."""
    assert lcm_schedule(4, 1.0).timestep.tolist() == [999, 759, 499, 259]
    assert lcm_schedule(5, 0.36).timestep.tolist() == [359, 199]
