"""`step_batch` of the flow-matching scheduler equals diffusers' `step`, sample by sample."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.diffusers_schedulers import FlowMatchEulerScheduler, PeRFlowScheduler
from pipeline.noise import unit_noise
from presets.errors import ScheduleError

SHAPE = (2, 3, 4)
SETTINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"shift": 3.0}, {}),
    ({"use_dynamic_shifting": True}, {"mu": 0.8}),
    ({"use_dynamic_shifting": True, "time_shift_type": "linear", "shift_terminal": 0.1}, {"mu": 1.1}),
    ({"shift": 2.0, "use_karras_sigmas": True}, {}),
    ({"invert_sigmas": True}, {}),
    ({"stochastic_sampling": True, "shift": 3.0}, {}),
]


def randn(seed: int, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def step_one_by_one(
    config: dict[str, Any], given_: dict[str, Any], steps: int, rows: list[int], out: torch.Tensor, z: torch.Tensor,
    noise: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """Return every sample after one step of its own instance of diffusers' scheduler."""
    stepped = []
    for index, row in enumerate(rows):
        scheduler = FlowMatchEulerDiscreteScheduler(**config)
        scheduler.set_timesteps(steps, **given_)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "diffusers.schedulers.scheduling_flow_match_euler_discrete.randn_tensor",
                lambda *_, index=index, **__: noise[index : index + 1],
            )
            here = slice(index, index + 1)
            stepped.append(scheduler.step(out[here], scheduler.timesteps[row], z[here], return_dict=False)[0])
    return torch.cat(stepped)


@settings(max_examples=200, deadline=None)
@given(
    which=st.integers(0, len(SETTINGS) - 1),
    steps=st.integers(2, 12),
    positions=st.lists(st.floats(0, 0.999), min_size=1, max_size=5),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
)
def test_step_batch_equals_step(which: int, steps: int, positions: list[float], dtype: torch.dtype) -> None:
    config, given_ = SETTINGS[which]
    rows = [int(position * steps) for position in positions]
    out, z, noise = (randn(seed, len(rows), *SHAPE, dtype=dtype) for seed in (1, 2, 3))
    scheduler = FlowMatchEulerScheduler(**config)
    scheduler.set_timesteps(steps, **given_)
    batched = scheduler.step_batch(out, scheduler.timesteps[rows], z, noise=noise)
    assert batched.dtype == dtype
    # diffusers rounds σ·out to the half type before the sum. Ours rounds once, at the end.
    tolerance = {torch.float32: 1e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}[dtype]
    reference = step_one_by_one(config, given_, steps, rows, out, z, noise)
    torch.testing.assert_close(batched, reference, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("config", [{"shift": 3.0}, {"shift": 3.0, "stochastic_sampling": True}])
def test_predicted_sample_equals_velocity(config: dict[str, Any]) -> None:
    ours, theirs = (
        FlowMatchEulerScheduler(prediction_type="sample", **config),
        FlowMatchEulerDiscreteScheduler(**config),
    )
    ours.set_timesteps(4)
    theirs.set_timesteps(4)
    z = other = batched = randn(1, 2, *SHAPE)
    for row, t in enumerate(ours.timesteps):
        sample, generators = randn(10 + row, 2, *SHAPE), [torch.Generator().manual_seed(row) for _ in range(3)]
        batched = ours.step_batch(sample, t.expand(2), batched, generator=generators[0])
        z = ours.step(sample, t, z, generator=generators[1]).prev_sample
        velocity = (other - sample) / theirs.sigmas[row]
        assert (sample - velocity).abs().max() > 1e-2
        (other,) = theirs.step(velocity, t, other, generator=generators[2], return_dict=False)
        torch.testing.assert_close(z, other, rtol=0, atol=1e-5)
        torch.testing.assert_close(batched, other, rtol=0, atol=1e-5)
    torch.testing.assert_close(z, sample, rtol=0, atol=1e-5)  # the last prediction is the result
    half = ours.from_config(ours.config)
    half.set_timesteps(4)
    assert half.step(sample.half(), ours.timesteps[0], z.half(), return_dict=False)[0].dtype == torch.float16


def test_prediction_type_is_kept(tmp_path: Path) -> None:
    FlowMatchEulerScheduler(prediction_type="sample", shift=3.0).save_pretrained(tmp_path)
    loaded = FlowMatchEulerScheduler.from_pretrained(tmp_path)
    assert (loaded.config.prediction_type, loaded.config.shift, loaded.shift) == ("sample", 3.0, 3.0)
    assert FlowMatchEulerScheduler().config.prediction_type == "velocity"
    parameters = [
        inspect.signature(kind).parameters for kind in (FlowMatchEulerDiscreteScheduler, FlowMatchEulerScheduler)
    ]
    theirs, ours = ({name: one.default for name, one in names.items()} for names in parameters)
    assert ours == theirs | {"prediction_type": "velocity"}
    with pytest.raises(ScheduleError, match="prediction is 'epsilon'; it is one of velocity, sample"):
        FlowMatchEulerScheduler(prediction_type="epsilon")  # type: ignore[arg-type]
    with pytest.raises(ScheduleError, match="only velocities can be inverted"):
        FlowMatchEulerScheduler(prediction_type="sample", invert_sigmas=True)


def test_step_batch_has_no_state() -> None:
    scheduler = FlowMatchEulerScheduler(shift=3.0)
    scheduler.set_timesteps(4)
    out, z = randn(1, 4, *SHAPE), randn(2, 4, *SHAPE)
    rows = [3, 0, 2, 2]
    first = scheduler.step_batch(out, scheduler.timesteps[rows], z)
    assert torch.equal(scheduler.step_batch(out, scheduler.timesteps[rows], z), first)
    for index, row in enumerate(rows):
        assert torch.equal(
            scheduler.step_batch(out[index : index + 1], scheduler.timesteps[[row]], z[index : index + 1]),
            first[index : index + 1],
        )
        for other in {0, 2, 3} - {row}:
            other_step = scheduler.step_batch(
                out[index : index + 1], scheduler.timesteps[[other]], z[index : index + 1]
            )
            assert (other_step - first[index]).abs().max() > 1e-2


def test_generator_draws_the_noise() -> None:
    scheduler = FlowMatchEulerScheduler(stochastic_sampling=True)
    scheduler.set_timesteps(3)
    out, z, t = randn(1, 2, *SHAPE), randn(2, 2, *SHAPE), scheduler.timesteps[[0, 1]]
    expected_noise = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(5))
    by_generator = scheduler.step_batch(out, t, z, generator=torch.Generator().manual_seed(5))
    assert torch.equal(by_generator, scheduler.step_batch(out, t, z, noise=expected_noise))
    assert not torch.equal(by_generator, scheduler.step_batch(out, t, z, noise=unit_noise(1, 0, (2, *SHAPE))))


