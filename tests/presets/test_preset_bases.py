"""Presets that extend others: values by hand, errors by place, and any chain saved and read again."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from presets.annotated_preset import annotated_text
from presets.errors import PresetError
from presets.files import parse_preset
from presets.library import Library
from presets.parameter_table import Value
from presets.preset_bases import MOST_BASES
from presets.preset_keys import PRESET_KEYS


@pytest.fixture
def library(tmp_path: Path) -> Library:
    (tmp_path / "presets").mkdir()
    return Library(tmp_path / "presets")


def put(library: Library, **texts: str) -> None:
    for name, text in texts.items():
        (library.folder / f"{name}.yaml").write_text(text)


def problem(library: Library, name: str) -> str:
    with pytest.raises(PresetError) as refused:
        library.recall(name)
    return str(refused.value).replace(f"{library.folder}/", "")


def test_named_values_take_the_place(library: Library) -> None:
    put(library, cold="prompt: ice\nstrength: 0.3\nseed: 5\n", colder="extends: cold\nstrength: 0.2\n")
    put(library, coldest="description: none\nextends: colder\nseed: 9\nprompt: [snow, rain]\n")
    values = library.recall("coldest")
    assert (values["/prompt/1/text"], values["/prompt/2/text"]) == ("snow", "rain")
    assert (values["/strength"], values["/seed"], values["/preset"]) == (0.2, 9, "coldest")
    assert library.recall("colder") == {**library.recall("cold"), "/strength": 0.2, "/preset": "colder"}
    entries = {entry.name: entry for entry in library.entries()}
    assert entries["coldest"].preset is not None
    assert [file.stem for file in entries["coldest"].preset.files] == ["coldest", "colder", "cold"]


def test_shipped_bases_and_other_folders(library: Library, tmp_path: Path) -> None:
    shipped = library.recall("fire")
    put(library, fire="extends: Fire\nstrength: 0.125\n", mine="extends: fire\nseed: 77\n")
    assert library.recall("fire") == {**shipped, "/strength": 0.125}
    assert library.recall("mine") == {**shipped, "/strength": 0.125, "/seed": 77, "/preset": "mine"}
    path = tmp_path / "one.yaml"
    path.write_text("extends: fire\nseed: 77\n")
    assert library.resolve(str(path)) == {**shipped, "/seed": 77, "/preset": str(path)}, "the base is beside the file"


def test_changed_bases_are_read_again(library: Library) -> None:
    put(library, mine="extends: later\n")
    assert problem(library, "mine").startswith("mine.yaml:1:10: extends: there is no preset 'later'; ")
    put(library, later="strength: 0.5\n")
    assert library.recall("mine")["/strength"] == 0.5
    put(library, later="strength: 0.25\n")
    assert library.recall("mine")["/strength"] == 0.25
    (library.folder / "later.yaml").unlink()
    assert next(entry.error for entry in library.entries() if not entry.shipped).startswith(str(library.folder))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed: 1\nextends: fier\n", "a.yaml:2:10: extends: there is no preset 'fier'; did you mean fire?"),
        ("extends: a\n", "a.yaml:1:10: extends: there is no preset 'a'; "),
        ("extends: ../presets/fire\n", "a.yaml:1:10: extends: there is no preset '../presets/fire'; there are"),
        ("extends: b\n", "b.yaml:1:10: extends: a preset can't extend itself: a, b, a"),
        (
            "extends: broken\n",
            "a.yaml:1:10: extends broken, which can't be read: broken.yaml:1:11: strength must be at",
        ),
        ("extends: 4\n", "a.yaml:1:10: extends must be text; 4 was given"),
        ("extends:\n", "a.yaml:1:9: extends must be text; nothing was given"),
        ("extends: [fire, ice-cells]\n", "a.yaml:1:10: extends must be text; a list was given"),
    ],
)
def test_problems_name_the_line(library: Library, text: str, expected: str) -> None:
    put(library, a=text, b="extends: a\n", broken="strength: 2\n")
    assert problem(library, "a").startswith(expected)


def test_chains_are_bounded(library: Library) -> None:
    for place in range(MOST_BASES + 2):
        put(library, **{f"look{place}": f"extends: look{place + 1}\n" if place <= MOST_BASES else "seed: 3\n"})
    assert library.recall("look1")["/seed"] == 3
    assert problem(library, "look0") == "look8.yaml:1:10: extends: at most 8 presets can extend one another"


def test_other_model_leaves_the_adapters(library: Library) -> None:
    put(library, sd="model: sd-turbo\nlora1: a.safetensors\ncontrolnet: edges\nlora1_weight: 0.5\nwidth: 512\n")
    put(library, other="extends: sd\nmodel: sdxl-turbo\n", second="extends: sd\nlora2: b.safetensors\n")
    values = library.recall("other")
    assert (values["/model"], values["/lora1"], values["/controlnet"]) == ("sdxl-turbo", "", "")
    assert (values["/lora1_weight"], values["/width"]) == (0.5, 512)
    values = library.recall("second")
    assert (values["/lora1"], values["/lora2"], values["/controlnet"]) == ("a.safetensors", "b.safetensors", "edges")


def test_shown_with_the_origin_of_each_value(library: Library) -> None:
    put(library, cold="extends: ice-cells\nstrength: 0.3\n", colder="description: c\nextends: cold\nseed: 9\n")
    text = annotated_text(library.complete("colder"))
    lines = text.splitlines()
    assert lines[:2] == ["# colder extends cold, which extends ice-cells.", "description: c"]

    def origin(key: str) -> str:
        at = next(place for place, line in enumerate(lines) if line.startswith(f"{key}:"))
        return next(line for line in reversed(lines[:at]) if line.startswith("# "))

    assert [origin(key) for key in ("prompt", "strength", "seed", "guidance")] == [
        "# From ice-cells:",
        "# From cold:",
        "# From colder:",
        "# Default:",
    ]
    assert parse_preset(text.encode(), "x.yaml").addresses() == {
        address: value for address, value in library.recall("colder").items() if address != "/preset"
    }
    put(library, fire="extends: fire\nseed: 4\n")
    assert annotated_text(library.complete("fire")).startswith("# fire extends the shipped fire.\n")


def test_saving_writes_what_differs(library: Library) -> None:
    put(library, cold="prompt: ice\nstrength: 0.3\n", mine="description: Mine\nextends: cold\nseed: 9\n")
    library.save("mine", {**library.recall("mine"), "/strength": 0.6})
    assert (library.folder / "mine.yaml").read_text() == "description: Mine\nextends: cold\nstrength: 0.6\nseed: 9\n"
    library.save("other", library.recall("mine"))
    assert "extends" not in (library.folder / "other.yaml").read_text()
    put(library, cold="model: sd-turbo\n")
    values = {address: value for address, value in library.recall("fire").items() if address != "/model"}
    library.save("mine", values)
    assert "extends" not in (library.folder / "mine.yaml").read_text(), "its base would bring another model"
    assert library.recall("mine") == {**values, "/preset": "mine"}


FIELDS: dict[str, st.SearchStrategy[object]] = {
    "prompt": st.lists(st.sampled_from(["ice", "fire"]), max_size=3),
    "strength": st.floats(0, 1),
    "seed": st.integers(0, 3),
    "morph": st.floats(0, 60),
    "model": st.sampled_from(["sd-turbo", "echo"]),
    "engine": st.sampled_from(["", "unet.onnx"]),
    "reuse": st.booleans(),
    "width": st.sampled_from([256, 512]),
    "lora1": st.sampled_from(["", "a.safetensors"]),
    "lora2": st.sampled_from(["", "b.safetensors"]),
    "controlnet": st.sampled_from(["", "edges"]),
    "controlnet_preprocessor": st.sampled_from(["none", "canny"]),
    "ip_adapter_encoder": st.sampled_from(["", "encoder"]),
    "lfo": st.lists(st.builds(lambda target: {"target": target}, st.sampled_from(["seed_mix", "zoom"])), max_size=2),
    "processor": st.lists(st.builds(lambda share: {"name": "mirror", "value1": share}, st.floats(0, 1)), max_size=2),
}
LOOK = st.fixed_dictionaries({}, optional=FIELDS)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(base=LOOK, own=LOOK, later=LOOK)
def test_any_look_survives_saving(
    library: Library, base: dict[str, object], own: dict[str, object], later: dict[str, object]
) -> None:
    put(library, base=f"{{description: b, {_yaml(base)[1:-1]}}}", later=f"{{description: l, {_yaml(later)[1:-1]}}}")
    put(library, mine=f"{{extends: base, {_yaml(own)[1:-1]}}}")
    merged = library.recall("mine")
    for key, value in own.items():
        assert library.load("mine").values[key] == parse_preset(_yaml({key: value}).encode(), "x").values[key]
    for values in (merged, library.recall("later")):
        library.save("mine", values)
        assert _tidy(library.recall("mine")) == _tidy(values) | {"/preset": "mine"}
    assert set(merged) >= {"/strength", "/seed"}
    assert set(library.load("mine").values) <= set(PRESET_KEYS)


def _yaml(values: dict[str, object]) -> str:
    return json.dumps(values)


def _tidy(values: dict[str, Value]) -> dict[str, Value]:
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in values.items()}
