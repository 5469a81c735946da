"""Clock, learning rate, averaging and checkpoint of one training stage."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

Report = Callable[[float, str], None]
"""Progress callback: the share of a stage that is done, 0..1, and one line of text."""

_CHECKPOINT_SECONDS = 120.0
_SNAPSHOT_SECONDS = 480.0
_WARM_UP_STEPS = 100


class TrainingRun:
    """One stage: it ends after its minutes, or after ``steps`` steps if that is sooner.

    A checkpoint holds the networks, the optimiser, the averaged weights and the time used. A stage with a checkpoint
    continues from it.
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
        self.seconds_used = 0.0
        self.losses: list[float] = []
        self.average: dict[str, Tensor] = {}
        if path.exists():
            self._load()

    @property
    def progress(self) -> float:
        """Share of the stage that is done, 0..1, by time or by steps, whichever is further."""
        time_share = self.seconds_used / self.seconds if self.seconds > 0 else 1.0
        step_share = self.step / self.steps if self.steps else 0.0
        return min(1.0, max(time_share, step_share))

    def train(
        self, loss_of_step: Callable[[], Tensor], decay: float, snapshot: Callable[[], None] | None = None
    ) -> None:
        """Take steps until the stage ends.

        Args:
            loss_of_step: Returns the loss of one step.
            decay: Decay of the exponential moving average of the weights.
            snapshot: Called every few minutes.
        """
        last, saved, snapped = time.monotonic(), self.seconds_used, self.seconds_used
        while self.progress < 1.0:
            rate = self.rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.progress)))
            for group in self.optimiser.param_groups:
                group["lr"] = rate * min(1.0, (self.step + 1) / _WARM_UP_STEPS)
            loss = loss_of_step()
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimiser.step()
            self.step += 1
            self._average(min(decay, (1 + self.step) / (10 + self.step)))
            self.losses.append(float(loss.detach()))
            now = time.monotonic()
            self.seconds_used, last = self.seconds_used + now - last, now
            if self.step % 10 == 0:
                recent = self.losses[-100:]
                self.report(self.progress, f"step {self.step}, loss {sum(recent) / len(recent):.4f}")
            if self.seconds_used - saved > _CHECKPOINT_SECONDS:
                saved = self.seconds_used
                self.save()
            if snapshot is not None and self.seconds_used - snapped > _SNAPSHOT_SECONDS:
                snapped = self.seconds_used
                snapshot()
                last = time.monotonic()
        self.save()

    def named_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """Return every trained parameter with its name, prefixed by its network's."""
        return [
            (f"{name}.{key}", parameter)
            for name, network in self.networks.items()
            for key, parameter in network.named_parameters()
        ]

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        named = self.named_parameters()
        if not self.average:
            self.average = {name: parameter.detach().clone() for name, parameter in named}
        # One call for all tensors, because hundreds of small calls cost more than the arithmetic.
        update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        update([self.average[name] for name, _ in named], [p.detach() for _, p in named], 0)

    @torch.no_grad()
    def swap_average(self) -> None:
        """Swap the weights with their moving average. A second call swaps them back.

        A run without a step has no average, and its weights stay.
        """
        if not self.average:
            return
        for name, parameter in self.named_parameters():
            average = self.average[name].clone()
            self.average[name].copy_(parameter)
            parameter.copy_(average)

    def save(self) -> None:
        """Write the checkpoint to a temporary file and rename it, so that a crash leaves the old one."""
        state: dict[str, Any] = {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimiser": self.optimiser.state_dict(),
            "average": self.average,
            "step": self.step,
            "used": self.seconds_used,
            "losses": self.losses,
        }
        temporary = self.path.with_suffix(".part")
        torch.save(state, temporary)
        temporary.replace(self.path)

    def _load(self) -> None:
        state = torch.load(self.path, weights_only=True)
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average, self.step, self.losses = state["average"], state["step"], state["losses"]
        self.seconds_used = state["used"]
