"""The stream of this program as a contender, whole or with one of its parts taken out."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.paper.contender import ContenderConfig, Pixels
from benchmarks.paper.torch_model import full_autoencoder
from pipeline.accelerators import registry
from pipeline.accelerators.adaptive import AdaptiveDenoiser
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.precision import TYPES
from pipeline.accelerators.registry import AcceleratorChoice
from pipeline.accelerators.transfer import Decoding
from pipeline.conditioning import TextConditioner
from pipeline.image_stream import ImageStream, shapes_of
from pipeline.models import load_model
from presets.build import Build
from presets.errors import AcceleratorUnavailable
from presets.frame_parameters import without_morph
from presets.parameters import Parameters


class StreamContender:
    """An `ImageStream`; a turn admits `buffer` pictures and steps, or, `alone`, steps until that picture is out."""

    def __init__(
        self,
        subject: ContenderConfig,
        accelerator: str,
        alone: bool = False,
        buffer: int = 1,
        one_call: bool = True,
        overlap: bool = True,
        own_precision: bool = False,
    ) -> None:
        """
        Args:
            subject: As for every contender.
            accelerator: A name of `pipeline.accelerators.registry`.
            alone: Without the stream batch: one picture at a time.
            buffer: Pictures that begin together.
            one_call: Without it, a network call for each distinct timestep, as a compiled engine with a scalar
                timestep has it.
            overlap: Without it, each picture is decoded and waited for before the next step begins.
            own_precision: In what the accelerator takes for this device, whatever the subject's precision is.

        Raises:
            AcceleratorUnavailable: it can't work here, or not in this precision, or has no overlap to be without.
        """
        self._alone, self._buffer = alone, buffer
        slots = 1 if alone else subject.most_steps * buffer
        build = Build(model=subject.model, width=subject.width, height=subject.height, slots=slots)
        model = load_model(subject.model)
        conditioner = TextConditioner(model.tokenizer, model.text_encoder, torch.device("cpu"), torch.float32)
        preparation = Preparation(
            lambda text, fraction: None,
            cache=Path(subject.cache) if subject.cache else None,
            precision="" if own_precision else subject.precision,
        )
        shapes = shapes_of(build, model)
        chosen = registry.build(accelerator, model, shapes, preparation)
        engines = chosen.engines
        if not one_call:
            # It asks on the host which timesteps there are: no step of it can be recorded.
            engines = replace(engines, denoiser=AdaptiveDenoiser(engines.denoiser), recorder=None)
        if subject.full_autoencoder:
            network = full_autoencoder(model)
            engines = _with_full_autoencoder(engines, network, TYPES[engines.precision], shapes)
        if not overlap:
            if engines.begin_decode is None:
                raise AcceleratorUnavailable(f"{chosen.name} decodes before the next step anyway.")
            engines = replace(engines, begin_decode=None)
        self._stream = ImageStream(build, model, AcceleratorChoice(chosen.name, engines, chosen.why), conditioner)
        if engines.device.type == "cuda":
            # Elsewhere nothing is recorded, and the first pictures of a turn, which are not counted, warm up the batch
            # sizes that it has: all of them together take up to a minute.
            self._stream.warm_up()
        self.device = engines.device
        self.description: dict[str, Any] = {
            "accelerator": chosen.name,
            "precision": engines.precision,
            "device": str(engines.device),
            "autoencoder": "AutoencoderKL" if subject.full_autoencoder else model.classes["vae"],
        }

    def begin(self, look: Parameters) -> None:
        """As `Drawer`."""
        self._stream.clear()
        self._waiting: deque[tuple[Pixels, int]] = deque()
        self._look = look
        self._conditioning = self._stream.encode(without_morph(look).wording)

    def draw(self, source: Pixels, seed: int) -> list[Pixels]:
        """As `Drawer`."""
        self._waiting.append((source, seed))
        if len(self._waiting) < self._buffer:
            return []
        while self._waiting:
            picture, number = self._waiting.popleft()
            moment = without_morph(self._look.model_copy(update={"seed": number}))
            self._stream.admit(picture, moment, self._conditioning)
        finished = self._stream.step()
        while self._alone and self._stream.in_flight:
            finished += self._stream.step()
        return [picture.pixels for picture in finished]

    def draw_all(self, pictures: Sequence[tuple[Pixels, Parameters]]) -> list[Pixels]:
        """Each with a look of its own, all through one stream, as many in flight as it has slots."""
        self._stream.clear()
        drawn: list[Pixels] = []
        for source, look in pictures:
            moment = without_morph(look)
            self._stream.admit(source, moment, self._stream.encode(moment.wording))
            drawn += [picture.pixels for picture in self._stream.step()]
        while self._stream.in_flight:
            drawn += [picture.pixels for picture in self._stream.step()]
        return drawn


def _with_full_autoencoder(engines: Engines, network: Any, dtype: torch.dtype, shapes: Shapes) -> Engines:
    """The denoiser with Stable Diffusion's own autoencoder in eager torch, beside the next step if its own was."""
    network.to(engines.device, dtype)
    scale = float(network.config.scaling_factor)

    @torch.inference_mode()
    def encode(pixels: torch.Tensor) -> torch.Tensor:
        picture = pixels.to(engines.device).permute(0, 3, 1, 2).to(dtype) / 127.5 - 1.0
        latent: torch.Tensor = network.encode(picture).latent_dist.mode().float()
        return latent * scale

    @torch.inference_mode()
    def decode(latent: torch.Tensor) -> torch.Tensor:
        picture = network.decode(latent.to(dtype) / scale, return_dict=False)[0].float()
        levels: torch.Tensor = ((picture + 1.0) * 127.5).round().clamp(0.0, 255.0)
        return levels.permute(0, 2, 3, 1).to(torch.uint8)

    if engines.begin_decode is None:
        return replace(engines, encode=encode, decode=lambda latent: decode(latent).cpu())
    pixels = (shapes.height, shapes.width, 3)
    decoding = Decoding(decode, shapes.latent, pixels, engines.device, depth=shapes.rows)
    return replace(engines, encode=encode, decode=decoding, begin_decode=decoding.begin)
