"""`FrameParameters`: the parameters of one picture, with morphs, cross-fades and drift resolved to plain numbers.

Time lives in the stage, or offline in the frame number. The pipeline gets weights and never reads a clock.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from presets.drift import Axis, NoiseChain, noise_weights
from presets.parameters import Parameters, PromptMix
from presets.rebuild_parameters import LORAS
from presets.travel import travel_shares

RANDOM_SEED = -1
"""Value of ``seed`` that stands for another seed for each picture."""
_64_BITS = 2**64 - 1

NEGLIGIBLE = 1e-9
"""Shares below this are left out."""


class TextWeight(NamedTuple):
    """One text and its share of a mix. An empty text is the empty prompt, with which a model draws what it likes."""

    text: str
    weight: float = 1.0


class NoiseWeight(NamedTuple):
    """One unit noise and its share of a mix. Shares are scaled to unit variance where they are mixed."""

    seed: int
    leg: int = 0
    """Place in the seed's chain: leg 0 is the seed's own noise, each further leg is another, independent noise."""
    weight: float = 1.0


class PromptMixture(NamedTuple):
    """Everything that a conditioning is computed from."""

    prompt: tuple[TextWeight, ...]
    """Texts to draw: never empty, every weight above 0, their sum 1. In a cross-fade the old texts come first."""
    negative: tuple[TextWeight, ...]
    """Texts to avoid, under the same rules."""
    mix: PromptMix
    """Kind of mixing, for both."""
    loras: tuple[float, ...] = (1.0,) * LORAS
    """Weights of the LoRAs by place, on which texts depend where a LoRA is for the text encoder too."""
    image: str = ""
    """File of the image beside the prompt, where an IP-Adapter is loaded. Empty is none."""
    ahead: tuple[str, ...] = ()
    """Texts to encode beside the others, for a travel along the prompts or a look that waits. They are not mixed in."""


class FrameParameters(NamedTuple):
    """Everything that one picture is drawn with."""

    parameters: Parameters
    """Controls at this moment, with moving faders at their present value. Texts and seeds are those below."""
    prompt: tuple[TextWeight, ...]
    """Texts to draw, as in `PromptMixture`."""
    negative: tuple[TextWeight, ...]
    """Texts to avoid, as in `PromptMixture`."""
    noise: tuple[NoiseWeight, ...]
    """Starting noise: each seed and leg once; the squares of the weights sum to 1."""
    ahead: tuple[str, ...] = ()
    """Texts of a look that waits for its beat."""

    @property
    def wording(self) -> PromptMixture:
        """Texts to encode and mix for this picture."""
        parameters = self.parameters
        loras, image = parameters.lora_weights, parameters.ip_adapter_image
        travelled = tuple(prompt.text for prompt in parameters.prompt if prompt.text.strip() and parameters.travel > 0)
        ahead = (*travelled, *self.ahead)
        return PromptMixture(self.prompt, self.negative, parameters.prompt_mix, loras, image, ahead)


def without_morph(parameters: Parameters) -> FrameParameters:
    """Return the frame parameters of controls that do not move."""
    chains = seed_chains((parameters.seed, parameters.seed_to), parameters.seed_mix)
    noise = noise_shares(noise_weights(chains, 0.0))
    return FrameParameters(parameters, prompt_shares(parameters), negative_shares(parameters), noise)


def prompt_shares(parameters: Parameters) -> tuple[TextWeight, ...]:
    """Return the weighted prompts as a mix, without those of empty text or no weight, at their place in a travel."""
    shares = travel_shares(parameters.prompt, parameters.travel)
    prompts = zip(parameters.prompt, shares, strict=True)
    return _text_shares(TextWeight(prompt.text, prompt.weight * share) for prompt, share in prompts)


def negative_shares(parameters: Parameters) -> tuple[TextWeight, ...]:
    """Return the negative prompt as a mix of one."""
    return _text_shares((TextWeight(parameters.negative_prompt),))


def seed_chains(seeds: tuple[int, int], mix: float, starts: tuple[float, float] = (0.0, 0.0)) -> tuple[NoiseChain, ...]:
    """Return the chains of two seeds, at `mix` of a quarter turn from the first, without one of no weight."""
    angle = mix * math.pi / 2
    weights = math.cos(angle), math.sin(angle)
    if mix >= 1.0:  # the cosine of a quarter turn is not quite 0 in floating point
        weights = 0.0, 1.0
    chains = (NoiseChain(*each) for each in zip(seeds, starts, weights, strict=True))
    return tuple(chain for chain in chains if chain.weight > 0)


def noise_shares(weights: Mapping[Axis, float], picture: int = 0) -> tuple[NoiseWeight, ...]:
    """Return the weights of `presets.drift.noise_weights` as the parameters of a picture hold them.

    `RANDOM_SEED` is another seed for each number of a picture since it was set, and the same one whenever it is set.
    """
    return tuple(
        NoiseWeight(_picture_seed(picture) if seed == RANDOM_SEED else seed, leg, weight)
        for (seed, leg), weight in weights.items()
    )


def _picture_seed(picture: int) -> int:
    """Return a seed that looks random, of 31 bits: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
    mixed = (picture + 1) * 0x9E3779B97F4A7C15 & _64_BITS
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _64_BITS
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _64_BITS
    return (mixed ^ mixed >> 31) >> 33


def limit_texts(shares: Iterable[TextWeight], most: int) -> tuple[TextWeight, ...]:
    """Limit a mix to `most` texts: merge equal texts and drop those of the least weight.

    A mix of up to `most` shares is left as it is, because a spherical mix of a text that occurs twice differs from the
    mix of the merged text.
    """
    given = tuple(shares)
    if len(given) > most:
        weights: dict[str, float] = {}
        for text, weight in given:
            weights[text] = weights.get(text, 0.0) + weight
        kept = set(sorted(weights, key=lambda text: -weights[text])[:most])
        given = tuple(TextWeight(text, weight) for text, weight in weights.items() if text in kept)
    return _normalised(given)


def _text_shares(given: Iterable[TextWeight]) -> tuple[TextWeight, ...]:
    used = tuple(share for share in given if share.text.strip() and share.weight > 0)
    return _normalised(used or (TextWeight(""),))


def _normalised(shares: tuple[TextWeight, ...]) -> tuple[TextWeight, ...]:
    total = math.fsum(share.weight for share in shares)
    return tuple(TextWeight(text, weight / total) for text, weight in shares if weight / total > NEGLIGIBLE)
