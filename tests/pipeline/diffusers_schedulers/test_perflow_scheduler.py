"""PeRFlow's scheduler equals a textbook step, sample by sample, and numbers from the authors' formulas."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, DiffusionPipeline, PNDMScheduler, StableDiffusionPipeline
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.diffusers_schedulers import PeRFlowScheduler
from presets.errors import ScheduleError

SHAPE = (2, 3, 4)
KINDS = ("ddim_eps", "diff_eps", "velocity")
GOLDEN = {  # λ and η of each window, computed in float64 with the authors' formulas
    "ddim_eps": ((3.485786, -2.506379), (2.214450, -1.300941), (1.559649, -0.755837), (1.216254, -0.663755)),
    "diff_eps": ((3.485786, -3.339267), (2.214450, -1.975801), (1.559649, -1.196872), (1.216254, -0.692297)),
}


def randn(seed: int, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def textbook(
    kind: str, windows: int, timestep: int, next_timestep: int, z: torch.Tensor, out: torch.Tensor
) -> torch.Tensor:
    """Return one sample after one step in float64: predict the end of its window, and go part of the way to it.

    Yan et al. 2024, section 3. The noise is that of the window's start, which is solved for from z.
    """
    betas = DDPMScheduler(1000, 0.00085, 0.012, "scaled_linear").betas.double()
    alphas = torch.cumprod(1 - betas, 0)
    t, until = timestep / 1000, next_timestep / 1000
    edges = [k / windows for k in range(windows, -1, -1)]
    window = next(k for k in range(windows) if t - 1e-4 > edges[k + 1])
    start, end = edges[window], edges[window + 1]
    at_start, at_end = (float(alphas[max(int(edge * 1000 - 1 + 1e-6), 0)]) for edge in (start, end))
    if kind == "velocity":
        return z + (until - t) * out
    # On the line z(t) = (1 − w)·z_start + w·z_end, with z_end = λ·z_start + η·out: solve for z_start.
    lamda = (at_end / at_start) ** 0.5
    if kind == "ddim_eps":  # x from z_start and ε, noised to the end with the same ε
        eta = (1 - at_end) ** 0.5 - lamda * (1 - at_start) ** 0.5
    else:  # z_start = √γ²·z_end + √(1 − γ²)·ε
        eta = -((1 - at_start / at_end) ** 0.5) * lamda
    way = (start - t) / (start - end)
    z_start = (z - way * eta * out) / (1 - way + way * lamda)
    z_end = lamda * z_start + eta * out
    return z + (z_end - z_start) * (t - until) / (start - end)


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    windows=st.integers(1, 6),
    steps=st.integers(1, 50),
    positions=st.lists(st.floats(0, 0.999), min_size=1, max_size=9),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.float16, torch.bfloat16]),
)
def test_step_batch_equals_textbook(
    kind: str, windows: int, steps: int, positions: list[float], dtype: torch.dtype
) -> None:
    scheduler = PeRFlowScheduler(prediction_type=kind, num_time_windows=windows)
    scheduler.set_timesteps(steps)
    rows = [int(position * len(scheduler.timesteps)) for position in positions]
    z, out = (randn(seed, len(rows), *SHAPE, dtype=dtype) for seed in (1, 2))
    batched = scheduler.step_batch(out, scheduler.timesteps[rows], z)
    assert batched.dtype == dtype
    grid = [*scheduler.timesteps.tolist(), 0]
    reference = [
        textbook(kind, windows, grid[row], grid[row + 1], one.double(), of_one.double())
        for row, one, of_one in zip(rows, z, out, strict=True)
    ]
    # The reference has float32 betas, which gives coefficients an error of 1e-6. A half type is rounded once.
    tolerance = {torch.float64: 1e-5, torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 8e-3}[dtype]
    torch.testing.assert_close(batched.double(), torch.stack(reference), rtol=tolerance, atol=tolerance)
    for index, row in enumerate(rows):
        alone = scheduler.step(out[index : index + 1], scheduler.timesteps[row], z[index : index + 1])
        assert torch.equal(alone.prev_sample[0], batched[index])


@pytest.mark.parametrize("kind", KINDS[:2])
def test_one_step_crosses_a_window(kind: str) -> None:
    scheduler = PeRFlowScheduler(prediction_type=kind)
    scheduler.set_timesteps(4)
    unit, zero = torch.eye(2, dtype=torch.float64)
    for timestep, golden in zip(scheduler.timesteps, GOLDEN[kind], strict=True):
        of_z_and_out = scheduler.step_batch(zero[:, None], timestep.expand(2), unit[:, None]).flatten()
        np.testing.assert_allclose(of_z_and_out, golden, rtol=0, atol=6e-7)


@pytest.mark.parametrize(
    ("windows", "steps", "timesteps"),
    [
        (4, 4, [1000, 750, 500, 250]),
        (4, 6, [1000, 875, 750, 625, 500, 250]),
        (4, 8, [1000, 875, 750, 625, 500, 375, 250, 125]),
        (3, 4, [1000, 833, 666, 333]),
        (1, 3, [1000, 666, 333]),
    ],
)
def test_timesteps_equal_the_authors(windows: int, steps: int, timesteps: list[int]) -> None:
    scheduler = PeRFlowScheduler(num_time_windows=windows)
    scheduler.set_timesteps(steps)
    assert scheduler.timesteps.tolist() == timesteps
    assert scheduler.timesteps.dtype == torch.int64
    assert scheduler.num_inference_steps == steps


def test_too_few_steps_are_raised(caplog: pytest.LogCaptureFixture) -> None:
    scheduler = PeRFlowScheduler()
    with caplog.at_level(logging.WARNING, "pipeline.diffusers_schedulers.perflow"):
        scheduler.set_timesteps(2)
    assert scheduler.timesteps.tolist() == [1000, 750, 500, 250]
    assert "num_inference_steps is 2" in caplog.text


def test_authors_config_and_defaults() -> None:
    config = {key: value for key, value in PeRFlowScheduler().config.items() if not key.startswith("_")}
    assert config == {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "trained_betas": None,
        "set_alpha_to_one": False,
        "prediction_type": "ddim_eps",
        "t_noise": 1,
        "t_clean": 0,
        "num_time_windows": 4,
    }
    assert PeRFlowScheduler().init_noise_sigma == 1.0
    assert len(PeRFlowScheduler(num_train_timesteps=500)) == 500
    sample = randn(1, 1, *SHAPE)
    assert PeRFlowScheduler().scale_model_input(sample, 750) is sample


def test_config_is_saved_and_converted(tmp_path: Path) -> None:
    diffusers_scheduler = PNDMScheduler(
        beta_start=0.0009, beta_end=0.013, beta_schedule="scaled_linear", steps_offset=1
    )
    ours = PeRFlowScheduler.from_config(diffusers_scheduler.config, prediction_type="diff_eps", num_time_windows=5)
    ours.save_pretrained(tmp_path)
    again = PeRFlowScheduler.from_pretrained(tmp_path)
    assert again.config.prediction_type == "diff_eps"
    assert again.config.num_time_windows == 5
    torch.testing.assert_close(again.alphas_cumprod, diffusers_scheduler.alphas_cumprod, rtol=1e-4, atol=0)


def test_pipeline_keeps_the_scheduler(tmp_path: Path) -> None:
    absent = dict.fromkeys(("vae", "text_encoder", "tokenizer", "unet", "safety_checker", "feature_extractor"))
    scheduler = PeRFlowScheduler(prediction_type="velocity")
    StableDiffusionPipeline(**absent, scheduler=scheduler, requires_safety_checker=False).save_pretrained(tmp_path)
    again = DiffusionPipeline.from_pretrained(tmp_path, local_files_only=True, **absent).scheduler
    assert type(again) is PeRFlowScheduler
    assert again.config.prediction_type == "velocity"


@pytest.mark.parametrize("schedule", ["linear", "scaled_linear", "squaredcos_cap_v2", "trained"])
def test_alphas_equal_diffusers(schedule: str) -> None:
    trained = np.linspace(0.001, 0.02, 300) if schedule == "trained" else None
    named = "linear" if trained is not None else schedule
    settings_ = {"num_train_timesteps": 300, "beta_schedule": named, "trained_betas": trained}
    diffusers_scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, **settings_).alphas_cumprod
    torch.testing.assert_close(PeRFlowScheduler(**settings_).alphas_cumprod, diffusers_scheduler, rtol=2e-4, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_add_noise_equals_ddpm(dtype: torch.dtype) -> None:
    x, noise, t = randn(1, 4, *SHAPE, dtype=dtype), randn(2, 4, *SHAPE, dtype=dtype), torch.tensor([1, 250, 601, 1000])
    ours = PeRFlowScheduler().add_noise(x, noise, t)
    diffusers_scheduler = DDPMScheduler(1000, 0.00085, 0.012, "scaled_linear").add_noise(
        x.float(), noise.float(), t - 1
    )
    assert ours.dtype == dtype
    tolerance = {torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 8e-3}[dtype]
    torch.testing.assert_close(ours.float(), diffusers_scheduler, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("configured", "message"),
    [
        ({"prediction_type": "epsilon"}, "prediction_type is 'epsilon'; it is one of ddim_eps, diff_eps, velocity"),
        ({"beta_schedule": "sigmoid"}, "beta_schedule is 'sigmoid'"),
        ({"num_time_windows": 0}, "num_time_windows is 0"),
        ({"t_clean": 1}, "t_clean is 1 and t_noise 1"),
        ({"trained_betas": [0.1, 0.2]}, r"trained_betas has the shape \[2\]; it must be 1000 numbers"),
        ({"trained_betas": [0.5, 1.5], "num_train_timesteps": 2}, "trained_betas"),
    ],
)
def test_bad_config_is_refused(configured: dict[str, object], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        PeRFlowScheduler(**configured)


@pytest.mark.parametrize("steps", [0, -1, 2.5, float("nan"), 1001, 5000])
def test_bad_step_count_is_refused(steps: float) -> None:
    with pytest.raises(ScheduleError, match=f"num_inference_steps is {steps}"):
        PeRFlowScheduler().set_timesteps(steps)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"timesteps": torch.tensor([1000, 751])}, "timesteps holds 751; this schedule has 1000, 750, 500, 250"),
        ({"timesteps": torch.tensor([751.0, 500.0], dtype=torch.bfloat16)}, "timesteps holds 752"),
        ({"timesteps": torch.tensor([1000, 0])}, "timesteps holds 0"),
        ({"timesteps": torch.tensor([1000])}, r"timesteps is int64 \[1\]; it must be numbers \[2\]"),
        ({"model_output": torch.zeros(2, 3, 4)}, "model_output is float32"),
        ({"sample": torch.zeros(2, *SHAPE, dtype=torch.int64)}, "sample is int64"),
    ],
)
def test_bad_input_is_refused(changed: dict[str, torch.Tensor], message: str) -> None:
    scheduler = PeRFlowScheduler()
    valid = {
        "model_output": torch.zeros(2, *SHAPE),
        "timesteps": torch.tensor([1000, 500]),
        "sample": torch.zeros(2, *SHAPE),
    }
    with pytest.raises(ScheduleError, match="set_timesteps first"):
        scheduler.step_batch(**valid)
    scheduler.set_timesteps(4)
    assert scheduler.step_batch(**valid).shape == (2, *SHAPE)
    with pytest.raises(ScheduleError, match=message):
        scheduler.step_batch(**{**valid, **changed})


@pytest.mark.parametrize("timesteps", [torch.tensor([0]), torch.tensor([1001]), torch.tensor([1.5])])
def test_bad_add_noise_is_refused(timesteps: torch.Tensor) -> None:
    with pytest.raises(ScheduleError, match="timesteps is"):
        PeRFlowScheduler().add_noise(randn(1, 1, *SHAPE), randn(2, 1, *SHAPE), timesteps)
    with pytest.raises(ScheduleError, match="noise has the shape"):
        PeRFlowScheduler().add_noise(randn(1, 1, *SHAPE), randn(2, 2, *SHAPE), torch.tensor([500]))
