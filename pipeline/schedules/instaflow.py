"""InstaFlow and 2-rectified flow: Euler on an even grid, with a network that points to the picture."""

from pipeline.schedule import FlowSchedule
from pipeline.schedules.flow_matching import flow_matching_schedule


def instaflow_schedule(steps: int, strength: float, *, train_timesteps: int = 1000) -> FlowSchedule:
    """The solver of InstaFlow (Liu et al. 2023, `code/pipeline_rf.py`): ``z += v/steps`` at ``1000·(1 − i/steps)``.

    A rectified flow of ``v = x − n``: the latent is ``(1 − t)·x + t·n``. InstaFlow-0.9B takes one step and no guidance,
    2-rectified flow 2 to 8. Strength is a continuous fader, as in `flow_matching_schedule`.

    Args:
        steps: Network calls from pure noise to a picture, 1 or more.
        strength: 0 (the picture passes through) to 1 (it is forgotten).
        train_timesteps: The network is given ``train_timesteps·t``.

    Raises:
        ScheduleError: naming the parameter, what came and what is allowed.
    """
    return flow_matching_schedule(steps, strength, train_timesteps=train_timesteps, negated=True)
