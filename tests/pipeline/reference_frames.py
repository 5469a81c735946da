"""Reference for the stream: frames with random settings, a network that depends on every input, and each frame drawn
by itself with a textbook loop."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from pipeline.conditioning import Conditioning, ConditioningShape, EncodedText
from pipeline.denoiser import ConditioningRows
from pipeline.guidance import Guidance, GuidanceKind
from pipeline.noise import ENTRY, unit_noise
from pipeline.schedule import COLUMNS, FlowSchedule
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.schedules.lcm import lcm_schedule
from pipeline.schedules.perflow import perflow_schedule
from pipeline.schedules.straight_flows import instaflow_schedule, meanflow_schedule
from pipeline.schedules.trigflow import trigflow_schedule
from pipeline.stream import StreamPipeline
from presets.frame_parameters import NoiseWeight

SHAPE, TOKENS, POOLED = (2, 3, 5), (4, 3), 2
CONDITIONING_SHAPE = ConditioningShape(TOKENS, masked=True, pooled=POOLED)

Network = Callable[[torch.Tensor, torch.Tensor, ConditioningRows], torch.Tensor]


def network(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
    """Return an output that is nonlinear in the latent, the source, both times and all conditioning.

    Rows are independent. The source is the second half of the channels; latents without it have none.
    """
    latents, seen = (latents, None) if latents.shape[1] == SHAPE[0] else latents.split(SHAPE[0], 1)
    embeds, mask, pooled, guidance, _ = conditioning
    time = torch.sin(timesteps[:, 0] / 170.0 + torch.cos(timesteps[:, 1])).to(latents.dtype).view(-1, 1, 1, 1)
    features = (embeds.square() * mask[:, :, None]).mean(1) + embeds[:, 0] + pooled.square().sum(1, keepdim=True)
    text = torch.tanh(features / 4).mean(1).view(-1, 1, 1, 1)
    if guidance is not None:
        text = text * torch.cos(guidance / 3).view(-1, 1, 1, 1)
    mixed = latents.roll(1, -1) * 0.5 + latents.mean((1, 2, 3), keepdim=True)
    if seen is not None:
        mixed = mixed + torch.sin(1.7 * seen) * (1.0 + 0.4 * latents.roll(1, -2))
    return torch.sin(mixed * (1.0 + text) + time) * torch.exp(-0.3 * latents.square()) + time * text


def network_with_swap(part: str) -> Network:
    """Return the network with one of its inputs rolled to the neighbouring row."""

    def swapped(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        if part == "latents":
            latents = latents.roll(1, 0)
        elif part == "source":
            latents = torch.cat([latents[:, : SHAPE[0]], latents[:, SHAPE[0] :].roll(1, 0)], 1)
        elif part in ("timestep", "second_time"):
            column = ("timestep", "second_time").index(part)
            timesteps = timesteps.clone()
            timesteps[:, column] = timesteps[:, column].roll(1, 0)
        else:
            conditioning = conditioning._replace(**{part: getattr(conditioning, part).roll(1, 0)})
        return network(latents, timesteps, conditioning)

    return swapped


class FrameSettings(NamedTuple):
    """Settings of one frame."""

    steps: int
    strength: float
    guidance: float
    seed: int
    text: int
    family: str
    """One of `FAMILIES`."""
    kind: GuidanceKind = "full"
    drift: float = 0.0
    """Weight of a second noise that is mixed in."""
    seen: int | None = None
    """Index of the `source` that the network sees; None is none."""
    image_guidance: float = 1.0


def noise_weights(frame: FrameSettings) -> tuple[NoiseWeight, ...]:
    own = NoiseWeight(frame.seed)
    return (own, NoiseWeight(frame.seed, 1, frame.drift)) if frame.drift else (own,)


def synthetic_schedule(steps: int, strength: float) -> FlowSchedule:
    """Return a made-up flow solver that uses every column: fresh noise, input scale and second time."""
    if strength <= 0.01:
        return FlowSchedule.empty()
    t = torch.linspace(strength, strength / steps, steps, dtype=torch.float64).numpy()
    t_next = torch.cat([torch.from_numpy(t[1:]), torch.zeros(1, dtype=torch.float64)]).numpy()
    return FlowSchedule.from_columns(
        timestep=1000 * t,
        second_time=t_next,
        a=1 - t_next,
        b=-t * (1 - t_next),
        c=t_next,
        input_scale=1.0 / (1.0 + t),
        p=1 - t,
        q=t,
        out_x=[-1.0] * steps,
        out_n=[1.0] * steps,
        strength=strength,
    )


FAMILIES: dict[str, Callable[[int, float], FlowSchedule]] = {
    "euler": flow_matching_schedule,
    "synthetic": synthetic_schedule,
    "stochastic": partial(flow_matching_schedule, stochastic=True, shift=3.0),
    "perflow ddim_eps": perflow_schedule,
    "perflow diff_eps": partial(perflow_schedule, prediction_type="diff_eps"),
    "perflow velocity": partial(perflow_schedule, prediction_type="velocity", num_time_windows=3),
    "instaflow": instaflow_schedule,
    "trigflow": trigflow_schedule,
    "meanflow": meanflow_schedule,
    "lcm": lcm_schedule,
}


def schedule_of(frame: FrameSettings) -> FlowSchedule:
    return FAMILIES[frame.family](frame.steps, frame.strength)


def source(index: int) -> torch.Tensor:
    """Return the clean latent of frame `index`."""
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1000 + index), dtype=torch.float64)


def conditioning(text: int) -> Conditioning:
    generator = torch.Generator().manual_seed(5000 + text)

    def random_text() -> EncodedText:
        embeds, mask, pooled = (
            torch.randn(shape, generator=generator, dtype=torch.float64) for shape in (TOKENS, TOKENS[:1], (POOLED,))
        )
        return EncodedText(embeds, (mask > 0).double(), pooled)

    return Conditioning(random_text(), random_text())


def mixed_noise(frame: FrameSettings, row: int, dtype: torch.dtype) -> torch.Tensor:
    own, other = (unit_noise(frame.seed, row, SHAPE, leg).to(dtype) for leg in (0, 1))
    return (own + frame.drift * other) / math.sqrt(1 + frame.drift**2)


def draw_alone(
    frame: FrameSettings,
    index: int,
    dtype: torch.dtype = torch.float64,
    changes: Sequence[tuple[int, int]] = (),
    sees_source: bool = False,
    denoiser: Network = network,
) -> torch.Tensor:
    """Return the frame drawn by itself with a textbook loop.

    Args:
        frame: Settings of the frame.
        index: Its index, which selects its `source`.
        dtype: Dtype of the computation.
        changes: Rows, and the text from each row on.
        sees_source: True if the network takes the source beside the latent.
        denoiser: The network.
    """
    nothing = torch.zeros(SHAPE, dtype=dtype)
    seen = nothing if frame.seen is None else source(frame.seen).to(dtype)
    image_scale = float(np.float32(frame.image_guidance)) if frame.seen is not None else 1.0
    schedule, x, scale = schedule_of(frame), source(index).to(dtype), float(np.float32(frame.guidance))
    path = mixed_noise(frame, ENTRY, dtype)
    p_entry, q_entry = schedule.entry
    z, anchor = p_entry * x + q_entry * path, x
    for row in range(len(schedule)):
        text = conditioning([frame.text, *(text for first, text in changes if row >= first)][-1])
        t = torch.tensor([[float(schedule.timestep[row]), float(schedule.second_time[row])]], dtype=dtype)
        p, q, out_x, out_n = (float(schedule.rows[row, COLUMNS.index(name)]) for name in ("p", "q", "out_x", "out_n"))

        def output(
            text: EncodedText, beside: torch.Tensor = seen, z: torch.Tensor = z, t: torch.Tensor = t, row: int = row
        ) -> torch.Tensor:
            rows = ConditioningRows(*(part.to(dtype)[None] for part in (text.embeds, text.mask, text.pooled)))
            scaled = float(schedule.input_scale[row]) * z
            return denoiser((torch.cat([scaled, beside]) if sees_source else scaled)[None], t, rows)[0]

        out = output(text.positive)
        if image_scale != 1:
            image, uncond = output(text.negative), output(text.negative, nothing)
            out = uncond + scale * (out - image) + image_scale * (image - uncond)
        elif scale != 1:
            if frame.kind == "full":
                uncond = output(text.negative)
            elif frame.kind == "onetime_negative" and row == 0:
                uncond = output(text.negative)
                # The x with z = p·x + q·n and uncond = out_x·x + out_n·n.
                anchor = (q * uncond - out_n * z) / (q * out_x - out_n * p)
            elif frame.kind == "free":
                uncond = out_x * x + out_n * path
            else:
                uncond = out_x * anchor + out_n * (z - p * anchor) / q
            out = uncond + scale * (out - uncond)
        fresh = mixed_noise(frame, row + 1, dtype)
        z = float(schedule.a[row]) * z + float(schedule.b[row]) * out + float(schedule.c[row]) * fresh
        if schedule.c[row]:
            path = fresh
    return z


@dataclass
class StreamRun:
    """Output of a stream."""

    tickets: list[object]
    latents: list[torch.Tensor]
    calls_per_step: list[int]
    changes: dict[int, list[tuple[int, int]]]
    """Text changes of each frame by index: the row, and the text from there on."""


def make_stream(
    denoiser: Network,
    slots: int = 4,
    dtype: torch.dtype = torch.float64,
    sees_source: bool = False,
    numbers: Sequence[tuple[str, int]] = (),
    tensors: Sequence[tuple[str, tuple[int, ...]]] = (),
    empty_source: torch.Tensor | None = None,
) -> StreamPipeline:
    return StreamPipeline(
        denoiser,
        slots=slots,
        latent_shape=SHAPE,
        conditioning=CONDITIONING_SHAPE,
        sizes=(1, 2, 3, 5, 2 * slots, *((3 * slots,) if sees_source else ())),
        second_time=True,
        sees_source=sees_source,
        empty_source=empty_source,
        numbers=numbers,
        tensors=tensors,
        dtype=dtype,
    )


def drain(stream: StreamPipeline) -> dict[object, torch.Tensor]:
    """Step until no frame is in flight, and return copies of the latents by ticket."""
    latents: dict[object, torch.Tensor] = {}
    while stream.in_flight:
        latents |= {ticket: latent.clone() for latent, ticket in stream.step()}
    return latents


def run_stream(
    frames: list[FrameSettings],
    admissions: list[int],
    denoiser: Network = network,
    dtype: torch.dtype = torch.float64,
    texts: Sequence[int | None] = (),
    sees_source: bool = False,
) -> StreamRun:
    """Draw all frames in one stream.

    Args:
        frames: The frames, in order.
        admissions: Frames to admit before each step, if there is room. Repeated.
        denoiser: The network.
        dtype: Dtype of the stream.
        texts: Text that replaces those of all frames in flight before each step. None replaces nothing.
        sees_source: True if the network takes the source beside the latent.
    """
    calls = 0

    def counted(latents: torch.Tensor, timesteps: torch.Tensor, rows: ConditioningRows) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return denoiser(latents, timesteps, rows)

    stream = make_stream(counted, dtype=dtype, sees_source=sees_source)
    run, index, step = StreamRun([], [], [], {}), 0, 0
    admitted_at: dict[int, int] = {}
    while index < len(frames) or stream.in_flight:
        count = admissions[step % len(admissions)]
        for _ in range(max(count, 0 if stream.in_flight else 1)):
            if index == len(frames) or not stream.free:
                break
            frame = frames[index]
            stream.admit(
                source(index).to(dtype),
                schedule_of(frame),
                conditioning(frame.text),
                guidance=Guidance(frame.guidance, frame.kind, frame.image_guidance),
                noise=noise_weights(frame),
                source=source(frame.seen).to(dtype) if sees_source and frame.seen is not None else None,
                ticket=index,
            )
            admitted_at[index] = step
            index += 1
        if step < len(texts) and (text := texts[step]) is not None:
            stream.recondition(conditioning(text))
            for in_flight in set(admitted_at) - set(run.tickets):
                run.changes.setdefault(in_flight, []).append((step - admitted_at[in_flight], text))
        calls = 0
        finished = stream.step()
        run.calls_per_step.append(calls)
        run.tickets += [ticket for _, ticket in finished]
        run.latents += [latent.clone() for latent, _ in finished]
        step += 1
    return run


def max_error(
    run: StreamRun, frames: list[FrameSettings], dtype: torch.dtype = torch.float64, sees_source: bool = False
) -> float:
    """Return the largest difference from the frames drawn alone, relative to each frame's largest value."""
    worst = 0.0
    for index, latent in enumerate(run.latents):
        reference = draw_alone(frames[index], index, dtype, run.changes.get(index, ()), sees_source)
        worst = max(worst, float((latent - reference).abs().max() / reference.abs().max()))
    return worst


MIXED_FRAMES = [
    FrameSettings(4, 1.0, 1.0, 0, 0, "euler"),
    FrameSettings(6, 0.7, 3.0, 1, 1, "euler", drift=0.7),
    FrameSettings(2, 1.0, 1.0, 2, 2, "synthetic"),
    FrameSettings(5, 0.4, 2.5, 3, 3, "euler", "self_negative"),
    FrameSettings(8, 1.0, 2.0, 4, 0, "synthetic", "onetime_negative"),
    FrameSettings(3, 0.8, 1.5, 2, 1, "euler", "free"),
    FrameSettings(1, 0.0, 1.0, 5, 1, "euler"),
]
