"""Strict YAML: every problem with its place, nothing but `PresetError` for any bytes, and a true round trip."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from presets.build import REBUILD_KEYS
from presets.errors import PresetError
from presets.files import (
    KEPT_KEYS,
    LOOK_KEYS,
    Preset,
    parse_preset,
    preset_text,
    read_preset,
    write_preset,
)
from presets.parameter_table import PARAMETERS
from presets.parameters import Parameters, WeightedPrompt


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(PresetError) as refused:
        parse_preset(text.encode() if isinstance(text, str) else text, "ice.yaml")
    return str(refused.value).split("\n")


def test_a_preset_has_what_its_file_names_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "ice.yaml"
    path.write_text("description: cold\nprompt:\n  - {text: ice cells, weight: 0.5}\n  - text: smoke\nstrength: 1\n")
    preset = read_preset(path)
    assert (preset.name, preset.description) == ("ice", "cold")
    assert preset.values == {
        "prompt": (WeightedPrompt(text="ice cells", weight=0.5), WeightedPrompt(text="smoke")),
        "strength": 1.0,
    }
    assert type(preset.values["strength"]) is float


def test_one_text_is_a_prompt() -> None:
    addresses = parse_preset(b"prompt: fire\nname: My Fire", "x.yaml").addresses()
    assert addresses["/prompt/1/text"] == "fire"
    assert addresses["/prompt/1/weight"] == 1.0
    assert [addresses[f"/prompt/{place}/text"] for place in (2, 3, 4)] == ["", "", ""]


def test_a_look_is_complete_but_for_what_would_start_a_renderer_and_how_it_arrives() -> None:
    addresses = parse_preset(b"strength: 0.2\nwidth: 512", "x.yaml").addresses()
    assert addresses["/strength"] == 0.2
    assert addresses["/seed"] == PARAMETERS["/seed"].default
    assert addresses["/prompt/1/text"] == PARAMETERS["/prompt/1/text"].default
    assert addresses["/width"] == 512
    named = {PARAMETERS[address].key for address in addresses}
    assert named == {*LOOK_KEYS} - KEPT_KEYS | {"width"}
    assert {"model", "width", "height", "accelerator", "attention", "fallback", "engine"} == REBUILD_KEYS
    assert {"morph", "morph_pictures", "max_rate"} == KEPT_KEYS - REBUILD_KEYS, (
        "a fader for all looks that say nothing of it"
    )
    assert parse_preset(b"morph: 0", "x.yaml").addresses()["/morph"] == 0


def test_a_look_that_names_a_model_has_no_engine_but_the_one_it_names() -> None:
    assert parse_preset(b"model: /models/other", "x.yaml").addresses()["/engine"] == ""
    assert parse_preset(b"model: /m\nengine: unet.onnx", "x.yaml").addresses()["/engine"] == "unet.onnx"
    assert "/engine" not in parse_preset(b"width: 512", "x.yaml").addresses(), "where the model stays, so does it"
    assert "/model" not in parse_preset(b"engine: unet.onnx", "x.yaml").addresses()


def test_an_empty_file_is_the_default_look() -> None:
    assert parse_preset(b"# nothing yet\n", "x.yaml").values == {}


def test_text_is_put_on_one_line() -> None:
    preset = parse_preset(b"prompt: |\n  ice\n  cells\n", "x.yaml")
    assert preset.addresses()["/prompt/1/text"] == "ice cells"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prompt: x\nsteps: 4\nseed: 1\nstrength: 1.5", "ice.yaml:4:11: strength must be at most 1; 1.5 stands there"),
        ("steps: '4'", "ice.yaml:1:8: steps must be a whole number; '4' stands there"),
        ("steps: 4.0", "ice.yaml:1:8: steps must be a whole number; 4.0 stands there"),
        ("steps: 0", "ice.yaml:1:8: steps must be at least 1; 0 stands there"),
        ("strength: true", "ice.yaml:1:11: strength must be a number; true stands there"),
        ("strength: '0.5'", "ice.yaml:1:11: strength must be a number; '0.5' stands there"),
        ("strength:", "ice.yaml:1:10: strength must be a number; nothing stands there"),
        ("strength: [1]", "ice.yaml:1:11: strength must be a number; a list stands there"),
        ("width: 250", "ice.yaml:1:8: width must be a multiple of 32; 250 stands there"),
        ("mode: txt", "ice.yaml:1:7: mode must be 'image' or 'text'; 'txt' stands there"),
        ("negative_prompt: 5", "ice.yaml:1:18: negative_prompt must be text; 5 stands there"),
        ("prompt: 5", "ice.yaml:1:9: prompt must be a text, or a list of text and weight; 5 stands there"),
        ("prompt: {text: x}", "ice.yaml:1:9: prompt must be a text, or a list of text and weight; a mapping"),
        ("prompt: [x]", "ice.yaml:1:10: prompt/1 must be a mapping of text and weight; 'x' stands there"),
        ("prompt:\n- text: x\n  weight: 9", "ice.yaml:3:11: prompt/1/weight must be at most 2; 9 stands there"),
        ("prompt:\n- text: x\n  weigth: 1", "ice.yaml:3:3: 'weigth' is not a key here; did you mean weight?"),
        ("prompt: [{}, {}, {}, {}, {}]", "ice.yaml:1:9: prompt must have at most 4 entries; a list stands there"),
        ("streng: 1", "ice.yaml:1:1: 'streng' is not a key here; did you mean strength?"),
        ("blackout: true", "ice.yaml:1:1: blackout belongs to the evening and not to a look: take it out"),
        ("4: 4", "ice.yaml:1:1: '4' is not a key here; the keys are name, description, prompt,"),
        ("seed: 1\nseed: 2", "ice.yaml:2:1: seed is here twice (first in line 1)"),
        ("prompt: &a x", "ice.yaml:1:9: anchors (&) and aliases (*) are not taken here"),
        ("prompt: *a", "ice.yaml:1:9: anchors (&) and aliases (*) are not taken here"),
        ("prompt: !!str x", "ice.yaml:1:9: tags (!) are not taken here"),
        ("a: !!python/object/apply:os.system [id]", "ice.yaml:1:4: tags (!) are not taken here"),
        ("seed: 1\n---\nseed: 2", "ice.yaml:2:1: one document is expected; another begins here"),
        ("[[[[[[[[[[x", "ice.yaml:1:9: nothing here nests deeper than 8 levels"),
        ("prompt: [" + "a, " * 600 + "]", "ice.yaml:1:1501: more than 500 keys and values stand here"),
        ("prompt: [", "ice.yaml:1:10: this is not YAML"),
        ("prompt: 'x", "ice.yaml:1:11: this is not YAML"),
        ("? [a]\n: 1", "ice.yaml:1:3: a key must be a single word"),
        ("- 1", "ice.yaml:1:1: keys and values are expected; a list stands there"),
        ("just words", "ice.yaml:1:1: keys and values are expected; 'just words' stands there"),
        ("seed: 1\na: \x00", "ice.yaml:2:4: character 0x0 can't stand in YAML"),
        ("name: " + "x" * 101, "ice.yaml:1:7: name must have at most 100 characters; 'xxx"),
        ("seed: " + "9" * 6000, "ice.yaml:1:7: seed must be a whole number; 99999"),
        ("strength: .nan", "ice.yaml:1:11: strength must be at most 1; .nan stands there"),
        ("strength: .inf", "ice.yaml:1:11: strength must be at most 1; .inf stands there"),
        ('name: "\\UFFFFFFFF"', "ice.yaml: an escape or a directive has a number out of range"),
        (b"seed: 1\n# \xff", "ice.yaml:2:3: UTF-8 text is expected; byte 0xff is not"),
        (b"seed: 1\n".decode().encode("utf-16"), "ice.yaml:1:1: UTF-8 text is expected"),
        (b"#" * 70000, "ice.yaml: the file is larger than the 64 KiB allowed"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(text: str | bytes, said: str) -> None:
    assert problems(text)[0].startswith(said)


def test_all_the_problems_are_told_in_the_order_of_the_lines() -> None:
    told = problems("strength: 1.5\nstreng: 1\nsteps: four\nseed: 1\nseed: -2\nwidth: -1\n")
    assert [line.split(":")[1] for line in told] == ["1", "2", "3", "5", "6"]


@pytest.mark.parametrize(("word", "value"), [("1e-1", 0.1), ("1", 1.0), (".5", 0.5), ("0", 0.0)])
def test_numbers_are_read_as_people_write_them(word: str, value: float) -> None:
    assert parse_preset(f"strength: {word}".encode(), "x").values["strength"] == value


@pytest.mark.parametrize("word", ["no", "on", "2024-01-01", "1:30", "=", "<<"])
def test_plain_words_are_text(word: str) -> None:
    assert parse_preset(f"negative_prompt: {word}".encode(), "x").values["negative_prompt"] == word


def test_a_byte_order_mark_is_no_error() -> None:
    assert parse_preset(b"\xef\xbb\xbfseed: 3", "x").values == {"seed": 3}


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"gone\.yaml: there is no such file"):
        read_preset(tmp_path / "gone.yaml")
    with pytest.raises(PresetError, match="a file is expected"):
        read_preset(tmp_path)
    with pytest.raises(PresetError, match="there is no such file"):
        read_preset(tmp_path / "a\0b")
    with pytest.raises(PresetError, match="can't be read"):
        read_preset(tmp_path / ("x" * 300))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(PresetError, match="a file is expected"):
        read_preset(tmp_path / "pipe.yaml")


YAML_PARTS = st.sampled_from(
    [*LOOK_KEYS, "text", "weight", "name", ":", ": ", "\n", "\n  ", "- ", "[", "]", "{", "}", ",", "&a ", "*a",
     "!!int ", "!<", "'", '"', "\\x", "\\U00110000", "|", ">", "|9", "#", "---", "...", "%YAML 1.1\n", "%TAG ! x", "?",
     "<<", "~", "\t", "0x", "0o9", "1e", "-.inf", ".nan", "1_0", "\ufeff", "\x85", "\u2028", "\x07", "%YAML 9999.1\n",
     "é"]
)  # fmt: skip


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.lists(YAML_PARTS, max_size=25).map("".join).map(str.encode) | st.binary(max_size=200))
@example(data=b"%YAML " + b"9" * 5000 + b".1\n--- 1")
@example(data=b"- " * 3000)
@example(data=b"[" * 60000)
@example(data=b"? " * 3000)
@example(data=b"{a: " * 2000)
def test_no_bytes_raise_anything_but_preset_error(data: bytes) -> None:
    try:
        preset = parse_preset(data, "fuzz.yaml")
    except PresetError as refused:
        said = str(refused)
    else:
        Parameters.model_validate(dict(preset.values))
        return
    assert all(line.startswith("fuzz.yaml") for line in said.split("\n"))


TEXT = st.text(max_size=60) | st.sampled_from(
    ["1e3", "no", "null", "~", "0o7", "2024-01-01", "- a", "a: b", "#x", "'", ""]
)
FIELDS = {
    "prompt": st.lists(st.builds(WeightedPrompt, text=TEXT, weight=st.floats(0, 2)), max_size=4).map(tuple),
    "negative_prompt": TEXT,
    "mode": st.sampled_from(["image", "text"]),
    "strength": st.floats(0, 1),
    "steps": st.integers(1, 50),
    "guidance": st.floats(1, 10),
    "guidance_kind": st.sampled_from(["full", "self_negative", "onetime_negative", "free"]),
    "seed": st.integers(0, 2**31 - 1),
    "feedback": st.floats(0, 1),
    "feedback_zoom": st.floats(0.5, 2),
    "feedback_rotate": st.floats(-180, 180),
    "feedback_x": st.floats(-0.5, 0.5),
    "feedback_y": st.floats(-0.5, 0.5),
    "skip": st.floats(0, 10),
    "skip_longest": st.integers(1, 1000),
    "low_latency": st.booleans(),
    "frame_buffer": st.integers(1, 4),
    "prompt_mix": st.sampled_from(["linear", "spherical"]),
    "prompt_change": st.sampled_from(["next", "all"]),
    "morph": st.floats(0, 60),
    "morph_pictures": st.integers(0, 1000),
    "seed_to": st.integers(0, 2**31 - 1),
    "seed_mix": st.floats(0, 1),
    "drift": st.floats(0, 5),
    "model": TEXT,
    "width": st.integers(2, 64).map(lambda side: side * 32),
    "height": st.integers(2, 64).map(lambda side: side * 32),
    "accelerator": st.sampled_from(["auto", "openvino", "onnxruntime", "eager"]),
    "attention": st.sampled_from(["sdpa", "flash", "xformers"]),
    "engine": TEXT,
    "fallback": st.booleans(),
    "max_rate": st.integers(0, 240),
}


def test_every_key_is_in_the_round_trip() -> None:
    assert set(LOOK_KEYS) == set(FIELDS)


@settings(deadline=None)
@given(
    values=st.fixed_dictionaries({}, optional=FIELDS),
    name=st.text(min_size=1, max_size=100),
    description=TEXT,
)
def test_what_is_written_is_what_is_read(values: dict[str, object], name: str, description: str) -> None:
    preset = Preset(name, description, values)
    assert parse_preset(preset_text(preset).encode(), "x.yaml") == preset


def test_a_file_is_easy_to_edit() -> None:
    prompt = (WeightedPrompt(text="eis, grün"),)
    text = preset_text(Preset("ice", "cold", {"seed": 3, "strength": 0.5, "prompt": prompt}), stem="ice")
    assert text == "description: cold\nprompt: eis, grün\nstrength: 0.5\nseed: 3\n"


def test_writing_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "looks" / "ice.yaml"
    write_preset(path, Preset("ice", "", {"seed": 1}))
    write_preset(path, Preset("ice", "", {"seed": 2}))
    assert read_preset(path).values == {"seed": 2}
    assert [file.name for file in path.parent.iterdir()] == ["ice.yaml"]
    (tmp_path / "file").write_text("")
    with pytest.raises(PresetError, match="can't be written"):
        write_preset(tmp_path / "file" / "ice.yaml", Preset("ice"))


def test_writing_goes_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("seed: 1\n")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real.yaml")
    write_preset(tmp_path / "link.yaml", Preset("link", "", {"seed": 5}))
    assert (tmp_path / "link.yaml").is_symlink()
    assert "seed: 5" in (tmp_path / "real.yaml").read_text()
