"""PeRFlow's time windows: the straight pieces of its path, and what its networks answer on them.

From the scheduler of magic-research/piecewise-rectified-flow (Yan et al. 2024), in closed form and float64. Times are
shares of the way from the picture, 0, to noise, 1; timesteps are T times that.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from presets.errors import ScheduleError

PredictionType = Literal["ddim_eps", "diff_eps", "velocity"]
"""ddim_eps: the noise of the path's ends. diff_eps: the noise that leads from a window's end back to its start.
velocity: how the latent changes a unit of time."""

PREDICTION_TYPES: tuple[str, ...] = get_args(PredictionType)

TOLERANCE = 0.1
"""In timesteps: a time that lies by no more above a window's end is the next window's start, as in the original."""

HAIR = 1e-6
"""In timesteps: what float64 may lose before a product is truncated to a whole number."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TimeWindows:
    """The K windows of one model, the noisiest first; made by `time_windows`."""

    starts: Numbers
    """``[K]``: where each begins, its noisy end."""
    ends: Numbers
    """``[K]``: where each ends; the start of the next, and `t_clean` for the last."""
    alphas_start: Numbers
    """``[K]``: ᾱ at the starts."""
    alphas_end: Numbers
    """``[K]``: ᾱ at the ends."""
    train_timesteps: int
    """T, the timesteps from picture to noise."""

    def __len__(self) -> int:
        return len(self.starts)

    def look_up(self, times: Numbers) -> NDArray[np.int64]:
        """int64 ``[N]``: the window that each of `times` ``[N]`` lies in; a boundary is the next one's start.

        Raises:
            ScheduleError: a time above the first start, or so near the last end (1e-4 for 1000 timesteps) that the
                original finds no window, or not a number.
        """
        times = np.asarray(times, dtype=np.float64)
        edge = TOLERANCE / self.train_timesteps
        outside = ~((times - edge > self.ends[-1]) & (times - edge <= self.starts[0]))
        if outside.any():
            raise ScheduleError(
                f"time is {times[outside][0]:g}; the windows take what is above {self.ends[-1] + edge:g}"
                f" and not above {self.starts[0]:g}."
            )
        return np.asarray(np.sum(times[..., None] - edge <= self.ends, axis=-1), dtype=np.int64)

    def lambda_eta(self, prediction_type: PredictionType) -> tuple[Numbers, Numbers]:
        """λ and η ``[K]`` of each window for the noise that the network predicts: ``z_end = λ·z_start + η·ε``.

        Raises:
            ScheduleError: a prediction type that is not one of noise.
        """
        ratio = self.alphas_end / self.alphas_start
        if prediction_type == "ddim_eps":
            return np.sqrt(ratio), np.sqrt(1 - self.alphas_end) - np.sqrt(ratio * (1 - self.alphas_start))
        if prediction_type == "diff_eps":
            return np.sqrt(ratio), -np.sqrt(ratio - 1)
        raise ScheduleError(f"prediction_type is {prediction_type!r}; λ and η are of ddim_eps and diff_eps.")

    def velocity(self, times: Numbers, prediction_type: PredictionType) -> tuple[Numbers, Numbers]:
        """A and B ``[N]``: at each of `times` the latent changes by ``A·z + B·out`` a unit of time.

        With λ and η of the time's window, ``D = λ·(t − t_start) + (t_end − t)``, ``A = (λ − 1)/D``, ``B = η/D``; the
        original's quotient is 0/0 at a window's end, this is not. A network of velocities is taken at its word: 0, 1.

        Raises:
            ScheduleError: a time outside of the windows, or an unknown prediction type.
        """
        check_prediction_type(prediction_type)
        within = self.look_up(times)
        if prediction_type == "velocity":
            return np.zeros(within.shape), np.ones(within.shape)
        lambdas, etas = (column[within] for column in self.lambda_eta(prediction_type))
        distance = lambdas * (times - self.starts[within]) + (self.ends[within] - times)
        return (lambdas - 1) / distance, etas / distance

    def path(self, times: Numbers) -> tuple[Numbers, Numbers]:
        """p and q ``[N]``: where a clean latent x stands at each of `times`, as ``p·x + q·n``.

        At a boundary ``√ᾱ`` and ``√(1 − ᾱ)``; between, as in training, the two ends of the window mixed in proportion.
        Unlike `look_up` this takes the last end as well.
        """
        times = np.asarray(times, dtype=np.float64)
        boundaries = np.append(self.ends[::-1], self.starts[0])
        kept = np.append(self.alphas_end[::-1], self.alphas_start[0])
        return np.interp(times, boundaries, np.sqrt(kept)), np.interp(times, boundaries, np.sqrt(1 - kept))

    def answers(self, times: Numbers, prediction_type: PredictionType) -> tuple[Numbers, Numbers]:
        """Weights ``[N]`` of x and n in what a network that saw only this path would answer at each of `times`.

        Raises:
            ScheduleError: a time outside of the windows, or an unknown prediction type.
        """
        check_prediction_type(prediction_type)
        within = self.look_up(times)
        if prediction_type == "ddim_eps":
            return np.zeros(within.shape), np.ones(within.shape)
        if prediction_type == "diff_eps":
            _, ddim_eta = self.lambda_eta("ddim_eps")
            _, diff_eta = self.lambda_eta("diff_eps")
            return np.zeros(within.shape), (ddim_eta / diff_eta)[within]
        length = self.ends - self.starts
        picture = (np.sqrt(self.alphas_end) - np.sqrt(self.alphas_start)) / length
        noise = (np.sqrt(1 - self.alphas_end) - np.sqrt(1 - self.alphas_start)) / length
        return picture[within], noise[within]

    def grid(self, steps: int) -> Numbers:
        """The original's times ``[max(steps, K)]`` before it truncates them to timesteps: each window's start is one.

        Window i gets ``⌊N/K⌋ + (i < N mod K)`` of them, evenly from its start, its end left out; fewer than K become K.
        """
        whole, rest = divmod(max(steps, len(self)), len(self))
        return np.concatenate(
            [
                np.linspace(start, end, whole + (i < rest), endpoint=False)
                for i, (start, end) in enumerate(zip(self.starts.tolist(), self.ends.tolist(), strict=True))
            ]
        )

    def timesteps(self, steps: int) -> NDArray[np.int64]:
        """int64 ``[max(steps, K)]``: the original's ``set_timesteps``, `grid` times T, truncated."""
        return (self.grid(steps) * self.train_timesteps).astype(np.int64)


