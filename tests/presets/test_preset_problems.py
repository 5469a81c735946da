"""Problems of preset files, each with its place and what was expected."""

import os
from pathlib import Path

import pytest

from presets.errors import PresetError
from presets.files import parse_preset, read_preset


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(PresetError) as refused:
        parse_preset(text.encode() if isinstance(text, str) else text, "ice.yaml")
    return str(refused.value).split("\n")


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "{}"])
def test_empty_file_is_refused(text: str) -> None:
    assert problems(text) == ["ice.yaml: the preset is empty; set at least one key, such as prompt"]


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


def test_processor_names_are_no_paths() -> None:
    for name in ("../mirror", "/tmp/mirror", "mirror.py", "1st", "a b"):
        (problem,) = problems(f"seed: 1\nprocessor:\n- {{name: '{name}'}}\n")
        assert problem.startswith("ice.yaml:3:"), problem
        assert "letters, digits, _ and -, and no path" in problem
    (problem,) = problems("processor: [{name: mirror, value1: 2}]\n")
    assert "processor/1/value1 must be at most 1" in problem
