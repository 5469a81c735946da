"""Declaration of every live control, once, as one annotated field of `Parameters`.

`presets.parameter_table` derives the preset keys, the OSC addresses, the ZeroMQ messages and the page's controls from
it. To add a control, add a field here and the line that reads it (`parameters.strength`). One of the renderer's build,
source, output, adapters, processors or LFOs goes into `presets.rebuild_parameters`, `source_parameters` and so on.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from presets.adapter_parameters import AdapterParameters
from presets.declaration import Effect, Group, LiveOptions
from presets.lfo_parameters import LfoParameters
from presets.output_parameters import OutputParameters
from presets.processor_parameters import ProcessorParameters
from presets.rebuild_parameters import RebuildParameters
from presets.source_parameters import SourceParameters

PROMPTS = 4
"""Number of weighted prompts."""

PromptMix = Literal["linear", "spherical"]


class WeightedPrompt(BaseModel):
    """One text and its weight. An empty text counts as absent."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    text: Annotated[str, Field(max_length=1000, description="words to draw; empty leaves this prompt out")] = ""
    weight: Annotated[float, Field(ge=0, le=2, description="share of this prompt in the mix")] = 1.0


class LiveParameters(BaseModel):
    """Parameters that change while a renderer plays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Annotated[
        tuple[WeightedPrompt, ...],
        Field(max_length=PROMPTS, description="weighted prompts, mixed into one"),
        LiveOptions(Effect.CONDITIONING),
    ] = (WeightedPrompt(text="neon tunnel"),)
    negative_prompt: Annotated[
        str,
        Field(max_length=1000, description="words to avoid; it works when guidance is above 1"),
        LiveOptions(Effect.CONDITIONING),
    ] = ""
    prompt_mix: Annotated[
        PromptMix,
        Field(description="mix of the prompts: linear averages them, spherical follows the arc from one to the next"),
        LiveOptions(Effect.CONDITIONING),
    ] = "linear"
    travel: Annotated[
        float,
        Field(
            ge=0,
            le=PROMPTS + 1,
            description="position along the prompts: 0 is off, 1 prompt 1 alone, 2.5 half of 2 and half of 3; after the"
            " last text comes the first",
        ),
        LiveOptions(Effect.CONDITIONING),
    ] = 0.0
    prompt_change: Annotated[
        Literal["next", "all"],
        Field(description="pictures that get new words: next is those not started yet, all is those in flight too"),
        LiveOptions(Effect.CONDITIONING, group=Group.PACING),
    ] = "next"
    morph: Annotated[
        float,
        Field(ge=0, le=60, description="time that another prompt, seed or preset takes to fade in; 0 cuts"),
        LiveOptions(Effect.FRAME, unit="s", stays=True, group=Group.MOVEMENT, moves=False),
    ] = 0.0
    morph_beats: Annotated[
        float,
        Field(ge=0, le=400, description="length of a morph in beats, at its first tempo; above 0 it replaces the time"),
        LiveOptions(Effect.FRAME, unit="beats", stays=True, group=Group.MOVEMENT, moves=False),
    ] = 0.0
    morph_pictures: Annotated[
        int,
        Field(ge=0, le=1000, description="length of a morph as a number of pictures; above 0 it replaces both others"),
        LiveOptions(Effect.FRAME, unit="pictures", stays=True, group=Group.MOVEMENT, moves=False),
    ] = 0
    takeover: Annotated[
        Literal["jump", "pickup"],
        Field(description="OSC faders after a recall: jump to their place, or wait until they pass the present value"),
        LiveOptions(Effect.FRAME, in_presets=False, stays=True, group=Group.MOVEMENT),
    ] = "jump"
    mode: Annotated[
        Literal["image", "text"],
        Field(description="image redraws the incoming picture; text draws from the prompt alone"),
        LiveOptions(Effect.FRAME),
    ] = "image"
    strength: Annotated[
        float,
        Field(ge=0, le=1, description="amount of change: 0 keeps the incoming picture, at 1 the words decide"),
        LiveOptions(Effect.FRAME),
    ] = 0.9
    structure: Annotated[
        float,
        Field(ge=0, le=1, description="hold on the incoming picture's shapes, in models that see it; 0 lets go"),
        LiveOptions(Effect.FRAME),
    ] = 1.0
    steps: Annotated[
        int,
        Field(ge=1, le=50, description="denoising steps from noise to a finished picture; more is slower"),
        LiveOptions(Effect.FRAME),
    ] = 4
    guidance: Annotated[
        float,
        Field(ge=1, le=10, description="pull towards the prompt, by classifier-free guidance; 1 is off, twice as fast"),
        LiveOptions(Effect.FRAME),
    ] = 1.0
    guidance_kind: Annotated[
        Literal["full", "self_negative", "onetime_negative", "free"],
        Field(
            description="full calls the network twice a step; onetime_negative comes close with one call; others differ"
        ),
        LiveOptions(Effect.FRAME),
    ] = "full"
    image_guidance: Annotated[
        float,
        Field(ge=0, le=5, description="push towards the incoming picture, in models that see it; 1 is off, and faster"),
        LiveOptions(Effect.FRAME),
    ] = 1.0
    seed: Annotated[
        int,
        Field(ge=-1, le=2**31 - 1, description="number of the noise at the start; -1 is another for each picture"),
        LiveOptions(Effect.FRAME),
    ] = 0
    seed_to: Annotated[
        int,
        Field(ge=-1, le=2**31 - 1, description="second seed, for seed_mix; -1 is another for each picture"),
        LiveOptions(Effect.FRAME, group=Group.MOVEMENT),
    ] = 1
    seed_mix: Annotated[
        float,
        Field(ge=0, le=1, description="mix of the two noises: 0 is seed, 1 is seed_to"),
        LiveOptions(Effect.FRAME, group=Group.MOVEMENT),
    ] = 0.0
    drift: Annotated[
        float,
        Field(ge=0, le=5, description="speed at which the noise changes; 0 holds it"),
        LiveOptions(Effect.FRAME, unit="noises/s", group=Group.MOVEMENT, moves=False),
    ] = 0.0
    feedback: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="share of the last output in the next input; in text mode it is all of it",
        ),
        LiveOptions(Effect.FRAME, group=Group.FEEDBACK),
    ] = 0.0
    feedback_zoom: Annotated[
        float,
        Field(ge=0.5, le=2, description="scale of the fed-back picture each round; 1 keeps its size"),
        LiveOptions(Effect.FRAME, group=Group.FEEDBACK),
    ] = 1.0
    feedback_rotate: Annotated[
        float,
        Field(ge=-180, le=180, description="rotation of the fed-back picture each round, counter-clockwise"),
        LiveOptions(Effect.FRAME, unit="°", group=Group.FEEDBACK),
    ] = 0.0
    feedback_x: Annotated[
        float,
        Field(ge=-0.5, le=0.5, description="shift to the right each round, as a share of the width"),
        LiveOptions(Effect.FRAME, group=Group.FEEDBACK),
    ] = 0.0
    feedback_y: Annotated[
        float,
        Field(ge=-0.5, le=0.5, description="shift upwards each round, as a share of the height"),
        LiveOptions(Effect.FRAME, group=Group.FEEDBACK),
    ] = 0.0
    skip: Annotated[
        float,
        Field(
            ge=0,
            le=10,
            description="difference below which an incoming picture is not drawn; 0 draws all",
        ),
        LiveOptions(Effect.FRAME, unit="%", group=Group.PACING, moves=False),
    ] = 0.0
    skip_longest: Annotated[
        int,
        Field(ge=1, le=1000, description="most pictures skipped in a row"),
        LiveOptions(Effect.FRAME, unit="pictures", group=Group.PACING, moves=False),
    ] = 30
    reuse_longest: Annotated[
        int,
        Field(ge=0, le=30, description="most network calls in a row that reuse deep features, where reuse is on"),
        LiveOptions(Effect.FRAME, unit="calls", group=Group.PACING, moves=False),
    ] = 3
    reuse_change: Annotated[
        float,
        Field(ge=0, le=100, description="most change of a part of the source that deep features are reused for"),
        LiveOptions(Effect.FRAME, unit="%", group=Group.PACING, moves=False),
    ] = 25.0
    low_latency: Annotated[
        bool,
        Field(description="finish each picture before the next starts: the shortest delay, at a lower rate"),
        LiveOptions(Effect.FRAME, group=Group.PACING),
    ] = False
    frame_buffer: Annotated[
        int,
        Field(
            ge=1,
            le=4,
            description="pictures that start together: a higher rate, with a longer delay",
        ),
        LiveOptions(Effect.FRAME, unit="pictures", group=Group.PACING, moves=False),
    ] = 1
    max_rate: Annotated[
        int,
        Field(ge=0, le=240, description="most pictures drawn a second; 0 is no limit"),
        LiveOptions(Effect.FRAME, unit="pictures/s", stays=True, group=Group.PACING, moves=False),
    ] = 0
    preset: Annotated[
        str,
        Field(max_length=100, description="preset on air; set it to load another"),
        LiveOptions(Effect.FRAME, in_presets=False),
    ] = ""

    @field_validator("prompt", mode="before")
    @classmethod
    def _accept_one_text(cls, value: object) -> object:
        return ({"text": value},) if isinstance(value, str) else value


class Parameters(
    RebuildParameters,
    SourceParameters,
    LfoParameters,
    ProcessorParameters,
    AdapterParameters,
    OutputParameters,
    LiveParameters,
):
    """Immutable snapshot of every live control. The fields of the last base come first."""

    @property
    def morph_seconds(self) -> float:
        """Length of a morph by time, in seconds: that in beats at the tempo of now, or else `morph`."""
        return self.morph_beats * 60.0 / self.bpm if self.morph_beats > 0 else self.morph
