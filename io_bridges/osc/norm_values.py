"""Values as their share of the range of a parameter, 0 to 1, for surfaces that know nothing else.

``/zoom/norm`` sets such a share; this is the way back.
"""

from collections.abc import Mapping

from presets.declaration import NORM
from presets.parameter_table import Parameter, Value


def norm_value(parameter: Parameter, value: Value) -> float:
    """Return the share of the range of a number, 0 or 1 for a switch, and the place of a choice between the two ends.

    A text has none.
    """
    low, high = _ends(parameter)
    place = parameter.choices.index(str(value)) if parameter.choices else float(value)
    return min(max((place - low) / (high - low), 0.0), 1.0) if high > low else 0.0


def norm_values(values: Mapping[str, Value], parameters: Mapping[str, Parameter]) -> dict[str, Value]:
    """Return values by address with the shares of numbers, switches and choices in place of their values.

    Texts, and addresses that are no parameter, stay as they are.
    """
    shares: dict[str, Value] = {}
    for address, value in values.items():
        parameter = parameters.get(address)
        if parameter is None or parameter.kind == "text":
            shares[address] = value
        else:
            shares[address + NORM] = norm_value(parameter, value)
    return shares


def _ends(parameter: Parameter) -> tuple[float, float]:
    low, high = parameter.minimum, parameter.maximum
    if parameter.kind in ("choice", "bool") or low is None or high is None:
        return 0.0, float(len(parameter.choices) - 1 if parameter.choices else 1)
    return float(low), float(high)