def time_windows(
    alphas_cumprod: Numbers, num_time_windows: int = 4, t_noise: float = 1.0, t_clean: float = 0.0
) -> TimeWindows:
    """The windows ``[(K − i)/K, (K − i − 1)/K)`` of a model of K windows.

    ᾱ of a boundary s is ``ᾱ[trunc(s·T − 1)]``, and the first of the table at 0.

    Args:
        alphas_cumprod: float64 ``[T]``, as `pipeline.schedules.alphas.alphas_cumprod` makes it.
        num_time_windows: K, from 1 to half of T: a window holds two timesteps or more.
        t_noise: Where the first window begins in place of 1. (The original never looks at it.)
        t_clean: Where the last window ends in place of 0.

    Raises:
        ScheduleError: naming the parameter, what came and what is allowed.
    """
    count = len(alphas_cumprod)
    if not 1 <= num_time_windows <= max(count // 2, 1) or num_time_windows % 1:
        raise ScheduleError(
            f"num_time_windows is {num_time_windows}; it must be a whole number from 1 to {max(count // 2, 1)},"
            f" half of the {count} training timesteps."
        )
    if not 0 <= t_clean < t_noise <= 1:
        raise ScheduleError(f"t_clean is {t_clean} and t_noise {t_noise}; they must lie in 0 to 1, t_clean below.")
    starts = np.arange(num_time_windows, 0, -1) / num_time_windows
    starts[0] = t_noise
    ends = np.append(starts[1:], t_clean)
    if ((starts - ends) * count < 2 - HAIR).any():
        raise ScheduleError(
            f"t_clean is {t_clean} and t_noise {t_noise}; that leaves one of {num_time_windows} windows shorter than"
            f" two of {count} timesteps."
        )

    def kept(times: Numbers) -> Numbers:
        return alphas_cumprod[np.maximum((times * count - 1 + HAIR).astype(np.int64), 0)]

    return TimeWindows(starts, ends, kept(starts), kept(ends), count)


def check_prediction_type(prediction_type: str) -> None:
    """Raises `ScheduleError` for one that is not of `PREDICTION_TYPES`."""
    if prediction_type not in PREDICTION_TYPES:
        raise ScheduleError(f"prediction_type is {prediction_type!r}; it is one of {', '.join(PREDICTION_TYPES)}.")
