"""Costs of `StreamPipeline` outside the network, ``python -m benchmarks.stream.stream_costs``."""

import statistics
import time
from itertools import cycle
from typing import Any

import numpy as np
import torch

from benchmarks.child_process import answer_requests
from benchmarks.stream.built_model import BuiltModel
from benchmarks.stream.timing import interleaved, repeat_for, synchronize
from daemon.shared.process import lower_priority
from pipeline.denoiser import ConditioningRows
from pipeline.library_imports import quick_imports
from pipeline.models import load_model
from pipeline.stream import StreamPipeline
from presets.parameters import Parameters

SEED = 3


class StreamCosts:
    """Streams of latents around the shipped network, without encoder and decoder."""

    def build(self, model: str, latent: int, slots: int, accelerator: str) -> dict[str, Any]:
        """Prepare the network for latents of `latent` by `latent`. Return its description."""
        side = latent * load_model(model).factor
        self._built = BuiltModel.build(model, side, side, accelerator, rows=2 * slots)
        self._device = self._built.engines.device
        self._conditioning = self._built.encode_text(Parameters())
        self._slots = slots
        self._stream = self._built.stream(slots)
        return self._built.description

    def overhead(self, steps: int, seconds: float) -> dict[str, Any]:
        """Measure a step with `steps` frames in flight, and the share of it outside the network call.

        The step is not recorded as a CUDA graph, because the network call inside a recording cannot be timed.
        """
        inside = 0.0

        def timed(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
            nonlocal inside
            synchronize(self._device)
            began = time.perf_counter()
            out = self._built.engines.denoiser(latents, timesteps, conditioning)
            synchronize(self._device)
            inside = time.perf_counter() - began
            return out

        stream = self._built.stream(self._slots, timed)
        schedule = self._built.model.schedule(steps, 1.0)
        whole: list[float] = []
        network: list[float] = []
        for turn in repeat_for(seconds, at_least=4 * steps):
            began = time.perf_counter()
            stream.admit(None, schedule, self._conditioning)
            stream.step()
            synchronize(self._device)
            if turn >= 2 * steps:  # the stream is full and warm
                whole.append(time.perf_counter() - began)
                network.append(inside)
        beyond = [step - call for step, call in zip(whole, network, strict=True)]
        return {
            "overhead_percent": 100 * statistics.median(beyond) / statistics.median(network),
            "beyond_ms": statistics.median(beyond) * 1000,
            "network_ms": statistics.median(network) * 1000,
            "steps_measured": len(whole),
        }

    def mixed(self, looks: list[tuple[int, float]], constant: tuple[int, float], seconds: float) -> dict[str, Any]:
        """Compare a run whose steps and strength change every frame with a run that keeps `constant`.

        Both make the same mean number of network calls per frame. Turns are interleaved, and the median of their
        ratios counts.
        """
        random = np.random.default_rng(SEED)
        order = [looks[place] for place in random.permutation(len(looks) * 8) % len(looks)]
        schedule = self._built.model.schedule
        ratios, changing_fps, constant_fps = [], [], []
        for turn in repeat_for(seconds, at_least=4):
            changing, unchanged = self._fps(order), self._fps([constant] * len(order))
            if turn:  # the first one warms up
                ratios.append(changing / unchanged)
                changing_fps.append(changing)
                constant_fps.append(unchanged)
        return {
            "fps": statistics.median(changing_fps),
            "constant_fps": statistics.median(constant_fps),
            "ratio": statistics.median(ratios),
            "turns": len(ratios),
            "calls_a_picture": statistics.mean(len(schedule(*look)) for look in order),
            "calls_a_picture_constant": len(schedule(*constant)),
        }

    def pipelining(self, steps: int, pictures: int) -> dict[str, Any]:
        """Compare the time of `pictures` frames, streamed from empty to empty, with one frame after another."""
        stream, schedule = self._stream, self._built.model.schedule(steps, 1.0)

        def stream_all() -> None:
            for _ in range(pictures):
                stream.admit(None, schedule, self._conditioning)
                stream.step()
            self._drain(stream)

        def one_by_one() -> None:
            for _ in range(pictures):
                stream.admit(None, schedule, self._conditioning)
                self._drain(stream)

        stream.clear()
        (streamed,), (alone,) = interleaved(0.0, stream_all, one_by_one)
        return {
            "fps": pictures / streamed,
            "alone_fps": pictures / alone,
            "speed_up": alone / streamed,
            "speed_up_if_a_batch_cost_one_call": pictures * steps / (pictures + steps - 1),
        }

    def _drain(self, stream: StreamPipeline) -> None:
        while stream.in_flight:
            stream.step()
        synchronize(self._device)

    def _fps(self, looks: list[tuple[int, float]]) -> float:
        """Return the rate of one round through the looks, after a round that fills the stream."""
        stream = self._stream
        stream.clear()
        source = torch.zeros(self._built.shapes.latent, device=self._device)
        endless = cycle(looks)
        finished = 0
        began = 0.0
        while True:
            if stream.free:
                stream.admit(source, self._built.model.schedule(*next(endless)), self._conditioning)
            before, finished = finished, finished + len(stream.step())
            if before < len(looks) <= finished:
                synchronize(self._device)
                began, counted_from = time.perf_counter(), finished
            if finished >= 2 * len(looks):
                synchronize(self._device)
                return (finished - counted_from) / (time.perf_counter() - began)


def affine(samples: int, seconds: float) -> dict[str, Any]:
    """Compare one batched solver step of `samples` latents at mixed timesteps with diffusers' scheduler in a loop.

    `FlowMatchEulerDiscreteScheduler.step` takes one sample after another, because it keeps one step index for all.
    Latents are 4×64×64, float32.
    """
    with quick_imports():
        from diffusers import FlowMatchEulerDiscreteScheduler

    from pipeline.diffusers_schedulers import FlowMatchEulerScheduler

    torch.set_num_threads(1)
    rival = FlowMatchEulerDiscreteScheduler()
    batched: FlowMatchEulerScheduler = FlowMatchEulerScheduler()
    for scheduler in (rival, batched):
        scheduler.set_timesteps(8)
    generator = torch.Generator().manual_seed(SEED)
    sample, out = (torch.randn(samples, 4, 64, 64, generator=generator) for _ in range(2))
    rows = torch.randint(0, 8, (samples,), generator=generator)
    timesteps = batched.timesteps[rows]

    def one_by_one() -> torch.Tensor:
        answers = []
        for place, row in enumerate(rows.tolist()):
            rival._step_index = row
            answers.append(
                rival.step(out[place : place + 1], rival.timesteps[row], sample[place : place + 1]).prev_sample
            )
        return torch.cat(answers)

    def together() -> torch.Tensor:
        return batched.step_batch(out, timesteps, sample)

    difference = float((one_by_one() - together()).abs().max())
    loops, batches = interleaved(seconds, one_by_one, together, at_least=5, warm_up=0)
    return {
        "ratio": statistics.median(loop / batch for loop, batch in zip(loops, batches, strict=True)),
        "batched_ms": statistics.median(batches) * 1000,
        "one_by_one_ms": statistics.median(loops) * 1000,
        "largest_difference": difference,
        "rounds": len(loops),
    }


def main() -> None:
    """Answer requests until standard input ends."""
    lower_priority()
    costs = StreamCosts()
    answer_requests(
        {
            "build": costs.build,
            "overhead": costs.overhead,
            "mixed": costs.mixed,
            "pipelining": costs.pipelining,
            "affine": affine,
        }
    )


if __name__ == "__main__":
    main()
