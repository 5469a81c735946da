"""Morphs: the way from what was on air to what is wanted, as a function of time or of a number of pictures.

Nothing here looks at a clock: a `MorphState` is a state, and whoever holds it says which instant it is. The stage
does so
at every ask of a renderer, `render` at every frame.

What would jump goes by a morph: texts, seeds, looks. What a hand moves at a fader is in motion already, and is followed
at once: strength, guidance, the weights of the prompts, the mix of two seeds. With another look these glide too. Whole
numbers, choices and switches jump when the morph begins. A morph that is interrupted goes on from where it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

from presets.drift import MOST_CHAINS, NoiseChain, between, stand, strongest
from presets.frame_parameters import (
    LEAST,
    FrameParameters,
    TextWeight,
    negative_shares,
    noise_shares,
    prompt_shares,
    seed_chains,
    strongest_texts,
)
from presets.parameter_table import PARAMETERS
from presets.parameters import PROMPTS, Effect, Parameters

MOST_TEXTS = 32
"""How many shares of texts a mix holds at the most. When a morph is interrupted that often, the least give way."""

RESOLVED = frozenset({"morph", "seed_mix", "drift"})
"""Numbers that are read here and nowhere else, and so need not glide."""

GLIDING = tuple(
    parameter.key
    for parameter in PARAMETERS.values()
    if parameter.kind == "float" and parameter.effect is Effect.FRAME and parameter.key not in RESOLVED
)
"""The keys of the numbers that glide from look to look."""


class MorphTime(NamedTuple):
    """When a picture is drawn."""

    seconds: float
    """On any clock that does not go back."""
    pictures: int = 0
    """How many were drawn before it."""


class Change(Enum):
    """What brings new parameters."""

    BY_HAND = "a control was turned"
    LOOK = "another look was loaded"
    CUT = "everything is to be there at once, whatever `morph` says"


class Fade(NamedTuple):
    """From nothing of the new to all of it, evenly."""

    began: MorphTime = MorphTime(0.0)
    seconds: float = 0.0
    pictures: int = 0
    """Above 0 these count and the seconds don't: the last of so many is the first that is wholly there."""

    def share(self, at: MorphTime) -> float:
        """How much is there, 0 to 1."""
        if self.pictures > 0:
            share = (at.pictures - self.began.pictures + 1) / self.pictures
        elif self.seconds > 0:
            share = (at.seconds - self.began.seconds) / self.seconds
        else:
            return 1.0
        return min(max(share, 0.0), 1.0)


OVER = Fade()


class MorphPassage(NamedTuple):
    """A mix of texts on its way from `origin`."""

    origin: tuple[TextWeight, ...] = ()
    fade: Fade = OVER

    def mix(self, wanted: tuple[TextWeight, ...], at: MorphTime) -> tuple[TextWeight, ...]:
        """Where it is: the old shares, then those that are wanted."""
        share = self.fade.share(at)
        if share <= 0.0:
            return self.origin
        old = ((text, weight * (1.0 - share)) for text, weight in self.origin)
        new = ((text, weight * share) for text, weight in wanted)
        return wanted if share >= 1.0 else tuple(TextWeight(*each) for each in (*old, *new) if each[1] > LEAST)


THERE = MorphPassage()


@dataclass(frozen=True, slots=True)
class MorphState:
    """What is wanted, and the fades on the way to it."""

    parameters: Parameters
    since: MorphTime
    """When these parameters came."""
    walked: float = 0.0
    """How many noises the drift had walked by then."""
    began: tuple[float, float] = (0.0, 0.0)
    """How many it had when `seed` came, and when `seed_to` did."""
    noise_origin: tuple[NoiseChain, ...] = ()
    noise_fade: Fade = OVER
    prompt: MorphPassage = THERE
    negative: MorphPassage = THERE
    glides: Mapping[str, float] = field(default_factory=dict)
    """Where the numbers that glide come from, by key."""
    glide_fade: Fade = OVER


def start_morphs(parameters: Parameters, at: MorphTime) -> MorphState:
    """Everything stands where it is wanted, the noise on the seeds' own."""
    return MorphState(parameters, at)


