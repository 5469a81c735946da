"""Preset files: every problem with its place, only `PresetError` for any bytes, and an exact round trip."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from presets.build import REBUILD_KEYS
from presets.declaration import LFOS
from presets.errors import PresetError
from presets.files import (
    Preset,
    parse_preset,
    preset_text,
    read_preset,
    write_preset,
)
from presets.lfo_parameters import Lfo
from presets.movement import SHAPES
from presets.parameter_table import LFO_TARGETS, NESTED, PARAMETERS, Parameter
from presets.parameters import Parameters, WeightedPrompt
from presets.preset_keys import KEPT_KEYS, PRESET_KEYS
from presets.processor_parameters import PROCESSORS, ProcessorPlace


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(PresetError) as refused:
        parse_preset(text.encode() if isinstance(text, str) else text, "ice.yaml")
    return str(refused.value).split("\n")


def test_preset_has_the_keys_of_its_file(tmp_path: Path) -> None:
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


def test_list_of_texts_is_a_mix() -> None:
    addresses = parse_preset(b"prompt: [red cat, {text: blue dog, weight: 0.5}]", "x.yaml").addresses()
    assert [addresses[f"/prompt/{place}/text"] for place in (1, 2, 3)] == ["red cat", "blue dog", ""]
    assert [addresses[f"/prompt/{place}/weight"] for place in (1, 2)] == [1.0, 0.5]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_encodings_of_windows(encoding: str) -> None:
    text = "prompt: größe 🎛\r\n"
    data = (b"\xff\xfe" if encoding == "utf-16-le" else b"") + text.encode(encoding)
    assert parse_preset(data, "x.yaml").addresses()["/prompt/1/text"] == "größe 🎛"


def test_comments_stay_comments() -> None:
    for text in (
        "prompt: room # five",
        "prompt: room  ## mine",
        "prompt: 'room #5'",
        "prompt: room#5",
        "#5\nprompt: a",
    ):
        assert parse_preset(text.encode(), "x.yaml").addresses()["/prompt/1/text"] in ("room", "room #5", "room#5", "a")


LORAS = {"lora1", "lora2", "lora3", "lora4"}
CONTROLNET = {"controlnet", "controlnet_preprocessor", "controlnet_depth_model"}
IP_ADAPTER = {"ip_adapter", "ip_adapter_encoder"}
FRAMING = {"fit", "zoom", "pan_x", "pan_y", "flip_x", "flip_y"}
MIX = {"source2", "mix_mode", "mix", "key_hue", "key_threshold", "key_softness"}


def test_addresses_leave_out_kept_keys_alone() -> None:
    addresses = parse_preset(b"strength: 0.2\nwidth: 512", "x.yaml").addresses()
    assert addresses["/strength"] == 0.2
    assert addresses["/seed"] == PARAMETERS["/seed"].default
    assert addresses["/prompt/1/text"] == PARAMETERS["/prompt/1/text"].default
    assert addresses["/width"] == 512
    named = {PARAMETERS[address].key for address in addresses}
    assert named == {*PRESET_KEYS} - KEPT_KEYS | {"width"}
    assert {
        "model", "autoencoder", "width", "height", "accelerator", "precision", "attention", "fallback", "engine",
        "reuse",
        *LORAS, *CONTROLNET, *IP_ADAPTER,
    } == REBUILD_KEYS  # fmt: skip
    assert {
        "morph",
        "morph_beats",
        "morph_pictures",
        "max_rate",
        "between",
        "source",
        *FRAMING,
        *MIX,
    } == KEPT_KEYS - REBUILD_KEYS, "set once for every preset that does not name them"
    assert parse_preset(b"morph: 0", "x.yaml").addresses()["/morph"] == 0


def test_model_without_engine_clears_the_engine() -> None:
    assert parse_preset(b"model: /models/other", "x.yaml").addresses()["/engine"] == ""
    assert parse_preset(b"model: /m\nengine: unet.onnx", "x.yaml").addresses()["/engine"] == "unet.onnx"
    assert "/engine" not in parse_preset(b"width: 512", "x.yaml").addresses(), "the engine stays with the model"
    assert "/model" not in parse_preset(b"engine: unet.onnx", "x.yaml").addresses()


def test_autoencoder_of_another_model_goes() -> None:
    """Not every model has both."""
    assert parse_preset(b"model: /models/other", "x.yaml").addresses()["/autoencoder"] == "auto"
    assert parse_preset(b"model: /m\nautoencoder: full", "x.yaml").addresses()["/autoencoder"] == "full"
    assert "/autoencoder" not in parse_preset(b"prompt: ice", "x.yaml").addresses()


def test_reuse_of_another_model_goes() -> None:
    """Not every model has it, and none with a ControlNet."""
    for named in (b"model: /models/other", b"controlnet: /nets/edges"):
        assert parse_preset(named, "x.yaml").addresses()["/reuse"] is False
        assert parse_preset(named + b"\nreuse: true", "x.yaml").addresses()["/reuse"] is True
    assert "/reuse" not in parse_preset(b"prompt: ice", "x.yaml").addresses()


def test_loras_of_another_preset_go() -> None:
    """A preset that names no model and no LoRA keeps both, and one that names either has its own LoRAs alone."""
    addresses = {f"/{key}" for key in LORAS}
    assert not addresses & parse_preset(b"prompt: ice\nlora1_weight: 0.5", "x.yaml").addresses().keys()
    for text in (b"model: /models/other", b"lora3: a.safetensors", b"model: /m\nlora3: a.safetensors"):
        found = parse_preset(text, "x.yaml").addresses()
        assert {address: found[address] for address in addresses} == dict.fromkeys(addresses, "") | (
            {"/lora3": "a.safetensors"} if b"lora3" in text else {}
        )
    assert "/model" not in parse_preset(b"lora3: a.safetensors", "x.yaml").addresses()


def test_controlnet_of_another_preset_goes() -> None:
    """A preset that names neither a model nor a ControlNet keeps the one on air, with its preprocessor."""

    def found(text: bytes) -> dict[str, object]:
        addresses = parse_preset(text, "x.yaml").addresses()
        return {key: addresses[f"/{key}"] for key in sorted(CONTROLNET) if f"/{key}" in addresses}

    assert found(b"prompt: ice\nlora1: a.safetensors\ncontrolnet_scale: 0.5") == {}
    none = {"controlnet": "", "controlnet_preprocessor": "none", "controlnet_depth_model": ""}
    assert found(b"model: /models/other") == none
    assert found(b"controlnet: /nets/tile") == none | {"controlnet": "/nets/tile"}
    assert found(b"controlnet_preprocessor: canny") == {"controlnet_preprocessor": "canny"}
    both = b"model: /m\ncontrolnet: /nets/edges\ncontrolnet_preprocessor: canny"
    assert found(both) == none | {"controlnet": "/nets/edges", "controlnet_preprocessor": "canny"}


def test_ip_adapter_of_another_preset_goes() -> None:
    """A preset that does not name an image has none, and one that names no IP-Adapter keeps the one on air."""
    kept = parse_preset(b"prompt: ice", "x.yaml").addresses()
    assert (kept["/ip_adapter_image"], "/ip_adapter" in kept, "/ip_adapter_encoder" in kept) == ("", False, False)
    for text, file in ((b"model: /m", ""), (b"ip_adapter: /a.safetensors", "/a.safetensors")):
        addresses = parse_preset(text, "x.yaml").addresses()
        assert (addresses["/ip_adapter"], addresses["/ip_adapter_encoder"]) == (file, "")


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "{}"])
def test_empty_file_is_refused(text: str) -> None:
    assert problems(text) == ["ice.yaml: the preset is empty; set at least one key, such as prompt"]


def test_a_name_alone_is_the_default_preset() -> None:
    assert parse_preset(b"name: plain", "x.yaml").values == {}


def test_text_is_put_on_one_line() -> None:
    preset = parse_preset(b"prompt: |\n  ice\n  cells\n", "x.yaml")
    assert preset.addresses()["/prompt/1/text"] == "ice cells"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt: x\nsteps: 4\nseed: 1\nstrength: 1.5", "ice.yaml:4:11: strength must be at most 1; 1.5 was given"),
        ("steps: '4'", "ice.yaml:1:8: steps must be a whole number; '4' was given"),
        ("steps: 4.0", "ice.yaml:1:8: steps must be a whole number; 4.0 was given"),
        ("steps: 0", "ice.yaml:1:8: steps must be at least 1; 0 was given"),
        ("strength: true", "ice.yaml:1:11: strength must be a number; true was given"),
        ("strength: '0.5'", "ice.yaml:1:11: strength must be a number; '0.5' was given"),
        ("strength:", "ice.yaml:1:10: strength must be a number; nothing was given"),
        ("strength: [1]", "ice.yaml:1:11: strength must be a number; a list was given"),
        ("width: 250", "ice.yaml:1:8: width must be a multiple of 32; 250 was given"),
        ("mode: txt", "ice.yaml:1:7: mode must be 'image' or 'text'; 'txt' was given"),
        ("negative_prompt: 5", "ice.yaml:1:18: negative_prompt must be text; 5 was given"),
        ("prompt: 5", "ice.yaml:1:9: prompt must be a text, or a list of text and weight; 5 was given"),
        ("prompt: {text: x}", "ice.yaml:1:9: prompt must be a text, or a list of text and weight; a mapping"),
        ("prompt: [7]", "ice.yaml:1:10: prompt/1 must be a mapping of text and weight; 7 was given"),
        ("prompt:\n- text: x\n  weight: 9", "ice.yaml:3:11: prompt/1/weight must be at most 2; 9 was given"),
        ("prompt:\n- text: x\n  weigth: 1", "ice.yaml:3:3: 'weigth' is not a key of a preset; did you mean weight?"),
        ("prompt: [{}, {}, {}, {}, {}]", "ice.yaml:1:9: prompt must have at most 4 entries; a list was given"),
        ("streng: 1", "ice.yaml:1:1: 'streng' is not a key of a preset; did you mean strength?"),
        ("blackout: true", "ice.yaml:1:1: blackout is a control of the whole show and not part of a preset; remove it"),
        ("4: 4", "ice.yaml:1:1: '4' is not a key of a preset; the keys are name, description, extends, prompt,"),
        ("seed: 1\nseed: 2", "ice.yaml:2:1: seed occurs twice (first in line 1)"),
        ("prompt: &a x", "ice.yaml:1:9: anchors (&) and aliases (*) are not supported"),
        ("prompt: *a", "ice.yaml:1:9: anchors (&) and aliases (*) are not supported"),
        ("prompt: !!str x", "ice.yaml:1:9: tags (!) are not supported"),
        ("a: !!python/object/apply:os.system [id]", "ice.yaml:1:4: tags (!) are not supported"),
        ("seed: 1\n---\nseed: 2", "ice.yaml:2:1: one document is expected; another starts here"),
        ("[[[[[[[[[[x", "ice.yaml:1:9: at most 8 levels of nesting are allowed"),
        ("prompt: [" + "a, " * 600 + "]", "ice.yaml:1:1501: at most 500 keys and values are allowed"),
        ("prompt: [", "ice.yaml:1:10: this is not YAML"),
        ("prompt: 'x", "ice.yaml:1:11: this is not YAML"),
        ("? [a]\n: 1", "ice.yaml:1:3: a key must be a single word"),
        ("- 1", "ice.yaml:1:1: keys and values are expected; a list was given"),
        ("just words", "ice.yaml:1:1: keys and values are expected; 'just words' was given"),
        ("seed: 1\na: \x00", "ice.yaml:2:4: character 0x0 is not allowed in YAML"),
        ("name: " + "x" * 101, "ice.yaml:1:7: name must have at most 100 characters; 'xxx"),
        ("seed: " + "9" * 6000, "ice.yaml:1:7: seed must be a whole number; 99999"),
        ("strength: .nan", "ice.yaml:1:11: strength must be at most 1; .nan was given"),
        ("strength: .inf", "ice.yaml:1:11: strength must be at most 1; .inf was given"),
        ('name: "\\UFFFFFFFF"', "ice.yaml: an escape or a directive has a number out of range"),
        (b"seed: 1\n# \xff", "ice.yaml:2:3: UTF-8 text is expected; byte 0xff is not"),
        (b"\xff\xfes\x00e", "ice.yaml:1:"),
        (b"prompt: room #5", "ice.yaml:1:9: a # after a space begins a comment; put the text after 'room' in quotes"),
        (b"description: room #5 # mine", "ice.yaml:1:14: a # after a space"),
        ("prompt: @home", "ice.yaml:1:9: this is not YAML"),
        ("strength: 0,4", "ice.yaml:1:11: strength must be a number; '0,4' was given, and a number has a point"),
        ("model: 5", "ice.yaml:1:8: model must be text; 5 was given; put it in quotes if it is meant as text"),
        (b"#" * 70000, "ice.yaml: the file is larger than the 64 KiB allowed"),
    ],
)  # fmt: skip
def test_problem_is_reported_with_its_place(text: str | bytes, message: str) -> None:
    assert problems(text)[0].startswith(message)


@pytest.mark.parametrize("value", ["@home", "%stars", "`x`", "fire: ice", "- a", "'it's'", '"a" b', "| x"])
def test_text_that_wants_quotes(value: str) -> None:
    assert problems(f"prompt: {value}\n")[0].endswith("; put the text in quotes if it is meant as text")
    assert problems(f"prompt:\n  - text: {value}\n")[0].endswith("; put the text in quotes if it is meant as text")
    assert "quotes" not in problems("prompt: [a, b\n")[0]
    assert problems("\tprompt: x\n")[0].endswith("; indent by spaces, not by tabs")


def test_problems_are_in_line_order() -> None:
    lines = problems("strength: 1.5\nstreng: 1\nsteps: four\nseed: 1\nseed: -2\nwidth: -1\n")
    assert [line.split(":")[1] for line in lines] == ["1", "2", "3", "5", "6"]


@pytest.mark.parametrize(("word", "value"), [("1e-1", 0.1), ("1", 1.0), (".5", 0.5), ("0", 0.0)])
def test_number_formats(word: str, value: float) -> None:
    assert parse_preset(f"strength: {word}".encode(), "x").values["strength"] == value


@pytest.mark.parametrize("word", ["no", "on", "2024-01-01", "1:30", "=", "<<"])
def test_yaml_1_1_words_are_text(word: str) -> None:
    assert parse_preset(f"negative_prompt: {word}".encode(), "x").values["negative_prompt"] == word


def test_byte_order_mark_is_accepted() -> None:
    assert parse_preset(b"\xef\xbb\xbfseed: 3", "x").values == {"seed": 3}


def test_unreadable_paths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"gone\.yaml: no such file"):
        read_preset(tmp_path / "gone.yaml")
    with pytest.raises(PresetError, match="not a plain file"):
        read_preset(tmp_path)
    with pytest.raises(PresetError, match="no such file"):
        read_preset(tmp_path / "a\0b")
    with pytest.raises(PresetError, match="can't be read"):
        read_preset(tmp_path / ("x" * 300))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipe_is_refused_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(PresetError, match="not a plain file"):
        read_preset(tmp_path / "pipe.yaml")


YAML_PARTS = st.sampled_from(
    [*PRESET_KEYS, "text", "weight", "name", ":", ": ", "\n", "\n  ", "- ", "[", "]", "{", "}", ",", "&a ", "*a",
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
def test_any_bytes_raise_only_preset_error(data: bytes) -> None:
    try:
        preset = parse_preset(data, "fuzz.yaml")
    except PresetError as refused:
        message = str(refused)
    else:
        Parameters.model_validate(dict(preset.values))
        return
    assert all(line.startswith("fuzz.yaml") for line in message.split("\n"))


TEXT = st.text(max_size=60) | st.sampled_from(
    ["1e3", "no", "null", "~", "0o7", "2024-01-01", "- a", "a: b", "#x", "'", ""]
)


def any_value(parameter: Parameter) -> st.SearchStrategy[object]:
    """Return values of a control by its declaration."""
    low, high = parameter.minimum, parameter.maximum
    if parameter.kind == "choice":
        return st.sampled_from(parameter.choices)
    if parameter.kind == "bool":
        return st.booleans()
    if parameter.kind == "text":
        return TEXT.filter(bool) if parameter.key in ("model", "source") else TEXT
    assert low is not None
    assert high is not None
    if parameter.kind == "float":
        return st.floats(low, high)
    step = parameter.multiple_of or 1
    return st.integers(-(-int(low) // step), int(high) // step).map(lambda number: number * step)


FIELDS: dict[str, st.SearchStrategy[object]] = {
    **{each.key: any_value(each) for each in PARAMETERS.values() if each.key in PRESET_KEYS and each.key not in NESTED},
    "prompt": st.lists(st.builds(WeightedPrompt, text=TEXT, weight=st.floats(0, 2)), max_size=4).map(tuple),
    "lfo": st.lists(
        st.builds(
            Lfo,
            target=st.sampled_from(LFO_TARGETS),
            shape=st.sampled_from(sorted(SHAPES)),
            amount=st.floats(-1, 1),
            period=st.floats(0.05, 600),
            timing=st.sampled_from(["beats", "seconds"]),
            phase=st.floats(0, 1),
        ),
        max_size=LFOS,
    ).map(tuple),
    "processor": st.lists(
        st.builds(
            ProcessorPlace,
            name=st.sampled_from(["mirror", "my-trails_2"]),
            active=st.booleans(),
            value1=st.floats(0, 1),
            value4=st.floats(0, 1),
        ),
        max_size=PROCESSORS,
    ).map(tuple),
}


@settings(deadline=None)
@given(
    values=st.fixed_dictionaries({}, optional=FIELDS),
    name=st.text(min_size=1, max_size=100),
    description=TEXT,
)
def test_round_trip(values: dict[str, object], name: str, description: str) -> None:
    preset = Preset(name, description, values)
    assert parse_preset(preset_text(preset).encode(), "x.yaml") == preset


def test_text_is_easy_to_edit() -> None:
    prompt = (WeightedPrompt(text="eis, grün"),)
    text = preset_text(Preset("ice", "cold", {"seed": 3, "strength": 0.5, "prompt": prompt}), stem="ice")
    assert text == "description: cold\nprompt: eis, grün\nstrength: 0.5\nseed: 3\n"


def test_writing_is_atomic(tmp_path: Path) -> None:
    path = tmp_path / "looks" / "ice.yaml"
    write_preset(path, Preset("ice", "", {"seed": 1}))
    write_preset(path, Preset("ice", "", {"seed": 2}))
    assert read_preset(path).values == {"seed": 2}
    assert [file.name for file in path.parent.iterdir()] == ["ice.yaml"]
    (tmp_path / "file").write_text("")
    with pytest.raises(PresetError, match="can't be written"):
        write_preset(tmp_path / "file" / "ice.yaml", Preset("ice"))


def test_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("seed: 1\n")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real.yaml")
    write_preset(tmp_path / "link.yaml", Preset("link", "", {"seed": 5}))
    assert (tmp_path / "link.yaml").is_symlink()
    assert "seed: 5" in (tmp_path / "real.yaml").read_text()


def test_processors_are_names_or_mappings() -> None:
    text = b"processor:\n- mirror\n- {name: trails, active: false, value2: 1}\n"
    preset = parse_preset(text, "x.yaml")
    mirror, trails = preset.values["processor"]
    assert (mirror, trails.name, trails.active, trails.values) == (
        ProcessorPlace(name="mirror"),
        "trails",
        False,
        (0.5, 1.0, 0.5, 0.5),
    )
    assert preset.addresses()["/processor/2/value2"] == 1.0
    assert preset.addresses()["/processor/3/name"] == ""


def test_processor_names_are_no_paths() -> None:
    for name in ("../mirror", "/tmp/mirror", "mirror.py", "1st", "a b"):
        (problem,) = problems(f"seed: 1\nprocessor:\n- {{name: '{name}'}}\n")
        assert problem.startswith("ice.yaml:3:"), problem
        assert "letters, digits, _ and -, and no path" in problem
    (problem,) = problems("processor: [{name: mirror, value1: 2}]\n")
    assert "processor/1/value1 must be at most 1" in problem


def test_one_length_of_a_morph_counts() -> None:
    addresses = parse_preset(b"morph_beats: 4", "x.yaml").addresses()
    assert [addresses[f"/{key}"] for key in ("morph", "morph_beats", "morph_pictures")] == [0.0, 4.0, 0]
