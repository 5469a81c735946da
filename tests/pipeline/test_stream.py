"""The stream's three properties: exact, ordered, one call; each shown to fail where it is broken."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.conditioning import Conditioning, ConditioningShape, Text
from pipeline.denoiser import ConditioningRows
from pipeline.guidance import KINDS, Guidance, Kind
from pipeline.noise import ENTRY, unit_noise
from pipeline.schedule import COLUMNS, FlowSchedule
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.schedules.instaflow import instaflow_schedule
from pipeline.schedules.lcm import lcm_schedule
from pipeline.schedules.meanflow import meanflow_schedule
from pipeline.schedules.perflow import perflow_schedule
from pipeline.schedules.trigflow import trigflow_schedule
from pipeline.stream import Finished, StreamPipeline
from presets.errors import StreamError
from presets.moment import NoiseShare

SHAPE, TOKENS, POOLED = (2, 3, 5), (4, 3), 2
FITS = ConditioningShape(TOKENS, masked=True, pooled=POOLED)
Network = Callable[[torch.Tensor, torch.Tensor, ConditioningRows], torch.Tensor]


def network(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
    """Nonlinear in latent, both times and all of the conditioning, mixed over each latent; every row by itself."""
    embeds, mask, pooled, guidance = conditioning
    time = torch.sin(timesteps[:, 0] / 170.0 + torch.cos(timesteps[:, 1])).to(latents.dtype).view(-1, 1, 1, 1)
    told = (embeds.square() * mask[:, :, None]).mean(1) + embeds[:, 0] + pooled.square().sum(1, keepdim=True)
    text = torch.tanh(told / 4).mean(1).view(-1, 1, 1, 1)
    if guidance is not None:
        text = text * torch.cos(guidance / 3).view(-1, 1, 1, 1)
    mixed = latents.roll(1, -1) * 0.5 + latents.mean((1, 2, 3), keepdim=True)
    return torch.sin(mixed * (1.0 + text) + time) * torch.exp(-0.3 * latents.square()) + time * text


def swapped(part: str) -> Network:
    """The network with one of its inputs handed to the neighbouring row."""

    def wrong(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        if part == "latents":
            latents = latents.roll(1, 0)
        elif part in ("timestep", "second"):
            column = ("timestep", "second").index(part)
            timesteps = timesteps.clone()
            timesteps[:, column] = timesteps[:, column].roll(1, 0)
        else:
            conditioning = conditioning._replace(**{part: getattr(conditioning, part).roll(1, 0)})
        return network(latents, timesteps, conditioning)

    return wrong


class Order(NamedTuple):
    """One picture to be drawn."""

    steps: int
    strength: float
    guidance: float
    seed: int
    text: int
    family: str
    """One of `FAMILIES`."""
    kind: Kind = "full"
    drift: float = 0.0
    """How much of the noise of another seed is mixed in."""


def noise_of(order: Order) -> tuple[NoiseShare, ...]:
    own = NoiseShare(order.seed)
    return (own, NoiseShare(order.seed, 1, order.drift)) if order.drift else (own,)


def everything(steps: int, strength: float) -> FlowSchedule:
    """A flow solver made up to have all that a row can: noise anew, an input scale, a second time."""
    if strength <= 0.01:
        return FlowSchedule.passing_through()
    at = torch.linspace(strength, strength / steps, steps, dtype=torch.float64).numpy()
    after = torch.cat([torch.from_numpy(at[1:]), torch.zeros(1, dtype=torch.float64)]).numpy()
    return FlowSchedule.from_columns(
        timestep=1000 * at,
        second=after,
        a=1 - after,
        b=-at * (1 - after),
        c=after,
        scale=1.0 / (1.0 + at),
        p=1 - at,
        q=at,
        out_x=[-1.0] * steps,
        out_n=[1.0] * steps,
        strength=strength,
    )


FAMILIES: dict[str, Callable[[int, float], FlowSchedule]] = {
    "euler": flow_matching_schedule,
    "everything": everything,
    "stochastic": partial(flow_matching_schedule, stochastic=True, shift=3.0),
    "perflow ddim_eps": perflow_schedule,
    "perflow diff_eps": partial(perflow_schedule, prediction_type="diff_eps"),
    "perflow velocity": partial(perflow_schedule, prediction_type="velocity", num_time_windows=3),
    "instaflow": instaflow_schedule,
    "trigflow": trigflow_schedule,
    "meanflow": meanflow_schedule,
    "lcm": lcm_schedule,
}


def schedule_of(order: Order) -> FlowSchedule:
    return FAMILIES[order.family](order.steps, order.strength)


def picture(index: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1000 + index), dtype=torch.float64)


def words(text: int) -> Conditioning:
    generator = torch.Generator().manual_seed(5000 + text)

    def text_of() -> Text:
        embeds, mask, pooled = (
            torch.randn(shape, generator=generator, dtype=torch.float64) for shape in (TOKENS, TOKENS[:1], (POOLED,))
        )
        return Text(embeds, (mask > 0).double(), pooled)

    return Conditioning(text_of(), text_of())


def mixed_noise(order: Order, row: int, dtype: torch.dtype) -> torch.Tensor:
    own, other = (unit_noise(order.seed, row, SHAPE, leg).to(dtype) for leg in (0, 1))
    return (own + order.drift * other) / math.sqrt(1 + order.drift**2)


def alone(order: Order, index: int, dtype: torch.dtype, changes: Sequence[tuple[int, int]] = ()) -> torch.Tensor:
    """The same picture drawn by itself, in the textbook's way; `changes` are rows and the text from there on."""
    schedule, source, scale = schedule_of(order), picture(index).to(dtype), float(np.float32(order.guidance))
    path = mixed_noise(order, ENTRY, dtype)
    enters = schedule.entry
    z, anchor = enters[0] * source + enters[1] * path, source
    for row in range(len(schedule)):
        text = words([order.text, *(text for first, text in changes if row >= first)][-1])
        t = torch.tensor([[float(schedule.timestep[row]), float(schedule.second[row])]], dtype=dtype)
        p, q, of_x, of_n = (float(schedule.rows[row, COLUMNS.index(name)]) for name in ("p", "q", "out_x", "out_n"))

        def answer(told: Text, z: torch.Tensor = z, t: torch.Tensor = t, row: int = row) -> torch.Tensor:
            told_rows = ConditioningRows(*(part.to(dtype)[None] for part in (told.embeds, told.mask, told.pooled)))
            return network((float(schedule.scale[row]) * z)[None], t, told_rows)[0]

        out = answer(text.positive)
        if scale != 1:
            if order.kind == "full":
                away = answer(text.negative)
            elif order.kind == "onetime_negative" and row == 0:
                away = answer(text.negative)
                # The picture x with z = p·x + q·n and away = of_x·x + of_n·n.
                anchor = (q * away - of_n * z) / (q * of_x - of_n * p)
            elif order.kind == "free":
                away = of_x * source + of_n * path
            else:
                away = of_x * anchor + of_n * (z - p * anchor) / q
            out = away + scale * (out - away)
        fresh = mixed_noise(order, row + 1, dtype)
        z = float(schedule.a[row]) * z + float(schedule.b[row]) * out + float(schedule.c[row]) * fresh
        if schedule.c[row]:
            path = fresh
    return z


