"""Frames in, frames out: a model, its engines and a stream as one object, for the renderer and for offline work."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.accelerators import registry
from pipeline.accelerators.engines import Progress, Together, one_after_another
from pipeline.conditioning import Conditioning, TextConditioner, TextEncoderState
from pipeline.feedback import Feedback
from pipeline.guidance import Guidance
from pipeline.memory_check import select_in_memory
from pipeline.models import Model, model_of
from pipeline.picture_entry import FrameTicket, PictureEntries
from pipeline.picture_entry import StreamedFrame as StreamedFrame
from pipeline.prepared_engines import PreparedEngines, check_size, preparation_of, shapes_of, text_conditioner
from pipeline.torch_settings import limit_gpu_share
from presets.build import Build
from presets.frame_parameters import FrameParameters, PromptMixture
from presets.vocabulary import Vocabulary

USUAL_SIZES = (3, 4)
"""Batch sizes of the default look with and without a source, where no call tells which sizes are played."""


class ImageStream:
    """Frames in flight. `encode` may run on another thread; all else belongs to one."""

    def __init__(
        self, build: Build, model: Model, choice: registry.AcceleratorChoice, conditioner: TextConditioner
    ) -> None:
        """Use `ImageStream.build`."""
        self.settings = build
        self.width, self.height, self.slots = build.width, build.height, build.slots
        self.shapes = shapes_of(build, model)
        self.model = model
        """The model that is played."""
        self._conditioner = conditioner
        self._begun: list[tuple[Callable[[], torch.Tensor], object]] = []
        """Frames whose decoding runs beside the next network call, with their tickets."""
        self._feedback = Feedback(build.width, build.height)
        self._entries = PictureEntries(build, self._feedback)
        self.description: dict[str, str] = {}
        """The model, and how it plays, for the page and the log."""
        self._play(self.prepare(choice, model))

    @classmethod
    def build(
        cls,
        build: Build,
        progress: Progress,
        together: Together = one_after_another,
        takes_long: Callable[[str, str], None] = lambda accelerator, stand_in: None,
        selection: registry.Selection | None = None,
        others: Callable[[], int] = lambda: 0,
    ) -> "ImageStream":
        """Load the model and prepare it.

        Args:
            build: The model, its size and its accelerator.
            progress: Receives the current work and the fraction done, 0 to 1.
            together: Does work in parallel; this module starts no thread.
            takes_long: Receives an accelerator that must be prepared for this model first, and its stand-in.
            selection: The way to play, in place of the one that `build` asks for.
            others: Returns the bytes of main memory that other renderers would give back.

        Raises:
            ModelError: the model folder is missing, damaged or of an unknown kind.
            AcceleratorUnavailable: the accelerator asked for can't work here.
            StreamError: a size or a number of slots that can't be.
            MemoryShort: the memory is too short, as `pipeline.memory_check.select_in_memory`.
        """
        progress("reading the model", 0.0)
        if build.gpu_share is not None:
            limit_gpu_share(build.gpu_share)
        registry.choose(build.accelerator)
        model = model_of(build)
        check_size(build, model)
        conditioner: list[TextConditioner] = []

        def load_text_encoder() -> None:
            beside = replace(preparation, progress=lambda text, fraction: progress(text, 0.3))
            conditioner.append(text_conditioner(accelerator, model, beside))

        preparation = preparation_of(
            build, lambda text, fraction: progress(text, 0.95 * fraction), together, load_text_encoder
        )
        shapes = shapes_of(build, model)
        chosen = selection or select_in_memory(build, model, shapes, preparation, others())
        accelerator = chosen.candidate.accelerator
        if other := registry.stand_in(accelerator, model, shapes, preparation):
            takes_long(accelerator, other)
        stream = cls(build, model, registry.build_selection(chosen, model, shapes, preparation), conditioner[0])
        progress("warming up", 0.95)
        stream.warm_up()
        progress("ready", 1.0)
        return stream

    @property
    def in_flight(self) -> int:
        """Number of frames that were admitted and are not finished."""
        return self._stream.in_flight + len(self._begun)

    @property
    def free(self) -> int:
        """Number of frames that can be admitted now."""
        return self._stream.free

    @property
    def vocabulary(self) -> Vocabulary | None:
        """Words that the model knows, None if it takes any text."""
        return self.model.vocabulary

    @property
    def refused(self) -> str:
        """Sentence about the image beside the prompt that can't be read; empty for none."""
        return self._conditioner.refused

    @property
    def text_encoder(self) -> TextEncoderState:
        """State of the text encoder."""
        return self._conditioner.text_encoder

    def free_text_encoder(self) -> None:
        """Drop the text encoder, which the next unknown text loads again. It runs on the thread of `encode`."""
        self._conditioner.free()

    @property
    def hot_sizes(self) -> tuple[int, ...]:
        """Batch sizes that a quarter of the network calls or more had; the usual ones where there was no call."""
        calls = self._stream.calls
        return tuple(size for size, count in calls.items() if 4 * count >= sum(calls.values()) > 0) or USUAL_SIZES

    def encode(self, wording: PromptMixture) -> Conditioning:
        """Return the conditioning of a prompt. Texts that are known are not encoded again."""
        return self._conditioner.encode(wording._replace(loras=self.settings.of_loaded(wording.loras)))

    def recall(self, wording: PromptMixture) -> Conditioning | None:
        """Return the conditioning of a prompt if all its texts are known, else None."""
        return self._conditioner.recall(wording._replace(loras=self.settings.of_loaded(wording.loras)))

    def admit(
        self,
        pixels: NDArray[np.uint8] | None,
        moment: FrameParameters,
        conditioning: Conditioning,
        ticket: object = None,
    ) -> None:
        """Put a frame in flight.

        In mode ``image`` the frame enters at the parameters' strength, with a share of the newest output mixed in
        where there is feedback. In mode ``text``, or without pixels, it grows from noise; with feedback from the
        newest output, at the parameters' strength, as soon as there is one.

        A model that sees its source gets the picture of mode ``image`` as the source too, at any strength.

        Args:
            pixels: RGB uint8 ``[H, W, 3]`` of the build's size, copied; or None.
            moment: Noise and parameters of the frame: mode, strength, steps, guidance, feedback, and whether its prompt
                replaces those in flight.
            conditioning: Result of `encode` for the prompt.
            ticket: Returned with the finished frame.

        Raises:
            StreamError: no free slot, or pixels of another size or dtype.
            ScheduleError: steps or strength out of range.
        """
        parameters = moment.parameters
        entry = self._entries.read(pixels, parameters, self.prepared)
        image_guidance = 1.0 if entry.source is None else parameters.image_guidance
        self._stream.admit(
            entry.latent,
            self.model.schedule(parameters.steps, entry.strength, (self.width, self.height)),
            conditioning,
            guidance=Guidance.equivalent_to_full(parameters.guidance, parameters.guidance_kind, image_guidance),
            noise=moment.noise,
            source=entry.source,
            numbers=self.settings.numbers(parameters, bool(entry.tensors), conditioning.shows_image),
            tensors=entry.tensors,
            reuse=entry.reuse,
            ticket=FrameTicket(ticket, self._feedback.mix_count),
        )
        if parameters.prompt_change == "all":
            self._stream.recondition(conditioning)

    def step(self) -> list[StreamedFrame]:
        """Make one network call for all frames in flight and return the finished ones, in order of admission.

        Where decoding runs beside the network, a frame comes out one call after its last row: that call begins first,
        and then its pixels are waited for. With no other frame in flight it comes out at once.
        """
        finished = self._stream.step()
        begin = self._begin_decode
        if begin is None:
            return [self._out(self._engines.decode(latent.unsqueeze(0)), ticket) for latent, ticket in finished]
        frames = self._collect()
        self._begun += [(begin(latent.unsqueeze(0)), ticket) for latent, ticket in finished]
        return frames if self._stream.in_flight else frames + self._collect()

    def clear(self) -> None:
        """Drop every frame in flight and forget the last output."""
        self._stream.clear()
        self._begun.clear()
        self._feedback.forget()

    def warm_up(self) -> None:
        """Run the encoder, the decoder and `Engines.warm_up_sizes` once. Frames in flight do not change."""
        self.prepared.warm_up()
        self.description = self.prepared.description(self.settings)

    def prepare(self, choice: registry.AcceleratorChoice, model: Model, slots: int | None = None) -> PreparedEngines:
        """Return engines with slots of their own, to be warmed up and exchanged for those that play.

        Engines with fewer `slots` can only be timed.
        """
        return PreparedEngines(choice, model, self.shapes, slots or self.slots, self._conditioner.shape)

    def exchange(self, prepared: PreparedEngines) -> None:
        """Play on other engines from the next call on. Frames in flight continue with their latents and noise."""
        prepared.stream.take_over(self._stream)
        self._play(prepared)

    def explain(self, why: str) -> None:
        """Set the reason in the description."""
        self.description = self.description | {"why": why}

    def _play(self, prepared: PreparedEngines) -> None:
        self.prepared = prepared
        """The engines that play."""
        self._stream, self._engines = prepared.stream, prepared.engines
        # A share of the device's time is kept by the time that a step takes: nothing may go on after it then.
        share = self.settings.gpu_share
        self._begin_decode = None if share is not None and share < 1 else prepared.engines.begin_decode
        self.description = prepared.description(self.settings)

    def _collect(self) -> list[StreamedFrame]:
        """Wait for the frames whose decoding has begun."""
        frames = [self._out(wait(), ticket) for wait, ticket in self._begun]
        self._begun.clear()
        return frames

    def _out(self, decoded: torch.Tensor, ticket: object) -> StreamedFrame:
        pixels = decoded[0].numpy().copy()
        if isinstance(ticket, FrameTicket):
            self._feedback.remember(pixels, ticket.fed)
            ticket = ticket.given
        return StreamedFrame(pixels, ticket)
