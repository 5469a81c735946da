"""Costs of `StreamPipeline` outside the network, ``python -m benchmarks.stream.stream_steps``."""

import statistics
import time
from itertools import cycle
from typing import Any

import numpy as np
import torch

from benchmarks.child_process import answer_requests
from benchmarks.stream.timing import finish, repeat_for, seconds_of
from daemon.shared.process import lower_priority
from pipeline.accelerators import registry
from pipeline.accelerators.engines import Preparation, Shapes
from pipeline.conditioning import Conditioning, TextConditioner
from pipeline.denoiser import ConditioningRows
from pipeline.models import load_model
from pipeline.stream import StreamPipeline
from presets.frame_parameters import without_morph
from presets.parameters import Parameters

SEED = 3


class StreamSteps:
    """The shipped network at one size of latents, and streams around it. Latents only: no encoder, no decoder."""

    def build(self, model: str, latent: int, slots: int, accelerator: str) -> dict[str, Any]:
        """Make the network ready for latents of `latent` by `latent`, and its words."""
        self._model = load_model(model)
        conditioner = TextConditioner(
            self._model.tokenizer, self._model.text_encoder, torch.device("cpu"), torch.float32
        )
        self._words: Conditioning = conditioner.encode(without_morph(Parameters()).wording)
        self._slots = slots
        self._shape = (self._model.latent_channels, latent, latent)
        side = latent * self._model.factor
        shapes = Shapes(side, side, self._shape, conditioner.shape.embeds, 2 * slots)
        chosen = registry.build(accelerator, self._model, shapes, Preparation(lambda text, fraction: None))
        self._engines = chosen.engines
        self._conditioning = conditioner.shape
        return {"accelerator": chosen.name, "precision": chosen.engines.precision, "device": str(chosen.engines.device)}

    def overhead(self, steps: int, seconds: float) -> dict[str, Any]:
        """One picture admitted a step, `steps` in flight: the step's time, and the share of it outside the network."""
        inside = 0.0
        device = self._engines.device

        def timed(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
            nonlocal inside
            finish(device)
            began = time.perf_counter()
            out = self._engines.denoiser(latents, timesteps, conditioning)
            finish(device)
            inside = time.perf_counter() - began
            return out

        stream = self._stream(timed)
        schedule = self._model.schedule(steps, 1.0)
        whole: list[float] = []
        network: list[float] = []
        for turn in repeat_for(seconds, at_least=4 * steps):
            began = time.perf_counter()
            stream.admit(None, schedule, self._words)
            stream.step()
            finish(device)
            if turn >= 2 * steps:  # full by then, and warm
                whole.append(time.perf_counter() - began)
                network.append(inside)
        beyond = [every - within for every, within in zip(whole, network, strict=True)]
        return {
            "overhead_percent": 100 * statistics.median(beyond) / statistics.median(network),
            "beyond_ms": statistics.median(beyond) * 1000,
            "network_ms": statistics.median(network) * 1000,
            "steps_measured": len(whole),
        }

    def mixed(self, looks: list[tuple[int, float]], constant: tuple[int, float], seconds: float) -> dict[str, Any]:
        """Pictures a second with steps and strength another for every picture, against a run that keeps `constant`.

        Both cost the same network calls a picture in the mean. Turns alternate; the median of their ratios counts.
        """
        random = np.random.default_rng(SEED)
        order = [looks[place] for place in random.permutation(len(looks) * 8) % len(looks)]
        calls = statistics.mean(len(self._model.schedule(*look)) for look in order)
        ratios, changing_fps, constant_fps = [], [], []
        for turn in repeat_for(seconds, at_least=4):
            changing, still = self._fps(order), self._fps([constant] * len(order))
            if turn:  # the first one warms up
                ratios.append(changing / still)
                changing_fps.append(changing)
                constant_fps.append(still)
        return {
            "fps": statistics.median(changing_fps),
            "constant_fps": statistics.median(constant_fps),
            "ratio": statistics.median(ratios),
            "turns": len(ratios),
            "calls_a_picture": calls,
            "calls_a_picture_constant": len(self._model.schedule(*constant)),
        }

    def pipelining(self, steps: int, pictures: int) -> dict[str, Any]:
        """The time for so many pictures of `steps` steps, streamed from empty to empty, over one after another."""
        stream, schedule = self._stream(), self._model.schedule(steps, 1.0)
        for _ in range(2):  # the second time counts
            began = time.perf_counter()
            for _ in range(pictures):
                stream.admit(None, schedule, self._words)
                stream.step()
            while stream.in_flight:
                stream.step()
            finish(self._engines.device)
            streamed = time.perf_counter() - began
            began = time.perf_counter()
            for _ in range(pictures):
                stream.admit(None, schedule, self._words)
                while stream.in_flight:
                    stream.step()
            finish(self._engines.device)
            alone = time.perf_counter() - began
        return {
            "fps": pictures / streamed,
            "alone_fps": pictures / alone,
            "speed_up": alone / streamed,
            "speed_up_if_a_batch_cost_one_call": pictures * steps / (pictures + steps - 1),
        }

    def _fps(self, looks: list[tuple[int, float]]) -> float:
        """Of one round through the looks, one picture admitted a call, between a round before and one after it."""
        stream, source = self._stream(), torch.zeros(self._shape, device=self._engines.device)
        endless = cycle(looks)
        finished = 0
        began = 0.0
        while True:
            if stream.free:
                stream.admit(source, self._model.schedule(*next(endless)), self._words)
            before, finished = finished, finished + len(stream.step())
            if before < len(looks) <= finished:
                finish(self._engines.device)
                began, counted_from = time.perf_counter(), finished
            if finished >= 2 * len(looks):
                finish(self._engines.device)
                return (finished - counted_from) / (time.perf_counter() - began)

    def _stream(self, denoiser: Any = None) -> StreamPipeline:
        return StreamPipeline(
            denoiser or self._engines.denoiser,
            slots=self._slots,
            latent_shape=self._shape,
            conditioning=self._conditioning,
            sizes=self._engines.sizes,
            device=self._engines.device,
            recorder=None if denoiser else self._engines.recorder,
        )


def affine(samples: int, seconds: float) -> dict[str, Any]:
    """One solver step of `samples` latents at mixed timesteps: the batched one against diffusers' scheduler in a loop.

    The rival is `FlowMatchEulerDiscreteScheduler.step`, one sample after another as it has to be: it keeps one step
    index for all that it is given. Latents 4×64×64, float32.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler

    from pipeline.diffusers_schedulers import FlowMatchEulerScheduler

    torch.set_num_threads(1)
    rival, ours = FlowMatchEulerDiscreteScheduler(), FlowMatchEulerScheduler()
    for scheduler in (rival, ours):
        scheduler.set_timesteps(8)
    generator = torch.Generator().manual_seed(SEED)
    sample, out = (torch.randn(samples, 4, 64, 64, generator=generator) for _ in range(2))
    rows = torch.randint(0, 8, (samples,), generator=generator)
    timesteps = ours.timesteps[rows]

    def one_by_one() -> torch.Tensor:
        answers = []
        for place, row in enumerate(rows.tolist()):
            rival._step_index = row
            answers.append(
                rival.step(out[place : place + 1], rival.timesteps[row], sample[place : place + 1]).prev_sample
            )
        return torch.cat(answers)

    def together() -> torch.Tensor:
        return ours.step_batch(out, timesteps, sample)

    difference = float((one_by_one() - together()).abs().max())
    loops, batches = [], []
    for _ in repeat_for(seconds, at_least=5):
        loops.append(seconds_of(one_by_one))
        batches.append(seconds_of(together))
    return {
        "ratio": statistics.median(loop / batch for loop, batch in zip(loops, batches, strict=True)),
        "batched_ms": statistics.median(batches) * 1000,
        "one_by_one_ms": statistics.median(loops) * 1000,
        "largest_difference": difference,
        "rounds": len(loops),
    }


def main() -> None:
    """Answer until the bench is gone."""
    lower_priority()
    steps = StreamSteps()
    answer_requests(
        {
            "build": steps.build,
            "overhead": steps.overhead,
            "mixed": steps.mixed,
            "pipelining": steps.pipelining,
            "affine": affine,
        }
    )


if __name__ == "__main__":
    main()