@dataclass
class Run:
    """What came out of a stream."""

    tickets: list[object]
    latents: list[torch.Tensor]
    calls_a_step: list[int]
    changes: dict[int, list[tuple[int, int]]]
    """Of each picture, the rows at which it was given another text, and which."""


def stream_of(denoiser: Network, slots: int = 4, dtype: torch.dtype = torch.float64) -> StreamPipeline:
    sizes = (1, 2, 3, 5, 2 * slots)
    return StreamPipeline(
        denoiser, slots=slots, latent_shape=SHAPE, conditioning=FITS, sizes=sizes, second_time=True, dtype=dtype
    )


def play(
    orders: list[Order],
    admitted: list[int],
    denoiser: Network = network,
    dtype: torch.dtype = torch.float64,
    texts: Sequence[int | None] = (),
) -> Run:
    """Admits as many pictures before each step as `admitted` says and there is room for, and drains.

    Before the steps for which `texts` has one, it is given to all that is in flight.
    """
    calls = 0

    def counted(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return denoiser(latents, timesteps, conditioning)

    stream, run, index, turn = stream_of(counted, dtype=dtype), Run([], [], [], {}), 0, 0
    begun: dict[int, int] = {}
    while index < len(orders) or stream.in_flight:
        wanted = admitted[turn % len(admitted)]
        for _ in range(max(wanted, 0 if stream.in_flight else 1)):
            if index == len(orders) or not stream.free:
                break
            order = orders[index]
            stream.admit(
                picture(index).to(dtype),
                schedule_of(order),
                words(order.text),
                guidance=Guidance(order.guidance, order.kind),
                noise=noise_of(order),
                ticket=index,
            )
            begun[index] = turn
            index += 1
        if turn < len(texts) and (text := texts[turn]) is not None:
            stream.recondition(words(text))
            for picture_in_flight in set(begun) - set(run.tickets):
                run.changes.setdefault(picture_in_flight, []).append((turn - begun[picture_in_flight], text))
        calls = 0
        finished = stream.step()
        run.calls_a_step.append(calls)
        run.tickets += [ticket for _, ticket in finished]
        run.latents += [latent.clone() for latent, _ in finished]
        turn += 1
    return run


def error(run: Run, orders: list[Order], dtype: torch.dtype = torch.float64) -> float:
    """The largest difference from the pictures drawn alone, relative to their size."""
    worst = 0.0
    for index, latent in enumerate(run.latents):
        reference = alone(orders[index], index, dtype, run.changes.get(index, ()))
        worst = max(worst, float((latent - reference).abs().max() / reference.abs().max()))
    return worst


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


MIXED = [
    Order(4, 1.0, 1.0, 0, 0, "euler"),
    Order(6, 0.7, 3.0, 1, 1, "euler", drift=0.7),
    Order(2, 1.0, 1.0, 2, 2, "everything"),
    Order(5, 0.4, 2.5, 3, 3, "euler", "self_negative"),
    Order(8, 1.0, 2.0, 4, 0, "everything", "onetime_negative"),
    Order(3, 0.8, 1.5, 2, 1, "euler", "free"),
    Order(1, 0.0, 1.0, 5, 1, "euler"),
]


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


def test_a_sick_picture_does_not_touch_its_neighbours() -> None:
    healthy = Order(4, 0.8, 1.0, 0, 0, "euler")
    stream, out = stream_of(network), dict[object, torch.Tensor]()
    stream.admit(picture(0), schedule_of(healthy), words(0), ticket=0)
    stream.step()
    stream.admit(torch.full(SHAPE, float("nan")), schedule_of(healthy), words(0), ticket=1)
    stream.admit(picture(2), flow_matching_schedule(1, 0.5), words(0), ticket=2)
    while stream.in_flight:
        out |= {ticket: latent.clone() for latent, ticket in stream.step()}
    assert out[1].isnan().all()
    torch.testing.assert_close(out[0], alone(healthy, 0, torch.float64), rtol=0, atol=1e-10)
    torch.testing.assert_close(out[2], alone(Order(1, 0.5, 1.0, 0, 0, "euler"), 2, torch.float64), rtol=0, atol=1e-10)


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


def test_clear_drops_what_is_in_flight() -> None:
    stream = stream_of(network)
    stream.admit(None, flow_matching_schedule(4, 1.0), words(0), ticket="dropped")
    stream.step()
    stream.clear()
    assert (stream.in_flight, stream.free, stream.step()) == (0, 4, [])
    stream.admit(picture(0), flow_matching_schedule(1, 0.5), words(0), ticket="next")
    assert [ticket for _, ticket in stream.step()] == ["next"]


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
        stream.recondition(Conditioning(Text(torch.zeros(4, 2)), words(0).negative))
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


def test_warm_up_touches_no_picture_in_flight() -> None:
    order = Order(3, 0.8, 2.0, 0, 0, "euler")
    stream, finished = stream_of(network), list[Finished]()
    stream.admit(picture(0), schedule_of(order), words(0), guidance=Guidance(2.0))
    while stream.in_flight:
        stream.warm_up()
        finished += stream.step()
    torch.testing.assert_close(finished[0].latent, alone(order, 0, torch.float64), rtol=0, atol=1e-10)


def test_noise_depends_on_seed_and_row_alone() -> None:
    assert torch.equal(unit_noise(3, 0, SHAPE), unit_noise(3, 0, SHAPE))
    several = [unit_noise(seed, row, SHAPE) for seed in (0, 1, 2**31 - 1) for row in (0, 1, 50)]
    assert all(not torch.equal(one, other) for place, one in enumerate(several) for other in several[:place])


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"latent": torch.zeros(2, 3, 4)}, r"\(2, 3, 4\); this stream takes .*\(2, 3, 5\)"),
        ({"latent": torch.zeros(SHAPE, dtype=torch.int64)}, "torch.int64"),
        ({"latent": None}, "strength 0.5 needs a picture to start from"),
        ({"conditioning": Conditioning(Text(torch.zeros(4, 2)), words(0).negative)}, r"The positive text has .*4, 2"),
        ({"conditioning": Conditioning(words(0).positive, Text(torch.zeros(4, 3)))}, r"The negative text has .*False"),
        ({"guidance": Guidance(float("nan"))}, "guidance is nan"),
        ({"guidance": Guidance(2.0, "most")}, "guidance kind is 'most'; it is one of full, self_negative"),
        ({"noise": (NoiseShare(-1),)}, "seed is -1; it must be from 0 to 2147483647"),
        ({"noise": (NoiseShare(2**31),)}, "seed is 2147483648"),
        ({"guidance": Guidance(1e39)}, "guidance is 1e.39; it must be a number up to 1e.06"),
        ({"guidance": Guidance("loud")}, "guidance is 'loud'"),
        *(
            ({"noise": tuple(NoiseShare(0, 0, weight) for weight in weights)}, "weights must be finite, and not cancel")
            for weights in ([], [0.0], [float("nan")], [float("inf")], [1.0, -1.0], [1e-300])
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(changed: dict[str, object], says: str) -> None:
    stream = stream_of(network)
    fits = {
        "latent": picture(0),
        "schedule": flow_matching_schedule(2, 0.5),
        "conditioning": words(0),
        "guidance": Guidance(),
        "noise": (NoiseShare(0),),
    }
    with pytest.raises(StreamError, match=says):
        stream.admit(**(fits | changed))
    assert (stream.in_flight, stream.free) == (0, 4)


def test_no_more_pictures_than_slots() -> None:
    stream = stream_of(network)
    for _ in range(4):
        stream.admit(None, flow_matching_schedule(2, 1.0), words(0))
    with pytest.raises(StreamError, match="All 4 slots are in use"):
        stream.admit(None, flow_matching_schedule(2, 1.0), words(0))


def test_a_stream_that_could_not_hold_its_slots_is_refused() -> None:
    with pytest.raises(StreamError, match="4 slots with guidance need 8 rows"):
        StreamPipeline(network, slots=4, latent_shape=SHAPE, conditioning=FITS, sizes=(1, 4))
    with pytest.raises(StreamError, match="slots is 0"):
        StreamPipeline(network, slots=0, latent_shape=SHAPE, conditioning=FITS, sizes=(1, 4))


def test_an_answer_of_the_wrong_shape_is_refused() -> None:
    stream = stream_of(lambda latents, timesteps, conditioning: latents[:, :1])
    stream.admit(None, flow_matching_schedule(2, 1.0), words(0))
    with pytest.raises(StreamError, match="The denoiser answered"):
        stream.step()


def test_a_finished_latent_can_be_admitted_again() -> None:
    stream = stream_of(network)
    stream.admit(picture(0), flow_matching_schedule(1, 0.0), words(0))
    (finished,) = stream.step()
    stream.admit(finished.latent, flow_matching_schedule(1, 0.0), words(0))
    torch.testing.assert_close(stream.step()[0].latent, picture(0))


def test_a_picture_that_can_not_be_written_takes_no_slot() -> None:
    stream = stream_of(network)
    for _ in range(5):
        with pytest.raises(NotImplementedError):  # a latent without memory
            stream.admit(torch.empty(SHAPE, device="meta"), flow_matching_schedule(2, 0.5), words(0))
    assert (stream.in_flight, stream.free) == (0, 4)


@pytest.mark.parametrize("failing", [1, 2, 3, 4])
def test_a_step_whose_network_call_failed_can_be_taken_again(failing: int) -> None:
    calls = itertools.count(1)

    def at_times_broken(*batch: Any) -> torch.Tensor:
        if next(calls) == failing:
            raise MemoryError
        return network(*batch)

    order = Order(3, 0.9, 2.0, 0, 0, "everything", "free")  # reads the noise on its path, which is another every row
    stream, finished = stream_of(at_times_broken), list[Finished]()
    stream.admit(picture(0), schedule_of(order), words(0), guidance=Guidance(2.0, "free"), noise=noise_of(order))
    while stream.in_flight:
        try:
            finished += stream.step()
        except MemoryError:
            continue
    torch.testing.assert_close(finished[0].latent, alone(order, 0, torch.float64), rtol=0, atol=1e-10)


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
