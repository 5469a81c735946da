"""One training stage's clock, learning rate and checkpoint, alike for all stages."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pipeline.shipped.dataset import Report

_CHECKPOINT_SECONDS = 120.0
_SNAPSHOT_SECONDS = 480.0
_WARM_UP_STEPS = 100


class TrainingRun:
    """Counts minutes, so that a stage ends when it was meant to on any machine, or sooner at ``steps`` if given.

    A checkpoint holds the networks, the optimiser, the average and the minutes used; a stage begun again goes on there.
    """

    def __init__(
        self,
        path: Path,
        minutes: float,
        rate: float,
        networks: dict[str, nn.Module],
        report: Report,
        steps: int | None = None,
    ) -> None:
        self.path = path
        self.seconds = 60 * minutes
        self.rate = rate
        self.steps = steps
        self.networks = networks
        self.report = report
        self.parameters = [p for network in networks.values() for p in network.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(self.parameters, lr=rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
        self.step = 0
        self.used = 0.0
        self.losses: list[float] = []
        self.average: dict[str, Tensor] = {}
        if path.exists():
            self._load()

    @property
    def progress(self) -> float:
        """Share of the stage that is done, 0..1: of its time, or of its steps where they run out first."""
        time_share = self.used / self.seconds if self.seconds > 0 else 1.0
        step_share = self.step / self.steps if self.steps else 0.0
        return min(1.0, max(time_share, step_share))

    def run(self, loss_of_step: Callable[[], Tensor], decay: float, snapshot: Callable[[], None] | None = None) -> None:
        """Take steps until the time is up; ``decay`` is the running average's, ``snapshot`` is called now and then."""
        last, saved, shown = time.monotonic(), self.used, self.used
        while self.progress < 1.0:
            now_rate = self.rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.progress)))
            for group in self.optimiser.param_groups:
                group["lr"] = now_rate * min(1.0, (self.step + 1) / _WARM_UP_STEPS)
            loss = loss_of_step()
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimiser.step()
            self.step += 1
            self._average(min(decay, (1 + self.step) / (10 + self.step)))
            self.losses.append(float(loss.detach()))
            now = time.monotonic()
            self.used, last = self.used + now - last, now
            if self.step % 10 == 0:
                recent = self.losses[-100:]
                self.report(self.progress, f"step {self.step}, loss {sum(recent) / len(recent):.4f}")
            if self.used - saved > _CHECKPOINT_SECONDS:
                saved = self.used
                self.save()
            if snapshot is not None and self.used - shown > _SNAPSHOT_SECONDS:
                shown = self.used
                snapshot()
                last = time.monotonic()
        self.save()

    def named(self) -> list[tuple[str, nn.Parameter]]:
        """Every trained parameter with a name that says whose it is."""
        return [
            (f"{name}.{key}", parameter)
            for name, network in self.networks.items()
            for key, parameter in network.named_parameters()
        ]

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        named = self.named()
        if not self.average:
            self.average = {name: parameter.detach().clone() for name, parameter in named}
        # All tensors in one call: three hundred small ones a step cost more than the arithmetic in them.
        update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        update([self.average[name] for name, _ in named], [p.detach() for _, p in named], 0)

    @torch.no_grad()
    def swap_average(self) -> None:
        """Exchange the weights for their running average; a second call exchanges them back."""
        for name, parameter in self.named():
            held = self.average[name].clone()
            self.average[name].copy_(parameter)
            parameter.copy_(held)

    def save(self) -> None:
        """Write the checkpoint aside, then rename it: a power cut leaves the old one."""
        state: dict[str, Any] = {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimiser": self.optimiser.state_dict(),
            "average": self.average,
            "step": self.step,
            "used": self.used,
            "losses": self.losses,
        }
        aside = self.path.with_suffix(".part")
        torch.save(state, aside)
        aside.replace(self.path)

    def _load(self) -> None:
        state = torch.load(self.path, weights_only=True)
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average, self.step, self.losses = state["average"], state["step"], state["losses"]
        self.used = state["used"]
