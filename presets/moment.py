"""`Moment`: what one picture is drawn with, once morphs, cross-fades and drift are resolved to plain numbers.

Time lives in the stage (or, offline, in the frame number): the pipeline is told weights and never looks at a clock.
"""

from collections.abc import Sequence
from typing import NamedTuple

from presets.parameters import Parameters, WeightedPrompt


class NoiseShare(NamedTuple):
    """So much of one unit noise. The shares of a mix are scaled to unit variance where they are mixed."""

    seed: int
    leg: int = 0
    """A seed's noise can wander: leg 0 is the seed's own, and each further leg is another, independent noise."""
    weight: float = 1.0


class Moment(NamedTuple):
    """Everything that one picture needs to know."""

    parameters: Parameters
    """The controls as they stand, faders in motion already where they are now."""
    prompt: tuple[WeightedPrompt, ...]
    """What to draw; in a cross-fade the old prompts come before the new ones, weighted by how far it is."""
    negative: tuple[WeightedPrompt, ...]
    """What to steer away from; likewise."""
    noise: tuple[NoiseShare, ...]
    """Where the picture grows from."""


def at_rest(parameters: Parameters) -> Moment:
    """The moment of parameters that stand still."""
    return Moment(parameters, parameters.prompt, negatives(parameters), (NoiseShare(parameters.seed),))


def negatives(parameters: Parameters) -> tuple[WeightedPrompt, ...]:
    """The negative prompt as a mix of one, or of none."""
    text = parameters.negative_prompt
    return (WeightedPrompt(text=text),) if text.strip() else ()


def heard(prompts: Sequence[WeightedPrompt]) -> list[WeightedPrompt]:
    """Those that count: empty texts and zero weights are absent."""
    return [prompt for prompt in prompts if prompt.text.strip() and prompt.weight > 0]
