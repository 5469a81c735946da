"""The sensible reading of the texts and weights of a ``/prompt``, and of ``/prompt/2`` and ``/prompt/2/text``."""

from collections.abc import Mapping, Sequence

from daemon.stage.argument_forms import is_number, joined
from presets.coercion import as_number
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, Value
from presets.parameters import PROMPTS

Prompts = tuple[tuple[str, float], ...]
"""Texts and their weights, by place."""

PLACES = {f"/prompt/{place}": f"/prompt/{place}/text" for place in range(1, PROMPTS + 1)}
"""Address of the text of each place, by the address of the place."""
_HEAVIEST = PARAMETERS["/prompt/1/weight"].maximum or 1.0


def read_prompts(arguments: Sequence[object]) -> tuple[Sequence[object], Prompts]:
    """Return the arguments in plain form, and the texts with their weights if there are such.

    Raises `ParameterRefused` for more texts than there are places.
    """
    texts, weights = arguments[0::2], arguments[1::2]
    if len(texts) == len(weights) and all(isinstance(text, str) for text in texts) and all(map(is_number, weights)):
        pairs = tuple((str(text), as_number(weight)) for text, weight in zip(texts, weights, strict=True))
        # One text with a 1 or 0 is a button, which is a press or a release.
        if len(pairs) > 1 or (pairs and pairs[0][1] not in (0.0, 1.0)):
            if len(pairs) > PROMPTS:
                raise ParameterRefused(f"there are {PROMPTS} prompts; {len(pairs)} texts came")
            return arguments, pairs
        return arguments, ()
    *words, last = arguments or [None]
    if len(words) > 1 and all(isinstance(word, str) for word in words) and _is_weight(last):
        return arguments, ((str(joined(words)[0]), float(str(last))),)
    return joined(arguments), ()


def read_place(address: str, arguments: Sequence[object], values: Mapping[str, Value]) -> Prompts:
    """Return all prompts as ``/prompt/2/text`` with a text and a weight sets them; nothing for another message."""
    *words, weight = arguments or [None]
    if not words or not all(isinstance(word, str) for word in words) or not is_number(weight):
        return ()
    if isinstance(weight, bool) or (len(words) > 1 and not _is_weight(weight)):
        return ()  # words of which the last is a number
    prompts = []
    for place in PLACES:
        prompt = str(values[f"{place}/text"]), float(values[f"{place}/weight"])
        prompts.append((str(joined(words)[0]), as_number(weight)) if f"{place}/text" == address else prompt)
    return tuple(prompts)


def prompt_values(prompts: Sequence[tuple[str, float]]) -> dict[str, Value]:
    """Return the values by address of these texts with their weights, and no other text."""
    values: dict[str, Value] = {f"/prompt/{place}/text": "" for place in range(1, PROMPTS + 1)}
    for place, (text, weight) in enumerate(prompts, 1):
        values[f"/prompt/{place}/text"] = PARAMETERS[f"/prompt/{place}/text"].coerce(text)
        values[f"/prompt/{place}/weight"] = PARAMETERS[f"/prompt/{place}/weight"].coerce(weight)
    return values


def _is_weight(value: object) -> bool:
    """Return True for a number with a fraction that a weight may be: words end in whole numbers."""
    return isinstance(value, float) and 0.0 < value < _HEAVIEST and value != int(value)
