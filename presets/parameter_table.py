"""`Parameter`: one live control, derived from the declaration in `presets.parameters`.

Coercers are compiled once from the field's type and range, so that messages do not pass through pydantic.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from presets import coercion
from presets.declaration import ADD, LFOS, NORM, Effect, Group, LiveOptions
from presets.lfo_parameters import NO_TARGET, Lfo
from presets.parameters import PROMPTS, Parameters, WeightedPrompt
from presets.processor_parameters import NAME_PATTERN, PROCESSORS, ProcessorPlace

Value = str | float | int | bool
"""Plain value of a parameter, as it is stored and sent."""

Kind = Literal["float", "int", "bool", "text", "choice"]

NESTED: Mapping[str, tuple[type[BaseModel], int]] = MappingProxyType(
    {"prompt": (WeightedPrompt, PROMPTS), "lfo": (Lfo, LFOS), "processor": (ProcessorPlace, PROCESSORS)}
)
"""Keys of the parameters with several entries: the model of an entry, and their number."""

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
        parameter.key: _value(values, address)
        for address, parameter in PARAMETERS.items()
        if parameter.key not in NESTED
    }
    for key, (model, most) in NESTED.items():
        entries = [_entry(model, f"/{key}/{place}", values) for place in range(1, most + 1)]
        while entries and not _is_used(entries[-1]):  # those between used ones stay, so that each keeps its place
            entries.pop()
        fields[key] = tuple(entries)
    return Parameters.model_construct(**fields)


def _entry(model: type[BaseModel], address: str, values: Mapping[str, Value]) -> BaseModel:
    fields: dict[str, Any] = {name: _value(values, f"{address}/{name}") for name in model.model_fields}
    return model.model_construct(**fields)


def _value(values: Mapping[str, Value], address: str) -> Value:
    return values[address] if address in values else PARAMETERS[address].default


def flatten(parameters: Parameters) -> dict[str, Value]:
    """Return plain values by address: the reverse of `snapshot`."""
    values: dict[str, Value] = {}
    for address, parameter in PARAMETERS.items():
        if parameter.key not in NESTED:
            values[address] = getattr(parameters, parameter.key)
    for key, (model, most) in NESTED.items():
        given = getattr(parameters, key)
        for place in range(1, most + 1):
            entry = given[place - 1] if place <= len(given) else model()
            values |= {f"/{key}/{place}/{name}": getattr(entry, name) for name in model.model_fields}
    return values


def _is_used(entry: Any) -> bool:
    """Return True for a prompt with a text, an LFO with a target and a processor with a name."""
    if isinstance(entry, ProcessorPlace):
        return bool(entry.name)
    return bool(entry.text) if isinstance(entry, WeightedPrompt) else entry.target != NO_TARGET


def _parameters() -> Iterator[Parameter]:
    targets = [NO_TARGET]
    for key, field in Parameters.model_fields.items():
        live = _live(field)
        if key == "lfo":
            continue  # the last, because they move all others
        for parameter in (
            _nested(key, field, live) if key in NESTED else [_parameter(f"/{key}", key, field, live, None)]
        ):
            if parameter.kind in ("float", "int") and live.moves and live.effect is not Effect.REBUILD:
                targets.append(parameter.address.removeprefix("/"))
            yield parameter
    choices = tuple(targets)
    for parameter in _nested("lfo", lfo := Parameters.model_fields["lfo"], _live(lfo)):
        is_target = parameter.address.endswith("/target")
        yield (
            replace(parameter, kind="choice", choices=choices, coerce=_name_coercer(choices))
            if is_target
            else parameter
        )


def _live(field: FieldInfo) -> LiveOptions:
    return next(entry for entry in field.metadata if isinstance(entry, LiveOptions))


def _nested(key: str, field: FieldInfo, live: LiveOptions) -> Iterator[Parameter]:
    model, most = NESTED[key]
    for place in range(1, most + 1):
        given = field.default[place - 1] if place <= len(field.default) else model()
        for name, inner in model.model_fields.items():
            yield _parameter(f"/{key}/{place}/{name}", key, inner, live, getattr(given, name))


def _name_coercer(names: tuple[str, ...]) -> Callable[[object], str]:
    """Return a coercer to one of the names that takes ``/strength`` for ``strength``: it is the number's address."""
    coerce = coercion.choice_coercer(names)
    return lambda value: coerce(value.strip().removeprefix("/") if isinstance(value, str) else value)


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
        if _limit(field, "pattern") == NAME_PATTERN:
            coerce = coercion.name_coercer(NAME_PATTERN)
        else:
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
"""Every live control by its address, in the order of the declaration, with the LFOs last."""

LFO_TARGETS = PARAMETERS["/lfo/1/target"].choices
"""Names that the target of an LFO takes: none, and every number that may move, by its address without the slash."""


TWINS: Mapping[str, Parameter] = MappingProxyType(
    {address + end: parameter for address, parameter in PARAMETERS.items() for end in (NORM, ADD)}
)
"""The parameter of ``/strength/norm`` and ``/strength/add``, for every parameter."""
