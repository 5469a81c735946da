"""Noise that goes from one seed to another, and wanders: of variance 1 everywhere, and never by a leap."""

from itertools import pairwise

import pytest
import torch

from pipeline.noise import ENTRY, noise_bank, unit_noise, unit_weights
from presets.frame_parameters import FrameParameters, NoiseWeight, without_morph
from presets.morph import Change, MorphTime, resolve_frame, start_morphs, update_morphs
from presets.parameters import Parameters

SHAPE = (4, 64, 64)
WITHIN = 0.05
"""Of the variance of 16384 samples: its standard deviation is √(2/16384), 0.011."""

bank = noise_bank(SHAPE, torch.device("cpu"), torch.float32)


def noise_of(found: FrameParameters, row: int = ENTRY) -> torch.Tensor:
    out = torch.full(SHAPE, 7.0)
    bank(found.noise, row, out)
    return out


def slerp(one: torch.Tensor, other: torch.Tensor, share: float) -> torch.Tensor:
    from diffusers.pipelines.deprecated.audio_diffusion.pipeline_audio_diffusion import AudioDiffusionPipeline

    mixed: torch.Tensor = AudioDiffusionPipeline.slerp(one.flatten(), other.flatten(), share)
    return mixed.view(SHAPE)


@pytest.mark.parametrize("mix", [0.0, 0.1, 0.5, 0.8, 1.0])
def test_between_two_seeds_it_is_diffusers_slerp_but_for_their_chance_likeness(mix: float) -> None:
    one, other = unit_noise(3, ENTRY, SHAPE), unit_noise(4, ENTRY, SHAPE)
    found = noise_of(without_morph(Parameters(seed=3, seed_to=4, seed_mix=mix)))
    # Noises of so many samples are at a right angle up to 1/128; diffusers takes the angle that they happen to have.
    assert (found - slerp(one, other, mix)).std() < 0.02
    assert found.var() == pytest.approx(1, abs=WITHIN)
    assert (0.5 * one + 0.5 * other).var() == pytest.approx(0.5, abs=WITHIN), "a straight mix would be grey"


def test_the_ends_are_the_seeds_own_noises() -> None:
    for mix, seed in ((0.0, 3), (1.0, 4)):
        found = noise_of(without_morph(Parameters(seed=3, seed_to=4, seed_mix=mix)), row=2)
        assert torch.equal(found, unit_noise(seed, 2, SHAPE))


def test_drift_and_a_morph_of_seeds_move_evenly_with_variance_1_until_they_are_another_noise() -> None:
    course = start_morphs(Parameters(seed=3, drift=0.5), MorphTime(0.0))
    course = update_morphs(course, Parameters(seed=4, drift=0.5, morph=4.0), MorphTime(1.3), Change.CONTROL)
    along = [noise_of(resolve_frame(course, MorphTime(1.3 + step / 20))) for step in range(121)]
    for noise in along:
        assert noise.var() == pytest.approx(1, abs=WITHIN)
        assert noise.mean() == pytest.approx(0, abs=WITHIN)
    steps = [(other - one).std() for one, other in pairwise(along)]
    assert min(steps) > 0.02
    assert max(steps) < 0.1, "a twentieth of a second is a thirtieth of the way"
    likeness = torch.corrcoef(torch.stack([along[0].flatten(), along[-1].flatten()]))[0, 1]
    assert abs(likeness) < WITHIN


def test_shares_of_one_noise_are_one_share() -> None:
    together = (NoiseWeight(3, 0, 0.6), NoiseWeight(4, 0, 0.5), NoiseWeight(3, 0, 0.6))
    weights = unit_weights(together)
    assert (weights[0] + weights[2]) ** 2 + weights[1] ** 2 == pytest.approx(1)
    assert noise_of(without_morph(Parameters())._replace(noise=together)).var() == pytest.approx(1, abs=WITHIN)


def test_legs_of_a_seed_are_unlike_it_and_one_another_and_its_rows() -> None:
    noises = [unit_noise(5, row, SHAPE, leg).flatten() for row in (0, 1) for leg in (0, 1, 2, 100_000)]
    likeness = torch.corrcoef(torch.stack(noises)) - torch.eye(len(noises))
    assert likeness.abs().max() < WITHIN
