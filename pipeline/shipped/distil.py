"""Third stage: a student that does in one call what guidance and twice the steps do in four.

Guidance costs two calls a step and a coarse grid cuts the curve's corners. The student learns the chord that its
teacher, guided (Ho & Salimans 2022; distilled as in Meng et al. 2022), follows in two half steps from any noise level
to the next point of the four-step grid: the very rows that live play walks, at any strength.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.shipped.configuration import TrainingPlan
from pipeline.shipped.networks import Networks
from pipeline.shipped.scenes import Scene
from pipeline.shipped.train_flow import Batches, noised
from pipeline.shipped.training_run import TrainingRun

_GRID = 4


def next_grid_point(sigma: Tensor) -> Tensor:
    """The highest multiple of 1/4 strictly below ``sigma``."""
    return (torch.ceil(sigma * _GRID - 1e-4) - 1).clamp_min(0) / _GRID


def student_sigmas(count: int) -> Tensor:
    """Noise levels in [0.02, 1]: two fifths on the grid itself, where every picture stands, the rest anywhere."""
    grid = torch.randint(1, _GRID + 1, (count,)).float() / _GRID
    return torch.where(torch.rand(count) < 0.4, grid, 0.02 + 0.98 * torch.rand(count))


@torch.no_grad()
def teacher_chord(
    teacher: Networks, latents: Tensor, sigma: Tensor, words: Tensor, empty: Tensor, guidance: float
) -> Tensor:
    """Mean velocity of two guided half steps from ``sigma`` ``[B]`` to its next grid point."""
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
    course: TrainingRun,
    teacher_weights: Callable[[Networks], None],
    snapshot: Callable[[], None] | None = None,
) -> None:
    """Train the student in place until the time is up; ends with the averaged weights in it.

    ``teacher_weights`` puts the finished flow's weights into a copy of the networks. Empty captions stay in the mix,
    and guidance changes nothing about them, so the unconditional side and negative prompts go on working.
    """
    teacher = Networks(
        autoencoder=networks.autoencoder,
        unet=copy.deepcopy(networks.unet).eval().requires_grad_(False),
        text_encoder=copy.deepcopy(networks.text_encoder).eval().requires_grad_(False),
        tokenizer=networks.tokenizer,
    )
    teacher_weights(teacher)
    torch.manual_seed(plan.seed + 3 + course.step)
    batches = Batches(networks, scenes, latents, plan, plan.seed + 4 + course.step)
    blank = teacher.conditioning(networks.tokens([""])).detach()
    networks.unet.train()
    networks.text_encoder.train()

    def step() -> Tensor:
        data, ids = batches.draw(plan.flow_batch)
        sigma = student_sigmas(len(data))
        start = noised(data, torch.randn_like(data), sigma)
        words = teacher.conditioning(ids).detach()
        wanted = teacher_chord(teacher, start, sigma, words, blank.expand_as(words), plan.distil_guidance)
        v = networks.velocity(start, sigma, networks.conditioning(ids))
        return functional.mse_loss(v, wanted)

    course.run(step, plan.ema_decay, snapshot)
    course.swap_average()
    networks.unet.eval()
    networks.text_encoder.eval()
