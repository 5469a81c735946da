"""Noise depends on seed, row and leg only. Seed mixes and drift keep unit variance and move without jumps."""

from itertools import pairwise

import pytest
import torch

from pipeline.noise import ENTRY, noise_mixer, unit_noise, unit_variance_weights
from presets.fades import Change, MorphTime
from presets.frame_parameters import FrameParameters, NoiseWeight, without_morph
from presets.morph import resolve_frame, start_morphs, update_morphs
from presets.parameters import Parameters

SHAPE = (4, 64, 64)
WITHIN = 0.05
"""Tolerance of the variance of 16384 samples, whose standard deviation is √(2/16384) = 0.011."""

mix_noise = noise_mixer(SHAPE, torch.device("cpu"), torch.float32)


def noise_of(frame: FrameParameters, row: int = ENTRY) -> torch.Tensor:
    out = torch.full(SHAPE, 7.0)
    mix_noise(frame.noise, row, out)
    return out


def slerp(one: torch.Tensor, other: torch.Tensor, t: float) -> torch.Tensor:
    from diffusers.pipelines.deprecated.audio_diffusion.pipeline_audio_diffusion import AudioDiffusionPipeline

    mixed: torch.Tensor = AudioDiffusionPipeline.slerp(one.flatten(), other.flatten(), t)
    return mixed.view(SHAPE)


def test_noise_depends_on_seed_and_row() -> None:
    assert torch.equal(unit_noise(3, 0, SHAPE), unit_noise(3, 0, SHAPE))
    noises = [unit_noise(seed, row, SHAPE) for seed in (0, 1, 2**31 - 1) for row in (0, 1, 50)]
    assert all(not torch.equal(one, other) for place, one in enumerate(noises) for other in noises[:place])


@pytest.mark.parametrize("mix", [0.0, 0.1, 0.5, 0.8, 1.0])
def test_seed_mix_is_diffusers_slerp(mix: float) -> None:
    one, other = unit_noise(3, ENTRY, SHAPE), unit_noise(4, ENTRY, SHAPE)
    found = noise_of(without_morph(Parameters(seed=3, seed_to=4, seed_mix=mix)))
    # The noises are orthogonal up to 1/128, and diffusers uses their exact angle.
    assert (found - slerp(one, other, mix)).std() < 0.02
    assert found.var() == pytest.approx(1, abs=WITHIN)
    assert (0.5 * one + 0.5 * other).var() == pytest.approx(0.5, abs=WITHIN), "a linear mix would be grey"


def test_seed_mix_ends_at_each_seed() -> None:
    for mix, seed in ((0.0, 3), (1.0, 4)):
        found = noise_of(without_morph(Parameters(seed=3, seed_to=4, seed_mix=mix)), row=2)
        assert torch.equal(found, unit_noise(seed, 2, SHAPE))


def test_drift_and_morph_move_evenly() -> None:
    morph = start_morphs(Parameters(seed=3, drift=0.5), MorphTime(0.0))
    morph = update_morphs(morph, Parameters(seed=4, drift=0.5, morph=4.0), MorphTime(1.3), Change.CONTROL)
    noises = [noise_of(resolve_frame(morph, MorphTime(1.3 + step / 20))) for step in range(121)]
    for noise in noises:
        assert noise.var() == pytest.approx(1, abs=WITHIN)
        assert noise.mean() == pytest.approx(0, abs=WITHIN)
    steps = [(other - one).std() for one, other in pairwise(noises)]
    assert min(steps) > 0.02
    assert max(steps) < 0.1, "each step is a thirtieth of the morph"
    correlation = torch.corrcoef(torch.stack([noises[0].flatten(), noises[-1].flatten()]))[0, 1]
    assert abs(correlation) < WITHIN


def test_equal_noises_are_summed() -> None:
    weights_given = (NoiseWeight(3, 0, 0.6), NoiseWeight(4, 0, 0.5), NoiseWeight(3, 0, 0.6))
    weights = unit_variance_weights(weights_given)
    assert (weights[0] + weights[2]) ** 2 + weights[1] ** 2 == pytest.approx(1)
    assert noise_of(without_morph(Parameters())._replace(noise=weights_given)).var() == pytest.approx(1, abs=WITHIN)


def test_legs_and_rows_are_independent() -> None:
    noises = [unit_noise(5, row, SHAPE, leg).flatten() for row in (0, 1) for leg in (0, 1, 2, 100_000)]
    correlation = torch.corrcoef(torch.stack(noises)) - torch.eye(len(noises))
    assert correlation.abs().max() < WITHIN
