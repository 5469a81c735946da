"""Engines made ready for a stream: with slots of their own, so that they can be timed, and play from any picture on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from pipeline.accelerators.engines import Engines, Preparation, Progress, Shapes, Together
from pipeline.accelerators.registry import ACCELERATORS, AcceleratorChoice
from pipeline.conditioning import ConditioningShape, TextConditioner
from pipeline.controlnet.control_pictures import ControlPictures
from pipeline.empty_source import empty_source
from pipeline.graphs import latent_normalisation
from pipeline.kept_texts import kept_texts
from pipeline.model_texts import conditioner_of
from pipeline.models import Model
from pipeline.reuse.outer_unet import kept_shape
from pipeline.stream import StreamPipeline
from presets.build import Build
from presets.errors import StreamError


class PreparedEngines:
    """One way to play a model, ready. Several may stand side by side; one of them plays."""

    def __init__(
        self, choice: AcceleratorChoice, model: Model, shapes: Shapes, slots: int, conditioning: ConditioningShape
    ) -> None:
        self.choice = choice
        self._model = model.name
        self.engines: Engines = choice.engines
        empty = empty_source(model.folder, shapes.latent) if shapes.sees_source else None
        self.stream = StreamPipeline(
            self.engines.denoiser,
            slots=slots,
            latent_shape=shapes.latent,
            conditioning=conditioning,
            sizes=self.engines.sizes,
            sees_source=shapes.sees_source,
            empty_source=empty,
            embedded_guidance=shapes.embedded_guidance,
            second_time=shapes.second_time,
            numbers=shapes.numbers,
            tensors=shapes.tensors,
            device=self.engines.device,
            recorder=self.engines.recorder,
            outer=self.engines.outer,
        )
        self._adds_noise = bool(model.schedule(4, 1.0, (shapes.width, shapes.height)).c.any())
        self._sees_source = shapes.sees_source
        shift, scale = latent_normalisation(model.configurations["vae"])
        device = self.engines.device
        self._source = torch.zeros(shapes.latent, device=device)
        self._empty = None if empty is None else empty.to(device)
        self._shift, self._unscale = shift[0].to(device), (1.0 / scale[0]).to(device)
        adapters = model.adapters
        has_control = adapters.controlnet is not None
        self.control = ControlPictures(shapes.width, shapes.height, device, adapters.depth) if has_control else None
        """Maker of control pictures; None without a ControlNet."""
        self._pixels = torch.zeros(1, shapes.height, shapes.width, 3, dtype=torch.uint8)

    @property
    def sees_source(self) -> bool:
        """True if the network sees its source."""
        return self._sees_source

    @torch.inference_mode()
    def source_of(self, latent: torch.Tensor, structure: float) -> torch.Tensor:
        """Return the source latent that a network sees: the autoencoder's own output, ``latent/scale + shift``.

        diffusers' InstructPix2Pix does not scale it either. The autoencoder of FLUX.2 normalises its output itself, so
        the source is normalised there, as in diffusers' pipeline.

        Args:
            latent: Clean latent ``[C, h, w]``.
            structure: Share of the source. The rest is the model's latent of no source, which is zero in most.

        Returns:
            ``[C, h, w]``, valid until the next call.
        """
        torch.mul(latent, self._unscale, out=self._source)
        source = self._source.add_(self._shift).mul_(structure)
        return source if self._empty is None else source.add_(self._empty, alpha=1.0 - structure)

    def warm_up(self) -> None:
        """Run encoder, decoder, depth model and `Engines.warm_up_sizes` once. Pictures in flight are not touched."""
        if self.engines.device.type == "cuda":
            torch.cuda.synchronize()  # weights were copied on other streams than the one that plays
        self.engines.decode(self.engines.encode(self._pixels))
        if self.control is not None:
            self.control.warm_up()
        self.stream.warm_up(fresh=self._adds_noise, sizes=self.engines.warm_up_sizes)

    def rehearse(self, size: int) -> None:
        """Do the work of one picture at a batch size and wait for it. Pictures in flight are not touched."""
        latent = self.engines.encode(self._pixels)
        self.stream.idle_step(size)
        self.engines.decode(latent)  # its pixels are on the host, so the device is done

    def description(self, build: Build) -> dict[str, str]:
        """Return what plays and why, in words, for the page and the log."""
        engines, captured = self.engines, self.stream.captured
        uncaptured = "" if captured is None else captured.problem
        attends = ACCELERATORS[self.choice.name].attends
        return {
            "model": self._model,
            "accelerator": self.choice.name,
            "precision": engines.precision,
            "requests": str(engines.requests),
            "threads": str(engines.threads) if engines.threads else "its own",
            "attention": build.attention if attends else "its own",
            "device": str(engines.device),
            "why": "; ".join(filter(None, (self.choice.why, *engines.remarks, uncaptured))),
            "forward": engines.forward,
            "engine": build.engine,
            "loras": build.lora_names,
            "controlnet": build.controlnet_name,
            "ip_adapter": build.ip_adapter_name,
            "reuse": "deep features" if build.reuse else "",
        }


def shapes_of(build: Build, model: Model) -> Shapes:
    """Return the shapes that the engines of a build are prepared for."""
    rows = build.slots if model.embeds_guidance else 2 * build.slots
    return model_shapes(model, build.width, build.height, rows, build.reuse)


def model_shapes(model: Model, width: int, height: int, rows: int, keeps: bool = False) -> Shapes:
    """Return the shapes of a model at a size in pixels, for `rows` rows of a call with guidance.

    Raises:
        ModelError: the network is to keep deep features (`pipeline.reuse`) and can't.
    """
    sides = height // model.factor, width // model.factor
    text = model.conditioning
    return Shapes(
        width,
        height,
        (model.latent_channels, *sides),
        text.embeds,
        rows,
        model.sees_source,
        text.masked,
        text.pooled,
        model.embeds_guidance,
        model.family.second_time(model.configurations[model.family.network]),
        model.adapters.numbers,
        model.adapters.tensors(width, height),
        text.image,
        kept_shape(model, *sides) if keeps else None,
    )


def asked_precision(build: Build) -> str:
    """Return the precision of a build as `Preparation` has it: empty where the choice is the accelerator's."""
    return "" if build.precision == "auto" else build.precision


