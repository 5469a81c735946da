"""`Parameter`: one live control, derived from the declaration in `presets.parameters`.

Coercers are compiled once from the field's type and range, so that messages do not pass through pydantic.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from presets import coercion
from presets.declaration import Effect, Group, LiveOptions
from presets.parameters import PROMPTS, Parameters, WeightedPrompt

Value = str | float | int | bool
"""Plain value of a parameter, as it is stored and sent."""

Kind = Literal["float", "int", "bool", "text", "choice"]

_GROUPS = {
    Effect.OUTPUT: Group.OUTPUT,
    Effect.FRAME: Group.STYLE,
    Effect.CONDITIONING: Group.PROMPTS,
    Effect.REBUILD: Group.RENDERER,
    Effect.SOURCE: Group.SOURCE,
}
"""Group of a control whose declaration names none."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One control as a surface sees it: an address, a plain value, a range."""

    address: str
    """OSC address: ``/strength``, or with a place counted from 1 for nested fields: ``/prompt/2/text``."""
    key: str
    """Field of `Parameters` to which it belongs."""
    kind: Kind
    default: Value
    minimum: float | None
    maximum: float | None
    multiple_of: int | None
    choices: tuple[str, ...]
    unit: str
    description: str
    effect: Effect
    group: Group
    in_presets: bool
    stays: bool
    """True if a preset that does not name it leaves it as it is."""
    coerce: Callable[[object], Value]
    """Conversion of what a surface sends to a value in range. Raises `ParameterRefused`."""


def snapshot(values: Mapping[str, Value]) -> Parameters:
    """Return the immutable snapshot of plain values by address. Missing addresses have their default.

    The values must have been coerced: nothing is validated again, because this runs for every picture.
    """
    fields: dict[str, Any] = {
        parameter.key: _value(values, address) for address, parameter in PARAMETERS.items() if parameter.key != "prompt"
    }
    prompts = (
        WeightedPrompt.model_construct(
            text=_value(values, f"/prompt/{place}/text"), weight=_value(values, f"/prompt/{place}/weight")
        )
        for place in range(1, PROMPTS + 1)
    )
    fields["prompt"] = tuple(prompt for prompt in prompts if prompt.text)
    return Parameters.model_construct(**fields)


def _value(values: Mapping[str, Value], address: str) -> Value:
    return values[address] if address in values else PARAMETERS[address].default


def flatten(parameters: Parameters) -> dict[str, Value]:
    """Return plain values by address: the reverse of `snapshot`."""
    values: dict[str, Value] = {}
    for address, parameter in PARAMETERS.items():
        if parameter.key != "prompt":
            values[address] = getattr(parameters, parameter.key)
    for place in range(1, PROMPTS + 1):
        prompt = parameters.prompt[place - 1] if place <= len(parameters.prompt) else WeightedPrompt()
        values[f"/prompt/{place}/text"] = prompt.text
        values[f"/prompt/{place}/weight"] = prompt.weight
    return values


def _parameters() -> Iterator[Parameter]:
    for key, field in Parameters.model_fields.items():
        live = next(entry for entry in field.metadata if isinstance(entry, LiveOptions))
        if key == "prompt":
            for place in range(1, PROMPTS + 1):
                for inner, inner_field in WeightedPrompt.model_fields.items():
                    default = getattr(field.default[place - 1], inner) if place <= len(field.default) else None
                    yield _parameter(f"/prompt/{place}/{inner}", key, inner_field, live, default)
        else:
            yield _parameter(f"/{key}", key, field, live, None)


def _parameter(address: str, key: str, field: FieldInfo, live: LiveOptions, default: Value | None) -> Parameter:
    minimum, maximum = _limit(field, "ge"), _limit(field, "le")
    multiple_of = _limit(field, "multiple_of")
    annotation = field.annotation
    choices: tuple[str, ...] = ()
    kind: Kind
    coerce: Callable[[object], Value]
    if get_origin(annotation) is Literal:
        choices = get_args(annotation)
        kind, coerce = "choice", coercion.choice_coercer(choices)
    elif annotation is bool:
        kind, coerce = "bool", coercion.as_bool
    elif annotation is int:
        kind, coerce = "int", coercion.int_coercer(minimum, maximum, multiple_of)
    elif annotation is float:
        kind, coerce = "float", coercion.float_coercer(minimum, maximum)
    elif annotation is str:
        kind = "text"
        coerce = coercion.text_coercer(_limit(field, "max_length") or 1000, _limit(field, "min_length") or 0)
    else:
        raise TypeError(f"{address}: {annotation!r} is not a type of a live control")
    return Parameter(
        address=address,
        key=key,
        kind=kind,
        default=field.default if default is None else default,
        minimum=minimum,
        maximum=maximum,
        multiple_of=multiple_of,
        choices=choices,
        unit=live.unit,
        description=field.description or "",
        effect=live.effect,
        group=live.group or _GROUPS[live.effect],
        in_presets=live.effect is not Effect.OUTPUT if live.in_presets is None else live.in_presets,
        stays=live.stays,
        coerce=coerce,
    )


def _limit(field: FieldInfo, name: str) -> Any:
    """Return the number of an annotated-types constraint such as ``Ge(ge=0)``, or None."""
    return next((getattr(entry, name) for entry in field.metadata if hasattr(entry, name)), None)


PARAMETERS: Mapping[str, Parameter] = MappingProxyType({parameter.address: parameter for parameter in _parameters()})
"""Every live control by its address, in the order of the declaration."""
