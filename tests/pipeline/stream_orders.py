"""Orders of pictures, a network that hears every input, and what each picture is drawn alone: the stream's oracle."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from pipeline.conditioning import Conditioning, ConditioningShape, EncodedText
from pipeline.denoiser import ConditioningRows
from pipeline.guidance import Guidance, Kind
from pipeline.noise import ENTRY, unit_noise
from pipeline.schedule import COLUMNS, FlowSchedule
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.schedules.instaflow import instaflow_schedule
from pipeline.schedules.lcm import lcm_schedule
from pipeline.schedules.meanflow import meanflow_schedule
from pipeline.schedules.perflow import perflow_schedule
from pipeline.schedules.trigflow import trigflow_schedule
from pipeline.stream import StreamPipeline
from presets.frame_parameters import NoiseWeight

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


def noise_of(order: Order) -> tuple[NoiseWeight, ...]:
    own = NoiseWeight(order.seed)
    return (own, NoiseWeight(order.seed, 1, order.drift)) if order.drift else (own,)


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

    def text_of() -> EncodedText:
        embeds, mask, pooled = (
            torch.randn(shape, generator=generator, dtype=torch.float64) for shape in (TOKENS, TOKENS[:1], (POOLED,))
        )
        return EncodedText(embeds, (mask > 0).double(), pooled)

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

        def answer(told: EncodedText, z: torch.Tensor = z, t: torch.Tensor = t, row: int = row) -> torch.Tensor:
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


MIXED = [
    Order(4, 1.0, 1.0, 0, 0, "euler"),
    Order(6, 0.7, 3.0, 1, 1, "euler", drift=0.7),
    Order(2, 1.0, 1.0, 2, 2, "everything"),
    Order(5, 0.4, 2.5, 3, 3, "euler", "self_negative"),
    Order(8, 1.0, 2.0, 4, 0, "everything", "onetime_negative"),
    Order(3, 0.8, 1.5, 2, 1, "euler", "free"),
    Order(1, 0.0, 1.0, 5, 1, "euler"),
]