def test_float64_stays_float64() -> None:
    scheduler = FlowMatchEulerScheduler()
    scheduler.set_timesteps(4)
    out, z = randn(1, 1, *SHAPE).double(), randn(2, 1, *SHAPE).double()
    stepped = scheduler.step_batch(out, scheduler.timesteps[:1], z)
    assert torch.equal(stepped, z + (scheduler.sigmas[1] - scheduler.sigmas[0]).double() * out)


def test_config_of_diffusers_scheduler() -> None:
    theirs = FlowMatchEulerDiscreteScheduler(shift=3.0, num_train_timesteps=500)
    ours = FlowMatchEulerScheduler.from_config(theirs.config)
    ours.set_timesteps(5)
    theirs.set_timesteps(5)
    assert torch.equal(ours.timesteps, theirs.timesteps)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"timesteps": torch.tensor([1000.0, 751.0])}, "timesteps holds 751; this schedule has 1000, 750"),
        ({"timesteps": torch.tensor([752.0, 500.0], dtype=torch.bfloat16)}, "timesteps holds 752"),
        ({"timesteps": torch.tensor([float("nan"), 500.0])}, "timesteps holds nan"),
        ({"timesteps": torch.tensor([1000.0])}, r"timesteps is float32 \[1\]; it must be numbers \[2\]"),
        ({"timesteps": torch.tensor(1000.0)}, r"timesteps is float32 \[\]"),
        ({"model_output": torch.zeros(2, 3, 4)}, r"model_output is float32 \[2, 3, 4\]; it must be like sample"),
        ({"model_output": torch.zeros(2, *SHAPE, dtype=torch.int64)}, "model_output is int64"),
        ({"sample": torch.zeros(2, *SHAPE, dtype=torch.uint8)}, "sample is uint8"),
        ({"sample": torch.tensor(1.0)}, r"sample is float32 \[\]; it must be a batch"),
    ],
)
def test_bad_input_is_refused(changed: dict[str, torch.Tensor], message: str) -> None:
    scheduler = FlowMatchEulerScheduler()
    scheduler.set_timesteps(4, sigmas=np.linspace(1, 0.25, 4))
    valid = {
        "model_output": torch.zeros(2, *SHAPE),
        "timesteps": torch.tensor([1000.0, 500.0]),
        "sample": torch.zeros(2, *SHAPE),
    }
    assert scheduler.step_batch(**valid).shape == (2, *SHAPE)
    with pytest.raises(ScheduleError, match=message):
        scheduler.step_batch(**{**valid, **changed})


@pytest.mark.parametrize("scheduler", [FlowMatchEulerScheduler(), PeRFlowScheduler()])
def test_no_read_back_with_cpu_timesteps(
    scheduler: FlowMatchEulerScheduler | PeRFlowScheduler,
) -> None:
    scheduler.set_timesteps(4)
    sample = torch.zeros(
        2, *SHAPE, dtype=torch.float16, device="meta"
    )  # meta tensors have no values, so reading one raises
    stepped = scheduler.step_batch(sample, scheduler.timesteps[:2], sample)
    assert (stepped.shape, stepped.dtype, stepped.device.type) == (sample.shape, torch.float16, "meta")
    with pytest.raises(NotImplementedError):
        scheduler.step_batch(sample, scheduler.timesteps[:2].to("meta"), sample)


def test_repeated_timesteps_are_refused() -> None:
    scheduler = FlowMatchEulerScheduler()
    scheduler.set_timesteps(3, sigmas=[1.0, 0.5, 0.5])
    with pytest.raises(ScheduleError, match="timesteps repeat"):
        scheduler.step_batch(torch.zeros(1, 2), torch.tensor([500.0]), torch.zeros(1, 2))


def test_step_without_schedule_is_refused() -> None:
    with pytest.raises(ScheduleError, match="set_timesteps first"):
        FlowMatchEulerScheduler().step_batch(torch.zeros(1, 2), torch.tensor([500.0]), torch.zeros(1, 2))


def test_zero_steps_are_refused() -> None:
    with pytest.raises(ScheduleError, match="steps is 0; it must be a whole number of 1 or more"):
        FlowMatchEulerScheduler().set_timesteps(0)
