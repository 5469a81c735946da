"""Pixels in, pixels out: a model, an accelerator and a stream as one thing, for the renderer and for offline work."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.accelerators import registry
from pipeline.accelerators.engines import Preparation, Progress, Shapes, Together, one_after_another
from pipeline.accelerators.fallback_accelerator import fallback_accelerator
from pipeline.accelerators.registry import AcceleratorChoice
from pipeline.conditioning import Conditioning, TextConditioner
from pipeline.feedback import Feedback
from pipeline.guidance import Guidance
from pipeline.models import Model, load_model
from pipeline.stream import StreamPipeline
from pipeline.torch_settings import limit_gpu_share
from presets.build import Build
from presets.errors import StreamError
from presets.frame_parameters import FrameParameters, PromptMixture


class StreamedPicture(NamedTuple):
    """A picture that is done."""

    pixels: NDArray[np.uint8]
    """RGB ``[H, W, 3]``, the caller's own."""
    ticket: object
    """What it was admitted with."""


class _Ticket(NamedTuple):
    """What a picture is admitted to the stream with."""

    given: object
    fed: int
    """`Feedback.mix_count` of that moment."""


class ImageStream:
    """Pictures in flight. `encode` may run on another thread beside the rest, which belongs to one."""

    def __init__(self, build: Build, model: Model, chosen: AcceleratorChoice, conditioner: TextConditioner) -> None:
        """Use `ImageStream.build`."""
        self.width, self.height, self.slots = build.width, build.height, build.slots
        self._model = model
        self._engines = chosen.engines
        self._conditioner = conditioner
        self._shapes = shapes_of(build, model)
        self._stream = StreamPipeline(
            chosen.engines.denoiser,
            slots=build.slots,
            latent_shape=self._shapes.latent,
            conditioning=conditioner.shape,
            sizes=chosen.engines.sizes,
            device=chosen.engines.device,
            recorder=chosen.engines.recorder,
        )
        # A share of the device's time is kept by the time that a step takes: nothing may go on after it then.
        shared = build.gpu_share is not None and build.gpu_share < 1
        self._begin_decode = None if shared else chosen.engines.begin_decode
        self._begun: list[tuple[Callable[[], torch.Tensor], object]] = []
        """Pictures whose decoding goes on beside the network's next call, with their tickets."""
        self._pixels = torch.empty(1, build.height, build.width, 3, dtype=torch.uint8)
        self._pixels_np = self._pixels.numpy()
        self._feedback = Feedback(build.width, build.height)
        self.description = {
            "model": model.name,
            "accelerator": chosen.name,
            "precision": chosen.engines.precision,
            "attention": build.attention if registry.ACCELERATORS[chosen.name].attends else "its own",
            "device": str(chosen.engines.device),
            "why": chosen.why,
            "forward": chosen.engines.forward,
            "engine": build.engine,
        }
        """What plays here, for the page and the log."""

    @classmethod
    def build(
        cls,
        build: Build,
        progress: Progress,
        together: Together = one_after_another,
        takes_long: Callable[[str, str], None] = lambda accelerator, stand_in: None,
    ) -> "ImageStream":
        """Loads the model and makes it ready, telling `progress` what is done and the fraction behind, 0 to 1.

        `together` does the work that can be done at once; this module starts no thread. `takes_long` is told of an
        accelerator that has to be made ready for this model first, and of the one that can play until then.

        Raises:
            ModelError: the model folder is missing, damaged or of an unknown kind.
            AcceleratorUnavailable: the accelerator asked for can't work here.
            StreamError: a size or a number of slots that can't be.
        """
        progress("reading the model", 0.0)
        if build.gpu_share is not None:
            limit_gpu_share(build.gpu_share)
        accelerator, _ = registry.choose(build.accelerator)
        model = load_model(build.model)
        _check_size(build, model)
        conditioner: list[TextConditioner] = []

        def load_words() -> None:
            progress("loading the text encoder", 0.3)
            tokenizer, text_encoder = model.tokenizer, model.text_encoder
            conditioner.append(TextConditioner(tokenizer, text_encoder, torch.device("cpu"), torch.float32))

        preparation = Preparation(
            progress=lambda text, fraction: progress(text, 0.95 * fraction),
            threads=build.threads,
            cache=build.cache,
            attention=build.attention,
            engine=Path(build.engine) if build.engine else None,
            precision=build.precision,
            together=together,
            meanwhile=load_words,
        )
        shapes = shapes_of(build, model)
        if other := fallback_accelerator(accelerator, model, shapes, preparation):
            takes_long(accelerator, other)
        chosen = registry.build(build.accelerator, model, shapes, preparation)
        stream = cls(build, model, chosen, conditioner[0])
        progress("warming up", 0.95)
        stream.warm_up()
        progress("ready", 1.0)
        return stream

    @property
    def in_flight(self) -> int:
        """How many pictures were admitted and have not come out."""
        return self._stream.in_flight + len(self._begun)

    @property
    def free(self) -> int:
        """How many pictures can be admitted now."""
        return self._stream.free

    def encode(self, wording: PromptMixture) -> Conditioning:
        """The conditioning of these words; texts that were met before are not encoded again."""
        return self._conditioner.encode(wording)

    def recall(self, wording: PromptMixture) -> Conditioning | None:
        """The same where no text has to be encoded for it, and None where one has."""
        return self._conditioner.recall(wording)

    def admit(
        self,
        pixels: NDArray[np.uint8] | None,
        moment: FrameParameters,
        conditioning: Conditioning,
        ticket: object = None,
    ) -> None:
        """Puts a picture in flight.

        In mode ``image`` the picture enters at the parameters' strength, with its share of the newest output mixed in
        where there is feedback. In mode ``text``, or without pixels, it grows from noise alone; with feedback from the
        newest output, at the parameters' strength, as soon as there is one.

        Args:
            pixels: RGB uint8 ``[H, W, 3]`` of the build's size, copied; or None.
            moment: Its noise, and its parameters: mode, strength, steps, guidance, feedback; and whether the words are
                for all pictures in flight.
            conditioning: What `encode` answered to the moment's wording.
            ticket: Given back with the finished picture.

        Raises:
            StreamError: no free slot, or pixels of another size or dtype.
            ScheduleError: steps or strength outside their range.
        """
        parameters = moment.parameters
        source = None if parameters.mode == "text" else pixels
        if source is not None and (source.shape != self._pixels_np.shape[1:] or source.dtype != np.uint8):
            raise StreamError(
                f"The picture is {source.dtype} {source.shape}; this stream takes uint8 {self._pixels_np.shape[1:]}."
            )
        fed_back = self._feedback.is_active(parameters)
        strength = parameters.strength if fed_back or source is not None else 1.0
        latent = None
        if strength < 1.0:  # at strength 1 nothing of a picture may be left
            if fed_back:
                self._feedback.mix(source, parameters, self._pixels_np[0])
            elif source is not None:
                np.copyto(self._pixels_np[0], source)
            latent = self._engines.encode(self._pixels)[0]
        self._stream.admit(
            latent,
            self._model.schedule(parameters.steps, strength),
            conditioning,
            guidance=Guidance.equivalent_to_full(parameters.guidance, parameters.guidance_kind),
            noise=moment.noise,
            ticket=_Ticket(ticket, self._feedback.mix_count),
        )
        if parameters.prompt_change == "all":
            self._stream.recondition(conditioning)

    def step(self) -> list[StreamedPicture]:
        """One network call for all pictures in flight; those whose turn it is, in the order they went in.

        Where decoding can go on beside the network, a picture comes out one call after its last row: that call is begun
        first, and then its pixels are waited for. With no further picture in flight it comes out at once.
        """
        finished = self._stream.step()
        begin = self._begin_decode
        if begin is None:
            return [self._out(self._engines.decode(latent.unsqueeze(0)), ticket) for latent, ticket in finished]
        pictures = self._collect()
        self._begun += [(begin(latent.unsqueeze(0)), ticket) for latent, ticket in finished]
        return pictures if self._stream.in_flight else pictures + self._collect()

    def _collect(self) -> list[StreamedPicture]:
        """The pictures whose decoding was begun, waited for."""
        pictures = [self._out(wait(), ticket) for wait, ticket in self._begun]
        self._begun.clear()
        return pictures

    def _out(self, decoded: torch.Tensor, ticket: object) -> StreamedPicture:
        pixels = decoded[0].numpy().copy()
        given = ticket
        if isinstance(ticket, _Ticket):
            self._feedback.remember(pixels, ticket.fed)
            given = ticket.given
        return StreamedPicture(pixels, given)

    def clear(self) -> None:
        """Drops every picture in flight, and forgets the last output."""
        self._stream.clear()
        self._begun.clear()
        self._feedback.forget()

    def warm_up(self) -> None:
        """Runs the encoder, the decoder and every prepared batch size once; pictures in flight are not touched."""
        self._pixels.zero_()
        latent = self._engines.encode(self._pixels)
        self._engines.decode(latent)
        self._stream.warm_up(fresh=bool(self._model.schedule(4, 1.0).c.any()))


def shapes_of(build: Build, model: Model) -> Shapes:
    """What the engines of such a stream are made for."""
    latent = (model.latent_channels, build.height // model.factor, build.width // model.factor)
    return Shapes(build.width, build.height, latent, model.conditioning.embeds, 2 * build.slots)


def _check_size(build: Build, model: Model) -> None:
    for name, value in (("width", build.width), ("height", build.height)):
        if value < model.factor or value % model.factor:
            raise StreamError(f"{name} is {value}; this model draws multiples of {model.factor} pixels.")
    if build.slots < 1:
        raise StreamError(f"slots is {build.slots}; a stream needs 1 or more.")
