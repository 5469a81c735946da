"""JSON schema of preset files, derived from the declaration, by which editors complete keys and mark mistakes."""

from typing import Any

from presets.files import FILE_KEYS, PresetFile
from presets.parameter_table import LFO_TARGETS, PARAMETERS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def preset_schema() -> dict[str, Any]:
    """Return the schema as JSON values (draft 2020-12). What it refuses, reading a preset refuses too."""
    schema = PresetFile.model_json_schema()
    known: dict[str, Any] = schema["properties"]
    properties = {key: _described(key, known[key]) for key in FILE_KEYS}
    del properties["extends"]["default"]  # it extends none
    weighted = {"$ref": "#/$defs/WeightedPrompt"}
    text = {"type": "string", "maxLength": schema["$defs"]["WeightedPrompt"]["properties"]["text"]["maxLength"]}
    several = {"type": "array", "items": {"anyOf": [text, weighted]}, "maxItems": known["prompt"]["maxItems"]}
    properties["prompt"] = {"anyOf": [text, several], "description": known["prompt"]["description"]}
    # A target may be written as an address too, with its slash.
    targets = [*LFO_TARGETS, *(f"/{target}" for target in LFO_TARGETS[1:])]
    schema["$defs"]["Lfo"]["properties"]["target"] |= {"enum": targets}
    # A name alone is a processor.
    places, name = properties["processor"], schema["$defs"]["ProcessorPlace"]["properties"]["name"]
    named = {"type": "string", "maxLength": name["maxLength"], "pattern": name["pattern"]}
    schema["$defs"]["ProcessorPlace"]["additionalProperties"] = {"type": "number"}  # under the processor's own names
    properties["processor"] = {**places, "items": {"anyOf": [named, places["items"]]}}
    return {
        "$schema": DIALECT,
        "title": "Preset of streamflow-live",
        "description": "A look. A key that is left out has its default, but for the model, the source and the size.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
        "$defs": schema["$defs"],
    }


def _described(key: str, declared: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a key with the unit of its number in the description, as editors show no unit."""
    parameter = PARAMETERS.get(f"/{key}")
    if parameter is None or not parameter.unit:
        return declared
    return {**declared, "description": f"{parameter.description} ({parameter.unit})"}
