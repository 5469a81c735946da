"""Morphs: the transition from what is on air to what is wanted, as a function of time or of a number of pictures.

Nothing here reads a clock: a `MorphState` is a value, and its holder names the instant. The stage does so at every
request of a renderer, `render` at every frame.

Texts, seeds and presets would jump, so they change by a morph. A fader that a performer moves is followed directly:
strength, guidance, the weights of the prompts, the mix of two seeds. With another preset these glide too
(`presets.fades`). Whole numbers, choices and switches jump when the morph starts. An interrupted morph continues from
its present place.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from presets.drift import MAX_CHAINS, NoiseChain, limit_chains, noise_weights, slerp_chains
from presets.fades import DRAWN, FINISHED, Change, Fade, Glide, MorphTime
from presets.frame_parameters import (
    NEGLIGIBLE,
    RANDOM_SEED,
    FrameParameters,
    TextWeight,
    limit_texts,
    negative_shares,
    noise_shares,
    prompt_shares,
    seed_chains,
)
from presets.parameters import PROMPTS, Parameters

MAX_TEXTS = 32
"""Most shares of texts in a mix. A morph that is interrupted more often drops those of the least weight."""


class TextFade(NamedTuple):
    """Cross-fade of a mix of texts from `origin`."""

    origin: tuple[TextWeight, ...] = ()
    fade: Fade = FINISHED

    def mix(self, wanted: tuple[TextWeight, ...], at: MorphTime) -> tuple[TextWeight, ...]:
        """Return the mix at that instant: the old shares, then the wanted ones."""
        share = self.fade.share(at)
        if share <= 0.0:
            return self.origin
        old = ((text, weight * (1.0 - share)) for text, weight in self.origin)
        new = ((text, weight * share) for text, weight in wanted)
        return wanted if share >= 1.0 else tuple(TextWeight(*each) for each in (*old, *new) if each[1] > NEGLIGIBLE)


NO_TEXT_FADE = TextFade()


@dataclass(frozen=True, slots=True)
class MorphState:
    """The wanted parameters and the fades towards them."""

    parameters: Parameters
    changed_at: MorphTime
    """Instant of the last change."""
    drift: float = 0.0
    """Drift in noises at the last change."""
    seed_starts: tuple[float, float] = (0.0, 0.0)
    """Drift in noises at which `seed` and `seed_to` were set."""
    seeded_at: int = 0
    """Number of pictures at which `seed` or `seed_to` was set."""
    noise_origin: tuple[NoiseChain, ...] = ()
    noise_fade: Fade = FINISHED
    prompt: TextFade = NO_TEXT_FADE
    negative: TextFade = NO_TEXT_FADE
    glide: Glide = field(default_factory=Glide)
    """Glide of the numbers of what is drawn."""


def start_morphs(parameters: Parameters, at: MorphTime) -> MorphState:
    """Return a state without any fade, with the noise at the seeds' own."""
    return MorphState(parameters, at, seeded_at=at.pictures)


def update_morphs(
    state: MorphState,
    parameters: Parameters,
    at: MorphTime,
    change: Change,
    swung: Callable[[Parameters], Parameters] = lambda given: given,
) -> MorphState:
    """Return the state from `at` on, when `parameters` are wanted.

    `swung` moves parameters by their LFOs to that instant, so that a fade of texts begins with the mix on air.
    """
    fade = Fade(at, parameters.morph_seconds, parameters.morph_pictures)
    is_cut, is_preset = fade.share(at) >= 1.0, change is Change.PRESET
    if change is Change.CUT or (is_preset and is_cut):
        return start_morphs(parameters, at)
    before, drift = state.parameters, _drift(state, at)
    keeps_seeds = not is_preset and (parameters.seed, parameters.seed_to) == (before.seed, before.seed_to)
    after = replace(
        state,
        parameters=parameters,
        changed_at=at,
        drift=drift,
        seeded_at=state.seeded_at if keeps_seeds else at.pictures,
        seed_starts=(
            drift if is_preset or parameters.seed != before.seed else state.seed_starts[0],
            drift if is_preset or parameters.seed_to != before.seed_to else state.seed_starts[1],
        ),
    )
    if is_cut:
        return replace(
            after,
            noise_fade=FINISHED,
            prompt=NO_TEXT_FADE,
            negative=NO_TEXT_FADE,
            glide=Glide(),
        )
    old_chains = _chains_to_compare(state, parameters, at, is_preset)
    if noise_weights(old_chains, drift) != noise_weights(_wanted_chains(after), drift):
        after = replace(after, noise_origin=limit_chains(_chains(state, at), MAX_CHAINS - 2), noise_fade=fade)
    if is_preset or _texts(parameters) != _texts(before):
        shown = state.prompt.mix(prompt_shares(swung(before)), at)
        after = replace(after, prompt=_text_fade(shown, prompt_shares(swung(parameters)), fade))
    if is_preset or parameters.negative_prompt != before.negative_prompt:
        shown = state.negative.mix(negative_shares(before), at)
        after = replace(after, negative=_text_fade(shown, negative_shares(parameters), fade))
    return replace(after, glide=state.glide.towards(before, parameters, at, change, DRAWN))


def resolve_frame(state: MorphState, at: MorphTime) -> FrameParameters:
    """Return the parameters of a picture drawn at that instant."""
    return FrameParameters(
        state.glide.at(state.parameters, at),
        state.prompt.mix(prompt_shares(state.parameters), at),
        state.negative.mix(negative_shares(state.parameters), at),
        noise_shares(noise_weights(_chains(state, at), _drift(state, at)), at.pictures - state.seeded_at),
    )


def is_moving(state: MorphState, at: MorphTime) -> bool:
    """Return True if the next picture differs from the one at `at` without any change of a control."""
    fades = state.noise_fade, state.prompt.fade, state.negative.fade, state.glide.fade
    is_random = any(chain.seed == RANDOM_SEED for chain in _wanted_chains(state))
    return is_random or state.parameters.drift > 0 or any(fade.share(at) < 1.0 for fade in fades)


def _drift(state: MorphState, at: MorphTime) -> float:
    return state.drift + state.parameters.drift * max(at.seconds - state.changed_at.seconds, 0.0)


def _wanted_chains(state: MorphState) -> tuple[NoiseChain, ...]:
    wanted = state.parameters
    return seed_chains((wanted.seed, wanted.seed_to), wanted.seed_mix, state.seed_starts)


def _chains(state: MorphState, at: MorphTime) -> tuple[NoiseChain, ...]:
    """Return the chains that make the noise at that instant."""
    share, wanted = state.noise_fade.share(at), _wanted_chains(state)
    return wanted if share >= 1.0 else slerp_chains(state.noise_origin, wanted, _drift(state, at), share)


def _chains_to_compare(
    state: MorphState, parameters: Parameters, at: MorphTime, is_preset: bool
) -> tuple[NoiseChain, ...]:
    """Return the chains that the new ones are compared with.

    For a moved control these are the old seeds with the new value of `seed_mix`, because that fader does not morph.
    """
    if is_preset:
        return _chains(state, at)
    seeds = state.parameters.seed, state.parameters.seed_to
    return seed_chains(seeds, parameters.seed_mix, state.seed_starts)


def _texts(parameters: Parameters) -> list[str]:
    return [prompt.text for prompt in parameters.prompt]


def _text_fade(shown: tuple[TextWeight, ...], wanted: tuple[TextWeight, ...], fade: Fade) -> TextFade:
    return NO_TEXT_FADE if shown == wanted else TextFade(limit_texts(shown, MAX_TEXTS - PROMPTS), fade)
