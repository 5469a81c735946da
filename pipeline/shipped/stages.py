"""Training stages in order. Each continues from the networks and files of the previous one."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pipeline.shipped.configuration import TrainingPlan
from pipeline.shipped.dataset import Report, autoencoder_images, captions, random_scenes, scene_latents
from pipeline.shipped.distil import distil
from pipeline.shipped.export import export_model
from pipeline.shipped.networks import Networks, new_networks
from pipeline.shipped.tokenizer import load_tokenizer, train_tokenizer
from pipeline.shipped.train_autoencoder import mean_psnr, polish_decoder, train_autoencoder
from pipeline.shipped.train_flow import train_flow
from pipeline.shipped.train_words import label_head, train_words
from pipeline.shipped.training_run import TrainingRun

_TOKENIZER_CAPTIONS = 20000
_AUTOENCODER_SCENES = 2400


class ModelTraining:
    """One training of the model: its plan, its folders and its networks."""

    def __init__(self, plan: TrainingPlan, work: Path, output: Path, report: Report, resume: bool) -> None:
        self.plan, self.work, self.output, self.report = plan, work, output, report
        work.mkdir(parents=True, exist_ok=True)
        if not resume:
            for name in ("autoencoder", "words", "flow", "distil", "polish"):
                (work / f"{name}.pt").unlink(missing_ok=True)
        self.networks = self._networks(resume)
        self.losses: dict[str, list[float]] = {}

    def _networks(self, resume: bool) -> Networks:
        folder = self.work / "tokenizer"
        if not (resume and folder.exists()):
            # More captions than images, because they are cheap and every word should occur often.
            texts = captions(random_scenes(_TOKENIZER_CAPTIONS, self.plan.seed), self.plan.seed)
            train_tokenizer(texts).save_pretrained(folder)
        return new_networks(load_tokenizer(folder), self.plan.seed)

    def stages(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """Yield the name and the function of each stage. The function returns a summary line."""
        yield "autoencoder", self._autoencoder
        yield "words", self._words
        yield "flow", self._flow
        if self.plan.distil_minutes > 0:
            yield "distillation", self._distil
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

    def _images(self) -> NDArray[np.uint8]:
        scenes = random_scenes(min(_AUTOENCODER_SCENES, self.plan.pictures), self.plan.seed)
        return autoencoder_images(self.work, scenes, self.plan.camera_images, self.plan.seed, self.report)

    def _flow_networks(self) -> dict[str, nn.Module]:
        return {"unet": self.networks.unet, "text_encoder": self.networks.text_encoder}

    def _autoencoder(self) -> str:
        plan, network, images = self.plan, self.networks.autoencoder, self._images()
        run = self._run("autoencoder", plan.autoencoder_minutes, plan.autoencoder_rate, {"autoencoder": network})
        train_autoencoder(network, images, plan, run)
        return f"{run.step} steps, {mean_psnr(network, images[:32]):.1f} dB"

    def _polish(self) -> str:
        plan, network, images = self.plan, self.networks.autoencoder, self._images()
        run = self._run("polish", plan.polish_minutes, plan.polish_rate, {"decoder": network.decoder})
        polish_decoder(network, images, plan, run)
        return f"{run.step} steps, {mean_psnr(network, images[:32]):.1f} dB"

    def _words(self) -> str:
        plan, head = self.plan, label_head()
        scenes = random_scenes(_TOKENIZER_CAPTIONS, plan.seed)
        trained = {"text_encoder": self.networks.text_encoder, "head": head}
        run = self._run("words", plan.words_minutes, plan.words_rate, trained)
        train_words(self.networks, head, scenes, plan, run)
        return f"{run.step} steps, loss {_recent(run.losses):.4f}"

    def _flow(self) -> str:
        plan = self.plan
        scenes = random_scenes(plan.pictures, plan.seed)
        latents = scene_latents(self.work, scenes, self.networks.autoencoder, plan.seed, self.report)
        run = self._run("flow", plan.flow_minutes, plan.flow_rate, self._flow_networks())
        train_flow(self.networks, scenes, latents, plan, run, lambda: self._snapshot(run))
        return f"{run.step} steps, loss {_recent(run.losses):.4f}"

    def _distil(self) -> str:
        plan = self.plan
        scenes = random_scenes(plan.pictures, plan.seed)
        latents = scene_latents(self.work, scenes, self.networks.autoencoder, plan.seed, self.report)
        unet = {key: value.clone() for key, value in self.networks.unet.state_dict().items()}
        text = {key: value.clone() for key, value in self.networks.text_encoder.state_dict().items()}
        # The teacher's weights, copied before the run loads a checkpoint of the student.
        run = self._run("distil", plan.distil_minutes, plan.distil_rate, self._flow_networks())

        def teacher_weights(teacher: Networks) -> None:
            teacher.unet.load_state_dict(unet)
            teacher.text_encoder.load_state_dict(text)

        distil(self.networks, scenes, latents, plan, run, teacher_weights, lambda: self._snapshot(run))
        return f"{run.step} steps, loss {_recent(run.losses):.4f}"

    def _snapshot(self, run: TrainingRun) -> None:
        run.swap_average()
        self.export()
        run.swap_average()


def _recent(losses: list[float]) -> float:
    last = losses[-200:]
    return sum(last) / max(len(last), 1)
