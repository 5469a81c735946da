"""Training stages in order. Each continues from the networks and files of the previous one."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
from torch import nn

from pipeline.shipped.configuration import TrainingPlan
from pipeline.shipped.export import export_model
from pipeline.shipped.networks import Networks, fitting_networks, new_networks
from pipeline.shipped.pairs import PairMaker, Shard
from pipeline.shipped.prompts import caption_for
from pipeline.shipped.recipes import random_recipe
from pipeline.shipped.source_pictures import source_pictures
from pipeline.shipped.tokenizer import load_tokenizer, train_tokenizer
from pipeline.shipped.train_autoencoder import mean_psnr, polish_decoder, train_autoencoder
from pipeline.shipped.train_flow import train_flow
from pipeline.shipped.train_words import label_head, train_words
from pipeline.shipped.training_run import Report, TrainingRun

_TOKENIZER_CAPTIONS = 20000
_STAGES = ("autoencoder", "words", "flow", "polish")


class ModelTraining:
    """One training of the model: its plan, its folders and its networks."""

    def __init__(
        self,
        plan: TrainingPlan,
        work: Path,
        output: Path,
        report: Report,
        resume: bool,
        photographs: Path = Path("/"),
        start: Path | None = None,
    ) -> None:
        """
        Args:
            plan: Settings of the stages.
            work: Folder for checkpoints and cached pairs.
            output: Folder to write the model to.
            report: Receives the progress of each stage.
            resume: Continue from the checkpoints in `work`.
            photographs: Folder that the Debian packages of `pipeline.shipped.source_pictures` are unpacked in.
            start: Exported model to start from, None to start from random weights.

        Raises:
            PicturesMissing: a Python package with source pictures is not installed.
            ModelUnfit: `start` holds no model of this architecture.
        """
        self.plan, self.work, self.output, self.report = plan, work, output, report
        started = None if start is None else fitting_networks(start)
        report(0.0, "reading source pictures")
        self.pairs = PairMaker(plan, work, source_pictures(photographs))
        work.mkdir(parents=True, exist_ok=True)
        if not resume:
            for name in _STAGES:
                (work / f"{name}.pt").unlink(missing_ok=True)
        self.started = started is not None
        self.networks = started or self._random_networks(resume)
        self.losses: dict[str, list[float]] = {}

    def _random_networks(self, resume: bool) -> Networks:
        folder = self.work / "tokenizer"
        if not (resume and folder.exists()):
            # More captions than pairs, because they are cheap and every word should occur often.
            rng = np.random.default_rng(self.plan.seed)
            texts = [caption_for(random_recipe(rng), rng) for _ in range(_TOKENIZER_CAPTIONS)]
            train_tokenizer(texts).save_pretrained(folder)
        return new_networks(load_tokenizer(folder), self.plan.seed)

    def stages(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """Yield the name and the function of each stage. The function returns a summary line."""
        yield "autoencoder", self._autoencoder
        yield "words", self._words
        yield "flow", self._flow
        if self.plan.polish_minutes > 0:
            yield "polish", self._polish

    def export(self) -> int:
        """Write the current networks to the output folder and return its size in bytes."""
        size = export_model(self.networks, self.output)
        (self.work / "losses.json").write_text(json.dumps(self.losses))
        return size

    def _run(self, name: str, minutes: float, rate: float, trained: dict[str, nn.Module]) -> TrainingRun:
        def report(share: float, line: str) -> None:
            self.report(share, f"{name} {line}")

        run = TrainingRun(self.work / f"{name}.pt", minutes, rate, trained, report, self.plan.steps)
        self.losses[name] = run.losses
        return run

    def _shards(self, first: int = 0) -> Iterator[Shard]:
        """Yield shards from number `first` on, without end."""
        for index in count(first):
            self.report(0.0, f"drawing shard {index}")
            yield self.pairs.shard(index)

    def _kept_shards(self) -> Iterator[Shard]:
        """Yield the first shards in turn, without end."""
        for index in count():
            yield self.pairs.shard(index % self.plan.shards)

    def _psnr(self) -> str:
        shard = self.pairs.shard(0)
        sources, targets = (
            mean_psnr(self.networks.autoencoder, pictures[:32]) for pictures in (shard.sources, shard.targets)
        )
        return f"{sources:.1f} dB on sources, {targets:.1f} dB on targets"

    def _autoencoder(self) -> str:
        plan, network = self.plan, self.networks.autoencoder
        run = self._run("autoencoder", plan.autoencoder_minutes, plan.autoencoder_rate, {"autoencoder": network})
        train_autoencoder(network, self._kept_shards(), plan, run, initialise=not self.started)
        return f"{run.step} steps, {self._psnr()}"

    def _polish(self) -> str:
        plan, network = self.plan, self.networks.autoencoder
        run = self._run("polish", plan.polish_minutes, plan.polish_rate, {"decoder": network.decoder})
        polish_decoder(network, self._kept_shards(), plan, run)
        return f"{run.step} steps, {self._psnr()}"

    def _words(self) -> str:
        plan, head = self.plan, label_head()
        trained = {"text_encoder": self.networks.text_encoder, "head": head}
        run = self._run("words", plan.words_minutes, plan.words_rate, trained)
        train_words(self.networks, head, plan, run)
        return f"{run.step} steps, loss {_recent(run.losses):.4f}"

    def _flow(self) -> str:
        plan = replace(self.plan, small_crops=not self.started)
        trained = {"unet": self.networks.unet, "text_encoder": self.networks.text_encoder}
        run = self._run("flow", plan.flow_minutes, plan.flow_rate, trained)
        # A resumed run starts a little behind the shard where it stopped, to have more than one at hand.
        reached = int(run.step * plan.flow_batch / (plan.shard_uses * plan.shard_pairs))
        shards = self._shards(max(0, reached - plan.shards // 2))
        train_flow(self.networks, shards, plan, run, lambda: self._snapshot(run))
        return f"{run.step} steps, loss {_recent(run.losses):.4f}"

    def _snapshot(self, run: TrainingRun) -> None:
        run.swap_average()
        self.export()
        run.swap_average()


def _recent(losses: list[float]) -> float:
    last = losses[-200:]
    return sum(last) / max(len(last), 1)