def update_morphs(course: MorphState, parameters: Parameters, at: MorphTime, change: Change) -> MorphState:
    """The course from `at` on, where `parameters` are wanted."""
    fade = Fade(at, parameters.morph, parameters.morph_pictures)
    at_once, look = fade.share(at) >= 1.0, change is Change.LOOK
    if change is Change.CUT or (look and at_once):
        return start_morphs(parameters, at)
    before, walked = course.parameters, _walked(course, at)
    after = replace(
        course,
        parameters=parameters,
        since=at,
        walked=walked,
        began=(
            walked if look or parameters.seed != before.seed else course.began[0],
            walked if look or parameters.seed_to != before.seed_to else course.began[1],
        ),
    )
    if at_once:
        return replace(after, noise_fade=OVER, prompt=THERE, negative=THERE, glides={}, glide_fade=OVER)
    if stand(_chains_before(course, parameters, at, look), walked) != stand(_wanted_chains(after), walked):
        after = replace(after, noise_origin=strongest(_chains(course, at), MOST_CHAINS - 2), noise_fade=fade)
    if look or _texts(parameters) != _texts(before):
        shown = course.prompt.mix(prompt_shares(before), at)
        after = replace(after, prompt=_passage(shown, prompt_shares(parameters), fade))
    if look or parameters.negative_prompt != before.negative_prompt:
        shown = course.negative.mix(negative_shares(before), at)
        after = replace(after, negative=_passage(shown, negative_shares(parameters), fade))
    if look:
        now = _parameters(course, at)
        glides = {key: getattr(now, key) for key in GLIDING if getattr(now, key) != getattr(parameters, key)}
        return replace(after, glides=glides, glide_fade=fade if glides else OVER)
    # A fader that a hand takes hold of is where the hand is.
    held = {key: origin for key, origin in course.glides.items() if getattr(parameters, key) == getattr(before, key)}
    return replace(after, glides=held)


def resolve_frame(course: MorphState, at: MorphTime) -> FrameParameters:
    """What a picture is drawn with at that instant."""
    return FrameParameters(
        _parameters(course, at),
        course.prompt.mix(prompt_shares(course.parameters), at),
        course.negative.mix(negative_shares(course.parameters), at),
        noise_shares(stand(_chains(course, at), _walked(course, at))),
    )


def is_moving(course: MorphState, at: MorphTime) -> bool:
    """Whether the moment after is another one, with nothing turned in between."""
    fades = course.noise_fade, course.prompt.fade, course.negative.fade, course.glide_fade
    return course.parameters.drift > 0 or any(fade.share(at) < 1.0 for fade in fades)


def _parameters(course: MorphState, at: MorphTime) -> Parameters:
    share, wanted = course.glide_fade.share(at), course.parameters
    if share >= 1.0 or not course.glides:
        return wanted
    return wanted.model_copy(
        update={key: origin + (getattr(wanted, key) - origin) * share for key, origin in course.glides.items()}
    )


def _walked(course: MorphState, at: MorphTime) -> float:
    return course.walked + course.parameters.drift * max(at.seconds - course.since.seconds, 0.0)


def _wanted_chains(course: MorphState) -> tuple[NoiseChain, ...]:
    wanted = course.parameters
    return seed_chains((wanted.seed, wanted.seed_to), wanted.seed_mix, course.began)


def _chains(course: MorphState, at: MorphTime) -> tuple[NoiseChain, ...]:
    """By which the noise is mixed at that instant."""
    share, wanted = course.noise_fade.share(at), _wanted_chains(course)
    return wanted if share >= 1.0 else between(course.noise_origin, wanted, _walked(course, at), share)


def _chains_before(course: MorphState, parameters: Parameters, at: MorphTime, look: bool) -> tuple[NoiseChain, ...]:
    """Those to hold the new ones against: by hand, the old seeds with the fader between them where it now is."""
    if look:
        return _chains(course, at)
    seeds = course.parameters.seed, course.parameters.seed_to
    return seed_chains(seeds, parameters.seed_mix, course.began)


def _texts(parameters: Parameters) -> list[str]:
    return [prompt.text for prompt in parameters.prompt]


def _passage(shown: tuple[TextWeight, ...], wanted: tuple[TextWeight, ...], fade: Fade) -> MorphPassage:
    return THERE if shown == wanted else MorphPassage(strongest_texts(shown, MOST_TEXTS - PROMPTS), fade)
