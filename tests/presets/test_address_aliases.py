"""Alias tables: read, or refused whole with every problem and its place; what messages of other programs mean."""

from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.schedules.lcm import lcm_schedule
from presets.address_aliases import MOST_ALIASES, AliasTable, parse_aliases, read_alias_tables, shipped_tables
from presets.alias_readings import READINGS
from presets.declaration import ACTIONS
from presets.errors import ParameterRefused, PresetError
from presets.parameter_table import PARAMETERS, TWINS


def table(text: str) -> AliasTable:
    return AliasTable(parse_aliases(text.encode(), "mine.yaml"))


def calls(aliases: AliasTable, address: str, *arguments: object) -> list[tuple[str, list[object]]]:
    alias = aliases.find(address)
    assert alias is not None
    return alias.calls(address, arguments)


def test_one_address_for_another() -> None:
    aliases = table("/denoise: /strength\n")
    assert calls(aliases, "/denoise", 0.25) == [("/strength", [0.25])]
    assert aliases.find("/strength") is None


def test_numbers_are_scaled() -> None:
    aliases = table("/cc/7: {to: /strength, from: [0, 127], range: [0.2, 1]}\n/down: {to: /zoom, range: [2, 1]}\n")
    assert calls(aliases, "/cc/7", 0) == [("/strength", [pytest.approx(0.2)])]
    assert calls(aliases, "/cc/7", "127") == [("/strength", [pytest.approx(1.0)])]
    assert calls(aliases, "/cc/7", 900) == [("/strength", [pytest.approx(1.0)])]
    assert calls(aliases, "/down", 0.25) == [("/zoom", [pytest.approx(1.75)])]
    with pytest.raises(ParameterRefused, match="a number is expected"):
        calls(aliases, "/cc/7", "high")


def test_texts_are_translated() -> None:
    aliases = table("/sdmode: {to: /mode, values: {img2img: image, txt2img: text}}\n")
    assert calls(aliases, "/sdmode", " TXT2IMG ") == [("/mode", ["text"])]
    with pytest.raises(ParameterRefused, match=r"/sdmode takes img2img, txt2img, not 'video'"):
        calls(aliases, "/sdmode", "video")


def test_words_in_any_case_and_whole_numbers() -> None:
    aliases = table("/sdmode: {to: /mode, values: {IMG2IMG: image, 1: text}}\n")
    assert calls(aliases, "/sdmode", "img2img") == calls(aliases, "/sdmode", "IMG2IMG") == [("/mode", ["image"])]
    assert calls(aliases, "/sdmode", 1) == calls(aliases, "/sdmode", 1.0) == [("/mode", ["text"])]


def test_range_of_the_largest_numbers() -> None:
    aliases = table("/a: {to: /zoom, range: [1.0e308, -1.0e308]}\n")
    assert calls(aliases, "/a", 0.5) == [("/zoom", [0.0])]


def test_fixed_value_at_a_press() -> None:
    aliases = table("/pause: {to: /freeze, value: true}\n")
    assert calls(aliases, "/pause") == [("/freeze", [True])]
    assert calls(aliases, "/pause", 1) == [("/freeze", [True])]
    assert calls(aliases, "/pause", 0.0) == [], "a button is let go"


def test_addresses_below() -> None:
    aliases = table("/fx/zoom: /zoom\n/fx/*: null\n")
    assert calls(aliases, "/fx/zoom", 2.0) == [("/zoom", [2.0])]
    assert calls(aliases, "/fx/blur/radius", 2.0) == []
    assert aliases.find("/fxs") is None


def test_own_addresses_keep_their_meaning() -> None:
    aliases = table("/*: null\n/prompt/*: /zoom\n")
    assert calls(aliases, "/unknown", 1.0) == []
    assert calls(aliases, "/prompt/mood", 1.0) == [("/zoom", [1.0])], "the longer key holds"
    for own in ("/panic", "/strength", "/Strength/", "/prompt/2/text", "/strength/norm"):
        assert aliases.find(own) is None


