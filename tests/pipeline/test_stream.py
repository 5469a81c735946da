"""The stream's three properties: exact, ordered, one call; each shown to fail where it is broken."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_orders import (
    FAMILIES,
    FITS,
    MIXED,
    SHAPE,
    Order,
    alone,
    error,
    network,
    noise_of,
    picture,
    play,
    schedule_of,
    stream_of,
    swapped,
    words,
)

from pipeline.conditioning import Conditioning, EncodedText
from pipeline.denoiser import ConditioningRows
from pipeline.guidance import KINDS, Guidance, Kind
from pipeline.noise import ENTRY, unit_noise
from pipeline.schedule import FlowSchedule
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.stream import StreamPipeline
from presets.errors import StreamError

orders_strategy = st.lists(
    st.builds(
        Order,
        steps=st.integers(1, 8),
        strength=st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1)),
        guidance=st.one_of(st.just(1.0), st.floats(1, 8, width=32)),
        seed=st.integers(0, 5),
        text=st.integers(0, 3),
        family=st.sampled_from(sorted(FAMILIES)),
        kind=st.sampled_from(KINDS),
        drift=st.one_of(st.just(0.0), st.floats(0.1, 4)),
    ),
    min_size=1,
    max_size=14,
)

admitted_strategy = st.lists(st.integers(0, 3), min_size=1, max_size=6)

texts_strategy = st.lists(st.one_of(st.none(), st.none(), st.integers(4, 7)), max_size=12)


@settings(max_examples=100, deadline=None)
@given(orders=orders_strategy, admitted=admitted_strategy, texts=texts_strategy)
def test_every_picture_is_the_one_it_would_be_alone(
    orders: list[Order], admitted: list[int], texts: list[int | None]
) -> None:
    run = play(orders, admitted, texts=texts)
    assert run.tickets == list(range(len(orders)))  # in order, each once
    assert error(run, orders) < 1e-10
    assert max(run.calls_a_step) <= 1


@settings(max_examples=30, deadline=None)
@given(orders=orders_strategy, admitted=admitted_strategy)
def test_in_float32_within_one_in_ten_thousand(orders: list[Order], admitted: list[int]) -> None:
    run = play(orders, admitted, dtype=torch.float32)
    assert run.tickets == list(range(len(orders)))
    assert error(run, orders, torch.float32) < 1e-4


@pytest.mark.parametrize("part", ["latents", "timestep", "second", "embeds", "mask", "pooled"])
def test_swapping_an_input_between_slots_is_seen(part: str) -> None:
    assert error(play(MIXED, [1]), MIXED) < 1e-10
    assert error(play(MIXED, [1], swapped(part)), MIXED) > 1e-3


@pytest.mark.parametrize(
    "changed",
    [
        *({"seed": 9}, {"text": 9}, {"guidance": 1.5}, {"strength": 0.5}, {"steps": 7}, {"drift": 0.3}),
        *({"kind": kind} for kind in KINDS[1:]),
    ],
)
def test_every_property_of_an_order_reaches_its_picture(changed: dict[str, Any]) -> None:
    orders = [Order(4, 0.8, 2.0, 0, 0, "euler")]
    assert error(play(orders, [1]), [orders[0]._replace(**changed)]) > 1e-3


def test_one_call_a_step_and_none_for_pictures_that_pass_through() -> None:
    run = play([Order(3, 1.0, 2.0, seed, 0, "euler") for seed in range(6)], [1])
    assert run.calls_a_step == [1] * 8
    run = play([Order(3, 0.0, 1.0, 0, 0, "euler")] * 3, [1])
    assert run.calls_a_step == [0, 0, 0]
    assert torch.equal(run.latents[2], picture(2))


def test_equal_steps_yield_a_picture_a_step() -> None:
    stream, out = stream_of(network), []
    for index in range(10):
        stream.admit(None, flow_matching_schedule(4, 1.0), words(0), ticket=index)
        out.append([ticket for _, ticket in stream.step()])
    assert out == [[], [], [], [0], [1], [2], [3], [4], [5], [6]]


def test_a_picture_done_before_its_elder_waits_for_it() -> None:
    stream = stream_of(network)
    stream.admit(None, flow_matching_schedule(3, 1.0), words(0), ticket="elder")
    stream.admit(picture(0), flow_matching_schedule(3, 0.2), words(0), ticket="younger")
    assert stream.step() == []
    assert stream.in_flight == 2
    assert stream.step() == []
    assert [ticket for _, ticket in stream.step()] == ["elder", "younger"]
    assert (stream.in_flight, stream.free) == (0, 4)


def test_the_denoiser_sees_prepared_sizes_and_the_same_memory_every_time() -> None:
    seen: list[tuple[int, int]] = []

    def watched(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        assert torch.isfinite(latents).all()
        assert (timesteps[:, 0] > 0).all()  # spare rows repeat a live one
        seen.append((len(latents), latents.data_ptr()))
        return network(latents, timesteps, conditioning)

    play([Order(4, 1.0, 1.0 + index % 2, index, 0, "euler") for index in range(20)], [1], watched)
    assert {size for size, _ in seen} <= {1, 2, 3, 5, 8}
    assert len(set(seen)) == len({size for size, _ in seen})


@pytest.mark.parametrize("kinds", itertools.combinations(KINDS, 2))
def test_kinds_of_guidance_mix_with_each_other_and_with_none(kinds: tuple[Kind, Kind]) -> None:
    families = sorted(FAMILIES)
    orders = [
        Order(2 + index % 4, 0.5 + index % 3 / 4, 3.0 if index % 3 else 1.0, index, index % 4, family, kind)
        for index, family, kind in zip(range(20), itertools.cycle(families), itertools.cycle((*kinds, "full")))
    ]
    assert error(play(orders, [1, 2]), orders) < 1e-10


def test_a_new_text_can_reach_pictures_in_flight() -> None:
    orders = [Order(4, 1.0, 2.0, index, 0, "euler") for index in range(3)]
    stream, out = stream_of(network), dict[object, torch.Tensor]()
    for index, order in enumerate(orders):
        stream.admit(
            picture(index), schedule_of(order), words(0), guidance=Guidance(2.0), noise=noise_of(order), ticket=index
        )
        stream.step()
    with pytest.raises(StreamError, match="positive text"):
        stream.recondition(Conditioning(EncodedText(torch.zeros(4, 2)), words(0).negative))
    stream.recondition(words(7))
    while stream.in_flight:
        out |= {ticket: latent.clone() for latent, ticket in stream.step()}
    for index, order in enumerate(orders):  # the eldest has three rows behind it, the youngest one
        torch.testing.assert_close(out[index], alone(order, index, torch.float64, [(3 - index, 7)]), rtol=0, atol=1e-10)
        assert (out[index] - alone(order, index, torch.float64)).abs().max() > 1e-3


def test_embedded_guidance_is_an_input_and_not_a_second_row() -> None:
    def watched(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        assert len(latents) <= 3
        return network(latents, timesteps, conditioning)

    stream = StreamPipeline(
        watched, slots=3, latent_shape=SHAPE, conditioning=FITS, sizes=(1, 2, 3), second_time=True,
        embedded_guidance=True, dtype=torch.float64,
    )  # fmt: skip
    scales, out = (1.0, 2.5, 7.0), dict[object, torch.Tensor]()
    for index, scale in enumerate(scales):
        stream.admit(
            picture(index), flow_matching_schedule(3, 1.0), words(index), guidance=Guidance(scale), ticket=index
        )
        out |= {ticket: latent.clone() for latent, ticket in stream.step()}
    while stream.in_flight:
        out |= {ticket: latent.clone() for latent, ticket in stream.step()}
    for index, scale in enumerate(scales):
        schedule, text = flow_matching_schedule(3, 1.0), words(index).positive
        z = unit_noise(0, ENTRY, SHAPE).double()
        for row in range(3):
            told = ConditioningRows(
                text.embeds[None], text.mask[None], text.pooled[None], torch.tensor([scale]).double()
            )
            t = torch.tensor([[float(schedule.timestep[row]), 0.0]], dtype=torch.float64)
            z = z + float(schedule.b[row]) * network(z[None], t, told)[0]
        torch.testing.assert_close(out[index], z, rtol=0, atol=1e-10)


def test_half_precision_keeps_its_coefficients_and_times_in_full() -> None:
    def watched(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        assert latents.dtype == conditioning.embeds.dtype == torch.bfloat16
        assert timesteps.dtype == torch.float32
        return network(latents.float(), timesteps, ConditioningRows(*(p.float() for p in conditioning[:3]))).bfloat16()

    run = play(MIXED, [1], watched, torch.bfloat16)
    assert error(run, MIXED, torch.float32) < 0.1


def test_noise_depends_on_seed_and_row_alone() -> None:
    assert torch.equal(unit_noise(3, 0, SHAPE), unit_noise(3, 0, SHAPE))
    several = [unit_noise(seed, row, SHAPE) for seed in (0, 1, 2**31 - 1) for row in (0, 1, 50)]
    assert all(not torch.equal(one, other) for place, one in enumerate(several) for other in several[:place])


def test_a_finished_latent_can_be_admitted_again() -> None:
    stream = stream_of(network)
    stream.admit(picture(0), flow_matching_schedule(1, 0.0), words(0))
    (finished,) = stream.step()
    stream.admit(finished.latent, flow_matching_schedule(1, 0.0), words(0))
    torch.testing.assert_close(stream.step()[0].latent, picture(0))


@pytest.mark.parametrize("kind", ["self_negative", "free"])
def test_residual_guidance_takes_rows_without_noise(kind: Kind) -> None:
    """The latent says nothing of the noise there: the path's mean answer is what is led away from."""
    rows = {"timestep": [500.0], "a": [1.0], "b": [-0.5], "p": [1.0], "q": [0.0], "out_x": [-1.0], "out_n": [0.0]}
    stream = stream_of(network)
    stream.admit(picture(0), FlowSchedule.from_columns(**rows, strength=0.5), words(0), guidance=Guidance(3.0, kind))
    (finished,) = stream.step()
    text, time = words(0).positive, torch.tensor([[500.0, 0.0]], dtype=torch.float64)
    told = ConditioningRows(text.embeds[None], text.mask[None], text.pooled[None])
    out = network(picture(0)[None], time, told)[0]
    expected = picture(0) - 0.5 * (3.0 * out + (1.0 - 3.0) * -picture(0))
    torch.testing.assert_close(finished.latent, expected, rtol=0, atol=1e-10)
