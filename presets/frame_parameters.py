"""`FrameParameters`: what one picture is drawn with, once morphs, cross-fades and drift are resolved to plain numbers.

Time lives in the stage (or, offline, in the frame number): the pipeline is told weights and never looks at a clock.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from presets.drift import Axis, NoiseChain, stand
from presets.parameters import Parameters, PromptMix, WeightedPrompt

LEAST = 1e-9
"""A share below it is as good as none, and is left out."""


class TextWeight(NamedTuple):
    """So much of one text; an empty text is the empty prompt, with which a model draws what it likes."""

    text: str
    weight: float = 1.0


class NoiseWeight(NamedTuple):
    """So much of one unit noise. The shares of a mix are scaled to unit variance where they are mixed."""

    seed: int
    leg: int = 0
    """A seed's noise can wander: leg 0 is the seed's own, and each further leg is another, independent noise."""
    weight: float = 1.0


class PromptMixture(NamedTuple):
    """All that a conditioning follows from."""

    prompt: tuple[TextWeight, ...]
    """What to draw: never empty, every weight above 0, their sum 1. In a cross-fade the old come before the new."""
    negative: tuple[TextWeight, ...]
    """What to steer away from; likewise."""
    mix: PromptMix
    """How the shares are mixed, of both."""


class FrameParameters(NamedTuple):
    """Everything that one picture needs to know."""

    parameters: Parameters
    """The controls as they stand, faders in motion already where they are now. Texts and seeds are those below."""
    prompt: tuple[TextWeight, ...]
    """As in `PromptMixture`."""
    negative: tuple[TextWeight, ...]
    """As in `PromptMixture`."""
    noise: tuple[NoiseWeight, ...]
    """Where the picture grows from: each seed and leg once, and the squares of the weights sum to 1."""

    @property
    def wording(self) -> PromptMixture:
        """What has to be encoded and mixed for it."""
        return PromptMixture(self.prompt, self.negative, self.parameters.prompt_mix)


def without_morph(parameters: Parameters) -> FrameParameters:
    """The moment of parameters that stand still."""
    chains = seed_chains((parameters.seed, parameters.seed_to), parameters.seed_mix)
    return FrameParameters(
        parameters, prompt_shares(parameters), negative_shares(parameters), noise_shares(stand(chains, 0.0))
    )


def prompt_shares(parameters: Parameters) -> tuple[TextWeight, ...]:
    """The weighted prompts as a mix: those of empty text or no weight are absent."""
    return _text_shares(parameters.prompt)


def negative_shares(parameters: Parameters) -> tuple[TextWeight, ...]:
    """The negative prompt as a mix of one."""
    return _text_shares((WeightedPrompt.model_construct(text=parameters.negative_prompt, weight=1.0),))


def seed_chains(seeds: tuple[int, int], mix: float, began: tuple[float, float] = (0.0, 0.0)) -> tuple[NoiseChain, ...]:
    """The noises of two seeds, `mix` of a quarter turn from the first to the second; those of no weight are absent."""
    angle = mix * math.pi / 2
    weights = math.cos(angle), math.sin(angle)
    if mix >= 1.0:  # the cosine of a quarter turn is not quite 0 in floating point
        weights = 0.0, 1.0
    chains = (NoiseChain(*each) for each in zip(seeds, began, weights, strict=True))
    return tuple(chain for chain in chains if chain.weight > 0)


def noise_shares(place: Mapping[Axis, float]) -> tuple[NoiseWeight, ...]:
    """A place of `presets.drift` as a picture is told of it."""
    return tuple(NoiseWeight(*axis, weight) for axis, weight in place.items())


def strongest_texts(shares: Iterable[TextWeight], most: int) -> tuple[TextWeight, ...]:
    """The same mix of no more than `most` texts: where there are more, each text is once in it and the least are not.

    Up to `most` it is left as it is: a spherical mix of a text that comes twice is another than of both at once.
    """
    given = tuple(shares)
    if len(given) > most:
        weights: dict[str, float] = {}
        for text, weight in given:
            weights[text] = weights.get(text, 0.0) + weight
        kept = set(sorted(weights, key=lambda text: -weights[text])[:most])
        given = tuple(TextWeight(text, weight) for text, weight in weights.items() if text in kept)
    return _whole(given)


def _text_shares(prompts: Sequence[WeightedPrompt]) -> tuple[TextWeight, ...]:
    heard = (TextWeight(prompt.text, prompt.weight) for prompt in prompts if prompt.text.strip() and prompt.weight > 0)
    return _whole(tuple(heard) or (TextWeight(""),))


def _whole(shares: tuple[TextWeight, ...]) -> tuple[TextWeight, ...]:
    total = math.fsum(share.weight for share in shares)
    return tuple(TextWeight(text, weight / total) for text, weight in shares if weight / total > LEAST)