def test_later_table_wins(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("/scope/noise_scale: /structure\n")
    aliases = read_alias_tables(["scope", str(path)])
    assert calls(aliases, "/scope/noise_scale", 0.5) == [("/structure", [0.5])]
    assert calls(aliases, "/scope/prompt", "rain") == [("/prompt", ["rain"])]


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("", "1:1", "an alias table maps addresses"),
        ("- /a", "1:1", "an alias table maps addresses"),
        ("denoise: /strength", "1:1", "an OSC address starts with /"),
        ("4: /strength", "1:1", "an OSC address starts with /"),
        ("/strength: /structure", "1:1", "/strength is an address of this program"),
        ("/strength/norm: /structure", "1:1", "is an address of this program"),
        ("/panic: null", "1:1", "/panic is an address of this program"),
        ("/Strength/: /structure", "1:1", "/Strength/ is an address of this program"),
        ("/subscribe: /zoom", "1:1", "/subscribe is an address of this program"),
        ("/streamflow/fps: null", "1:1", "/streamflow/fps is an address of this program"),
        ("/a*: /zoom", "1:1", "no pattern but /* at its end"),
        ("/a/*/b: /zoom", "1:1", "no pattern but /* at its end"),
        ("/a: {reading: seeds, value: 3}", "1:5", "a reading has no other key"),
        ("/a: {to: /zoom, from: [0, 127]}", "1:5", "from goes with range"),
        ("/a: {to: /zoom, from: [.nan, 1], range: [0, 1]}", "1:5", "from takes two different numbers"),
        ("/a: {to: /strength/norm, value: high}", "1:5", "/strength/norm: a number is expected"),
        ("/a: {to: /prompt/1/text, value: .inf}", "1:5", "a number is expected, not inf"),
        ("/a: /strenth", "1:5", "/a: /strenth is not an address of this program"),
        ("/a: 4", "1:5", "/a maps to an address, a mapping or null; 4 was given"),
        ("/a: {}", "1:5", "/a: give to, an address, or reading"),
        ("/a: {to: /strength, reading: prompts}", "1:5", "give to, an address, or reading"),
        ("/a: {reading: promts}", "1:5", "'promts' is not a reading; they are prompts, seeds"),
        ("/a: {too: /strength}", "1:6", "'too' is not a key of an alias"),
        ("/a: {to: /strength, range: [0]}", "1:28", "/a: range must"),
        ("/a: {to: /strength, range: [0, much]}", "1:32", "/a: 1 must be a number"),
        ("/a: {to: /strength, from: [1, 1]}", "1:5", "from takes two different numbers"),
        ("/a: {to: /strength, range: [0, 1], value: 1}", "1:5", "give one of value, values and range"),
        ("/a: {to: /mode, value: movie}", "1:5", "/mode"),
        ("/a: {to: /mode, values: {b: movie}}", "1:5", "/mode"),
        ("/a: /strength\n/a: /steps", "2:1", ""),
        ("/a: &x /strength", "1:5", ""),
        ("/a: !!python/object:os.system ls", "1:5", ""),
    ],
)
def test_refused_tables(text: str, place: str, problem: str) -> None:
    with pytest.raises(PresetError) as refused:
        table(text)
    assert str(refused.value).startswith(f"mine.yaml:{place}: ")
    assert problem in str(refused.value)


def test_too_many_aliases() -> None:
    with pytest.raises(PresetError, match="at most 1000 addresses"):
        table("\n".join(f"/a{number}: /zoom" for number in range(MOST_ALIASES + 1)))


def test_unknown_table_lists_those_there_are() -> None:
    with pytest.raises(PresetError, match="no such alias table; there are resolume, scope, streamdiffusiontd"):
        read_alias_tables(["streamdifusion"])


@pytest.mark.parametrize("name", shipped_tables())
def test_shipped_table_is_sound(name: str) -> None:
    aliases = read_alias_tables([name])
    own = {*PARAMETERS, *TWINS, *(action.address for action in ACTIONS)}
    assert len(aliases) >= 5
    assert not own & set(parse_addresses(name))