def preparation_of(
    build: Build, progress: Progress, together: Together, meanwhile: Callable[[], None] = lambda: None
) -> Preparation:
    """Return the settings that the engines of a build are prepared with."""
    return Preparation(
        progress=progress,
        threads=build.threads,
        cache=build.cache,
        attention=build.attention,
        engine=Path(build.engine) if build.engine else None,
        precision=asked_precision(build),
        together=together,
        meanwhile=meanwhile,
    )


def text_conditioner(accelerator: str, model: Model, preparation: Preparation) -> TextConditioner:
    """Return the tokenizers and text encoders of a model in main memory, as an accelerator has them.

    They are loaded now, unless texts of this model are kept on disk. The first text that is not then loads them.
    """
    row = ACCELERATORS[accelerator]
    # Later loads are on the thread of texts, which has no progress to report.
    preparations = [replace(preparation, progress=lambda text, fraction: None)]
    kept = kept_texts(model, row.text_engine, preparation.cache)
    conditioner = conditioner_of(model, lambda: row.text_encoder(model, preparations[-1]), kept)
    preparations.append(preparation)
    if kept is None or not kept.has_any:
        preparation.progress("loading the text encoder", 0.3)
        conditioner.load()
    preparations.pop()
    return conditioner


def check_size(build: Build, model: Model) -> None:
    """Raise `StreamError` for a size or a number of slots that can't be."""
    for name, value in (("width", build.width), ("height", build.height)):
        if value < model.multiple or value % model.multiple:
            raise StreamError(f"{name} is {value}; this model draws multiples of {model.multiple} pixels.")
    if build.slots < 1:
        raise StreamError(f"slots is {build.slots}; a stream needs 1 or more.")
