"""The stream of this program as a contender, whole or without one of its parts."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.paper.contender import ContenderConfig, Pixels
from benchmarks.paper.torch_model import full_autoencoder
from benchmarks.stream.built_model import no_progress, text_conditioner
from pipeline.accelerators import registry
from pipeline.accelerators.adaptive import AdaptiveDenoiser
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.precision import TYPES
from pipeline.accelerators.registry import AcceleratorChoice
from pipeline.accelerators.transfer import OverlappedDecoder
from pipeline.image_stream import ImageStream
from pipeline.models import load_model
from pipeline.prepared_engines import shapes_of
from presets.build import Build
from presets.errors import AcceleratorUnavailable
from presets.frame_parameters import without_morph
from presets.parameters import Parameters


class StreamContender:
    """An `ImageStream`. A turn admits `buffer` frames and steps once, or until the frame is out if `alone`."""

    def __init__(
        self,
        config: ContenderConfig,
        accelerator: str,
        alone: bool = False,
        buffer: int = 1,
        one_call: bool = True,
        overlap: bool = True,
        own_precision: bool = False,
    ) -> None:
        """Build the stream.

        Args:
            config: Settings that all contenders share.
            accelerator: A name of `pipeline.accelerators.registry`.
            alone: One frame at a time, without the stream batch.
            buffer: Number of frames that are admitted together.
            one_call: False makes a network call for each distinct timestep, as an engine with a scalar timestep does.
            overlap: False decodes and waits for each frame before the next step starts.
            own_precision: Compute in the accelerator's default for this device, not in the config's precision.

        Raises:
            AcceleratorUnavailable: it cannot work here, or not in this precision, or it has no overlap to remove.
        """
        self._alone, self._buffer = alone, buffer
        slots = 1 if alone else config.most_steps * buffer
        build = Build(model=config.model, width=config.width, height=config.height, slots=slots)
        model = load_model(config.model)
        cache, precision = Path(config.cache) if config.cache else None, "" if own_precision else config.precision
        shapes = shapes_of(build, model)
        chosen = registry.build(accelerator, model, shapes, Preparation(no_progress, cache=cache, precision=precision))
        engines = chosen.engines
        if not one_call:
            # It reads the timesteps on the host, so none of its steps can be recorded.
            engines = replace(engines, denoiser=AdaptiveDenoiser(engines.denoiser), recorder=None)
        if config.full_autoencoder:
            engines = _with_autoencoder(engines, full_autoencoder(model), shapes)
        if not overlap:
            if engines.begin_decode is None:
                raise AcceleratorUnavailable(f"{chosen.name} decodes before the next step anyway.")
            engines = replace(engines, begin_decode=None)
        choice = AcceleratorChoice(chosen.name, engines, chosen.why)
        self._stream = ImageStream(build, model, choice, text_conditioner(model))
        if engines.device.type == "cuda":
            # Elsewhere nothing is recorded, and the uncounted first frames of a turn warm up the batch sizes it has.
            # Warming up all sizes would take up to a minute.
            self._stream.warm_up()
        self.device = engines.device
        self.description: dict[str, Any] = {
            "accelerator": chosen.name,
            "precision": engines.precision,
            "device": str(engines.device),
            "autoencoder": "AutoencoderKL" if config.full_autoencoder else model.classes["vae"],
        }

    def begin(self, look: Parameters) -> None:
        """Start drawing with `look`."""
        self._stream.clear()
        self._waiting: deque[tuple[Pixels, int]] = deque()
        self._look = look
        self._conditioning = self._stream.encode(without_morph(look).wording)

    def draw(self, source: Pixels, seed: int) -> list[Pixels]:
        """Admit one frame and return the finished ones."""
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

    def draw_all(self, frames: Sequence[tuple[Pixels, Parameters]]) -> list[Pixels]:
        """Draw frames with a look each through one stream, with as many in flight as it has slots."""
        self._stream.clear()
        drawn: list[Pixels] = []
        for source, look in frames:
            moment = without_morph(look)
            self._stream.admit(source, moment, self._stream.encode(moment.wording))
            drawn += [picture.pixels for picture in self._stream.step()]
        while self._stream.in_flight:
            drawn += [picture.pixels for picture in self._stream.step()]
        return drawn


def _with_autoencoder(engines: Engines, network: Any, shapes: Shapes) -> Engines:
    """Return the engines with another autoencoder in eager torch. It overlaps the next step if the engines' own did."""
    dtype = TYPES[engines.precision]
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
    decoding = OverlappedDecoder(decode, shapes.latent, pixels, engines.device, depth=shapes.rows)
    return replace(engines, encode=encode, decode=decoding, begin_decode=decoding.begin)
