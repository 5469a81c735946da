"""JSON schema of preset files, against jsonschema's validator and the reader of presets."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

import presets
from presets.errors import PresetError
from presets.files import FILE_KEYS, parse_preset
from presets.preset_schema import preset_schema

LOOKS = sorted((Path(presets.__file__).parent / "looks").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(json.dumps(preset_schema()))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("path", LOOKS, ids=lambda path: path.stem)
def test_shipped_looks_are_valid(validator: Draft202012Validator, path: Path) -> None:
    assert list(validator.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")))) == []


def test_every_key_is_described(validator: Draft202012Validator) -> None:
    properties = validator.schema["properties"]
    assert set(properties) == set(FILE_KEYS)
    plain = set(FILE_KEYS) - {"name", "description"}
    assert not [key for key in plain if not properties[key].get("description")]
    assert properties["morph"]["description"].endswith("(s)")


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("prompt: ice", True),
        ("extends: fire", True),
        ("processor: [{name: mirror, amount: 4}]", True),
        ("processor: [{name: mirror, amount: much}]", False),
        ("extends: [fire]", False),
        ("prompt: [ice, {text: fire, weight: 0.4}]", True),
        ("lfo: [{target: strength, period: 2}]", True),
        ("lfo: [{target: /zoom}]", True),
        ("strength: 1", True),
        ("{}", False),
        ("strenght: 0.5", False),
        ("strength: 1.5", False),
        ("strength: high", False),
        ("blackout: true", False),
        ("prompt: [a, b, c, d, e]", False),
        ("prompt: [{text: a, wieght: 1}]", False),
        ("lfo: [{target: zooom}]", False),
        ("lfo: [{target: zoom, shape: saw}]", False),
        ("seed: 1.5", False),
    ],
)
def test_schema_agrees_with_the_reader(validator: Draft202012Validator, text: str, valid: bool) -> None:
    assert validator.is_valid(yaml.safe_load(text)) == valid
    if valid:
        parse_preset(text.encode(), "look.yaml")
    else:
        with pytest.raises(PresetError):
            parse_preset(text.encode(), "look.yaml")
