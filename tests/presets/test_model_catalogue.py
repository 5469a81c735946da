"""The catalogue's table: names, ids, commits, and parts that it puts in."""

import re
from pathlib import Path

import pytest

from pipeline.families.family_table import FAMILIES, NOT_PLAYED
from pipeline.solvers import solver_from_config
from presets.model_catalogue import CATALOGUE, SCHEDULERS, TINY_AUTOENCODERS
from presets.model_store import HUB_ID, catalogue_model, folder_name

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
        assert (row.licence.paid_show == "no") == ("NC" in row.licence.text.split("(")[0])