def parse_addresses(name: str) -> list[str]:
    text = (resources.files("presets") / "aliases" / f"{name}.yaml").read_text()
    return [line.split(":")[0] for line in text.splitlines() if line.startswith("/")]


def test_weighted_prompts() -> None:
    wanted = [("/prompt", ["rain", 0.7, "snow", 0.3])]
    assert READINGS["prompts"]("/p", ['[["rain", 0.7], ["snow", 0.3]]']) == wanted
    assert READINGS["prompts"]("/p", ["rain", 0.7, "snow", 0.3]) == wanted
    assert READINGS["prompts"]("/p", [[["rain", 0.7], ["snow", 0.3]]]) == wanted
    with pytest.raises(ParameterRefused, match="there are 4 prompts; 5 texts came"):
        READINGS["prompts"]("/p", ["a", 1, "b", 1, "c", 1, "d", 1, "e", 1])
    for text in ("[[null, 1]]", '[["rain", 1], [{"a": 1}, 0.5]]', "[[true, 1]]"):
        with pytest.raises(ParameterRefused, match="/p takes texts with their weights"):
            READINGS["prompts"]("/p", [text])


def test_weighted_seeds() -> None:
    assert READINGS["seeds"]("/s", ["[[7, 1.0]]"]) == [("/seed", [7]), ("/seed_mix", [0.0])]
    mixed = dict(READINGS["seeds"]("/s", ["[[7, 0.1], [8, 0.6], [9, 0.2]]"]))
    assert mixed == {"/seed": [8], "/seed_to": [9], "/seed_mix": [pytest.approx(0.25)]}
    assert dict(READINGS["seeds"]("/s", [7, 0.0, 8, 0.0]))["/seed_mix"] == [0.0]
    assert dict(READINGS["seeds"]("/s", [7, 5.0, 8, -4.9]))["/seed_mix"] == [0.0]
    assert dict(READINGS["seeds"]("/s", [7, 1e308, 8, 1e308]))["/seed_mix"] == [0.5]


@pytest.mark.parametrize(
    ("reading", "arguments", "strength", "steps"),
    [
        ("t_index_list", [0, 16, 32, 45], 1.0, 4),
        ("t_index_list", ["[32, 45]"], 0.36, 5),
        ("t_index_list", [[25]], 0.5, 2),
        ("t_index_list", [50], 0.0, 1),
        ("t_index_list", [-3], 1.0, 1),
        ("timesteps", [1000, 750, 500, 250], 1.0, 4),
        ("timesteps", [700, 500], 0.7, 2),
        ("timesteps", [1e-309], 0.0, 1000),
    ],
)
def test_timestep_lists(reading: str, arguments: list[object], strength: float, steps: int) -> None:
    """docs/coming-from-streamdiffusion.md has the rule."""
    assert dict(READINGS[reading]("/t", arguments)) == {"/strength": [pytest.approx(strength)], "/steps": [steps]}


@given(first=st.integers(0, 49), count=st.integers(1, 8))
def test_a_call_for_each_place(first: int, count: int) -> None:
    """The schedule of the strength and steps has a network call for each place of StreamDiffusion's list."""
    places = [*range(first, 50)][:count]
    read = dict(READINGS["t_index_list"]("/t_list", places))
    strength, steps = float(str(read["/strength"][0])), int(str(read["/steps"][0]))
    assert len(lcm_schedule(steps, strength).timestep) == len(places)


@pytest.mark.parametrize("reading", READINGS)
@given(
    arguments=st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=4),
            lambda inner: st.lists(inner, max_size=4),
            max_leaves=8,
        ),
        max_size=6,
    )
)
def test_any_arguments_are_read_or_refused(reading: str, arguments: list[object]) -> None:
    try:
        read = READINGS[reading]("/x", arguments)
    except ParameterRefused:
        return
    assert all(address in PARAMETERS or address == "/prompt" for address, _ in read)
