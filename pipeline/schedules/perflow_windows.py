"""PeRFlow's time windows: the straight pieces of its path, and the network's ideal output on each.

From the scheduler of magic-research/piecewise-rectified-flow (Yan et al. 2024), in closed form and float64. A time is a
share of the whole path, from the clean latent at 0 to noise at 1. A timestep is T times that.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from presets.errors import ScheduleError

PredictionType = Literal["ddim_eps", "diff_eps", "velocity"]
"""Output of a PeRFlow network.

* ddim_eps: the noise ε of the latents at both ends of the window.
* diff_eps: the ε with ``z_start = γ·z_end + √(1 − γ²)·ε``, γ² = ᾱ_start/ᾱ_end.
* velocity: dz/dt.
"""

PREDICTION_TYPES: tuple[str, ...] = get_args(PredictionType)

BOUNDARY_TOLERANCE = 0.1
"""In timesteps. A time up to this far above a window's end belongs to the next window, as in the authors' scheduler."""

ROUNDING = 1e-6
"""In timesteps: allowance for float64 rounding before a truncation to an integer."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TimeWindows:
    """The K windows of one model, the noisiest first. Use `time_windows` to make one."""

    starts: FloatArray
    """Times of the noisy ends, ``[K]``."""
    ends: FloatArray
    """Times of the clean ends, ``[K]``: the start of the next window, and `t_clean` in the last."""
    alphas_start: FloatArray
    """ᾱ at the starts, ``[K]``."""
    alphas_end: FloatArray
    """ᾱ at the ends, ``[K]``."""
    train_timesteps: int
    """T, the number of training timesteps."""

    def __len__(self) -> int:
        return len(self.starts)

    def index_at(self, times: FloatArray) -> NDArray[np.int64]:
        """Return the window index of each of `times` ``[N]``, int64 ``[N]``. A boundary is the next window's start.

        Raises:
            ScheduleError: a time is NaN, above the first start, or so near the last end (1e-4 for 1000 timesteps) that
                the authors' scheduler finds no window for it.
        """
        times = np.asarray(times, dtype=np.float64)
        tolerance = BOUNDARY_TOLERANCE / self.train_timesteps
        outside = ~((times - tolerance > self.ends[-1]) & (times - tolerance <= self.starts[0]))
        if outside.any():
            raise ScheduleError(
                f"time is {times[outside][0]:g}; it must be above {self.ends[-1] + tolerance:g}"
                f" and at most {self.starts[0]:g}."
            )
        return np.asarray(np.sum(times[..., None] - tolerance <= self.ends, axis=-1), dtype=np.int64)

    def lambda_eta(self, prediction_type: PredictionType) -> tuple[FloatArray, FloatArray]:
        """Return λ and η ``[K]`` of each window, with ``z_end = λ·z_start + η·ε``.

        Raises:
            ScheduleError: the prediction type is not ddim_eps or diff_eps.
        """
        ratio = self.alphas_end / self.alphas_start
        if prediction_type == "ddim_eps":
            return np.sqrt(ratio), np.sqrt(1 - self.alphas_end) - np.sqrt(ratio * (1 - self.alphas_start))
        if prediction_type == "diff_eps":
            return np.sqrt(ratio), -np.sqrt(ratio - 1)
        raise ScheduleError(f"prediction_type is {prediction_type!r}; only ddim_eps and diff_eps have λ and η.")

    def velocity(self, times: FloatArray, prediction_type: PredictionType) -> tuple[FloatArray, FloatArray]:
        """Return A and B ``[N]`` with ``dz/dt = A·z + B·out`` at each of `times`.

        ``A = (λ − 1)/D`` and ``B = η/D`` with ``D = λ·(t − t_start) + (t_end − t)``, for λ and η of the window. The
        authors' form of this is 0/0 at a window's end. A and B are 0 and 1 for prediction type velocity.

        Raises:
            ScheduleError: a time is in no window, or the prediction type is unknown.
        """
        check_prediction_type(prediction_type)
        window = self.index_at(times)
        if prediction_type == "velocity":
            return np.zeros(window.shape), np.ones(window.shape)
        lambdas, etas = (column[window] for column in self.lambda_eta(prediction_type))
        D = lambdas * (times - self.starts[window]) + (self.ends[window] - times)
        return (lambdas - 1) / D, etas / D

    def path(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return p and q ``[N]``: a clean latent x is ``p·x + q·n`` at each of `times`.

        They are ``√ᾱ`` and ``√(1 − ᾱ)`` at a boundary, and linear between boundaries, as in training. The last end is
        allowed, unlike in `index_at`.
        """
        times = np.asarray(times, dtype=np.float64)
        boundaries = np.append(self.ends[::-1], self.starts[0])
        alphas = np.append(self.alphas_end[::-1], self.alphas_start[0])
        return np.interp(times, boundaries, np.sqrt(alphas)), np.interp(times, boundaries, np.sqrt(1 - alphas))

    def ideal_output(self, times: FloatArray, prediction_type: PredictionType) -> tuple[FloatArray, FloatArray]:
        """Return weights ``[N]`` of x and n in the output of an ideal network for a latent on the path at `times`.

        Raises:
            ScheduleError: a time is in no window, or the prediction type is unknown.
        """
        check_prediction_type(prediction_type)
        window = self.index_at(times)
        if prediction_type == "ddim_eps":
            return np.zeros(window.shape), np.ones(window.shape)
        if prediction_type == "diff_eps":
            _, ddim_eta = self.lambda_eta("ddim_eps")
            _, diff_eta = self.lambda_eta("diff_eps")
            return np.zeros(window.shape), (ddim_eta / diff_eta)[window]
        length = self.ends - self.starts
        out_x = (np.sqrt(self.alphas_end) - np.sqrt(self.alphas_start)) / length
        out_n = (np.sqrt(1 - self.alphas_end) - np.sqrt(1 - self.alphas_start)) / length
        return out_x[window], out_n[window]

    def grid(self, steps: int) -> FloatArray:
        """Return the authors' times ``[max(steps, K)]`` before their truncation to timesteps.

        Window i has ``⌊N/K⌋ + (i < N mod K)`` of the N times, evenly spaced from its start, without its end. N is at
        least K.
        """
        quotient, remainder = divmod(max(steps, len(self)), len(self))
        return np.concatenate(
            [
                np.linspace(start, end, quotient + (i < remainder), endpoint=False)
                for i, (start, end) in enumerate(zip(self.starts.tolist(), self.ends.tolist(), strict=True))
            ]
        )

    def timesteps(self, steps: int) -> NDArray[np.int64]:
        """Return the timesteps of the authors' ``set_timesteps``, int64 ``[max(steps, K)]``: T·`grid`, truncated."""
        return (self.grid(steps) * self.train_timesteps).astype(np.int64)


def time_windows(
    alphas_cumprod: FloatArray, num_time_windows: int = 4, t_noise: float = 1.0, t_clean: float = 0.0
) -> TimeWindows:
    """Return the windows of a model with K of them: window i goes from ``(K − i)/K`` to ``(K − i − 1)/K``.

    ᾱ at a boundary s is ``ᾱ[trunc(s·T − 1)]``, and ``ᾱ[0]`` at 0.

    Args:
        alphas_cumprod: float64 ``[T]`` from `pipeline.schedules.alphas.alphas_cumprod`.
        num_time_windows: K, from 1 to T/2, so that each window has at least two timesteps.
        t_noise: Start of the first window. The authors' scheduler has this setting and ignores it.
        t_clean: End of the last window.

    Raises:
        ScheduleError: a setting is out of range; the message names it, its value and the range.
    """
    total = len(alphas_cumprod)
    if not 1 <= num_time_windows <= max(total // 2, 1) or num_time_windows % 1:
        raise ScheduleError(
            f"num_time_windows is {num_time_windows}; it must be a whole number from 1 to {max(total // 2, 1)},"
            f" half of the {total} training timesteps."
        )
    if not 0 <= t_clean < t_noise <= 1:
        raise ScheduleError(
            f"t_clean is {t_clean} and t_noise {t_noise}; they must be from 0 to 1, with t_clean below t_noise."
        )
    starts = np.arange(num_time_windows, 0, -1) / num_time_windows
    starts[0] = t_noise
    ends = np.append(starts[1:], t_clean)
    if ((starts - ends) * total < 2 - ROUNDING).any():
        raise ScheduleError(
            f"t_clean is {t_clean} and t_noise {t_noise}; with {num_time_windows} windows one is shorter than"
            f" two of {total} timesteps."
        )

    def alphas_at(times: FloatArray) -> FloatArray:
        return alphas_cumprod[np.maximum((times * total - 1 + ROUNDING).astype(np.int64), 0)]

    return TimeWindows(starts, ends, alphas_at(starts), alphas_at(ends), total)


def check_prediction_type(prediction_type: str) -> None:
    """Raise `ScheduleError` if `prediction_type` is not one of `PREDICTION_TYPES`."""
    if prediction_type not in PREDICTION_TYPES:
        raise ScheduleError(f"prediction_type is {prediction_type!r}; it is one of {', '.join(PREDICTION_TYPES)}.")
