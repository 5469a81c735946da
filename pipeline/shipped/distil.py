"""Third stage: guidance and step distillation, four network calls into one.

Guidance costs two calls a step, and a coarse grid is inaccurate where the path bends. The student learns the mean
velocity of the guided teacher (Ho & Salimans 2022, distilled as in Meng et al. 2022) over two half steps, from any
noise level to the next point of the four-step grid. These are the steps of the live schedule at any strength.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.shipped.configuration import TrainingPlan
from pipeline.shipped.networks import Networks
from pipeline.shipped.scenes import Scene
from pipeline.shipped.train_flow import BatchSampler, interpolate
from pipeline.shipped.training_run import TrainingRun

_GRID = 4


def next_grid_point(sigma: Tensor) -> Tensor:
    """Return the highest multiple of 1/4 strictly below ``sigma``."""
    return (torch.ceil(sigma * _GRID - 1e-4) - 1).clamp_min(0) / _GRID


def student_sigmas(count: int) -> Tensor:
    """Return random noise levels in [0.02, 1], float32 ``[count]``: two fifths on the grid, the rest uniform."""
    grid = torch.randint(1, _GRID + 1, (count,)).float() / _GRID
    return torch.where(torch.rand(count) < 0.4, grid, 0.02 + 0.98 * torch.rand(count))


@torch.no_grad()
def teacher_chord(
    teacher: Networks, latents: Tensor, sigma: Tensor, words: Tensor, empty: Tensor, guidance: float
) -> Tensor:
    """Return the mean velocity of two guided half steps from ``sigma`` ``[B]`` to its next grid point."""
    half = ((sigma - next_grid_point(sigma)) / 2)[:, None, None, None]

    def guided(at: Tensor, level: Tensor) -> Tensor:
        both = teacher.velocity(torch.cat([at, at]), torch.cat([level, level]), torch.cat([words, empty]))
        v_words, v_empty = both.chunk(2)
        return v_empty + guidance * (v_words - v_empty)

    first = guided(latents, sigma)
    second = guided(latents - half * first, sigma - half[:, 0, 0, 0])
    return (first + second) / 2


def distil(
    networks: Networks,
    scenes: list[Scene],
    latents: Tensor,
    plan: TrainingPlan,
    run: TrainingRun,
    teacher_weights: Callable[[Networks], None],
    snapshot: Callable[[], None] | None = None,
) -> None:
    """Train the student in place until the run ends, and leave the averaged weights in it.

    Empty captions stay in the batches, and guidance does not change their targets, so the unconditional output and
    negative prompts keep working.

    Args:
        networks: The student. The autoencoder and the tokenizer are not trained.
        scenes: Training scenes.
        latents: Their latents, ``[N, 4, 32, 32]``.
        plan: Training settings.
        run: Clock, optimiser and checkpoint.
        teacher_weights: Function that loads the finished flow's weights into a copy of the networks.
        snapshot: Called from time to time with the current weights.
    """
    teacher = Networks(
        autoencoder=networks.autoencoder,
        unet=copy.deepcopy(networks.unet).eval().requires_grad_(False),
        text_encoder=copy.deepcopy(networks.text_encoder).eval().requires_grad_(False),
        tokenizer=networks.tokenizer,
    )
    teacher_weights(teacher)
    torch.manual_seed(plan.seed + 3 + run.step)
    batches = BatchSampler(networks, scenes, latents, plan, plan.seed + 4 + run.step)
    blank = teacher.conditioning(networks.tokens([""])).detach()
    networks.unet.train()
    networks.text_encoder.train()

    def step() -> Tensor:
        data, ids = batches.draw(plan.flow_batch)
        sigma = student_sigmas(len(data))
        start = interpolate(data, torch.randn_like(data), sigma)
        words = teacher.conditioning(ids).detach()
        target = teacher_chord(teacher, start, sigma, words, blank.expand_as(words), plan.distil_guidance)
        v = networks.velocity(start, sigma, networks.conditioning(ids))
        return functional.mse_loss(v, target)

    run.train(step, plan.ema_decay, snapshot)
    run.swap_average()
    networks.unet.eval()
    networks.text_encoder.eval()
