"""Every live control, declared once, as one annotated field of `Parameters`.

From this declaration `presets.parameter_table` derives the preset keys, the OSC addresses, the ZeroMQ control
messages and the
web page's controls. Adding a control is adding a field here and the line that reads it (`parameters.strength`).
"""

from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

PROMPTS = 4
"""How many weighted prompts a look may mix."""

PromptMix = Literal["linear", "spherical"]


class Effect(StrEnum):
    """Where a change of a parameter takes effect."""

    OUTPUT = "output"
    """In the stage, at the next tick of the output clock: works with a dead renderer."""
    FRAME = "frame"
    """With the next picture admitted to the stream."""
    CONDITIONING = "conditioning"
    """With the first picture admitted after the text encoder has done its work."""
    REBUILD = "rebuild"
    """In a new renderer, which takes over once it delivers."""


class Group(StrEnum):
    """Place of a control on a surface, in the order in which a performer looks for it."""

    PROMPTS = "prompts"
    STYLE = "style"
    MOVEMENT = "movement"
    FEEDBACK = "feedback"
    OUTPUT = "output"
    PACING = "pacing"
    RENDERER = "renderer"


class LiveOptions(NamedTuple):
    """What a field says beyond its type and range."""

    effect: Effect
    unit: str = ""
    in_presets: bool = True
    """False for what belongs to the evening and not to a look: no preset may black out a show."""
    stays: bool = False
    """True for what a look leaves as it is where its file does not name it: a hand set it for all looks."""
    group: Group | None = None
    """Group on a surface; None follows from the effect."""


class WeightedPrompt(BaseModel):
    """One text and how much of it; an empty text counts as absent."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    text: Annotated[str, Field(max_length=1000, description="words the picture is made from; empty is absent")] = ""
    weight: Annotated[float, Field(ge=0, le=2, description="share of this prompt in the mix")] = 1.0


class LiveParameters(BaseModel):
    """Parameters that change while a renderer plays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Annotated[
        tuple[WeightedPrompt, ...],
        Field(max_length=PROMPTS, description="the weighted prompts that are mixed"),
        LiveOptions(Effect.CONDITIONING),
    ] = (WeightedPrompt(text="neon tunnel"),)
    negative_prompt: Annotated[
        str,
        Field(max_length=1000, description="what to steer away from; heard when guidance is above 1"),
        LiveOptions(Effect.CONDITIONING),
    ] = ""
    prompt_mix: Annotated[
        PromptMix,
        Field(description="how prompts are mixed: linear averages them, spherical turns from each to the next"),
        LiveOptions(Effect.CONDITIONING),
    ] = "linear"
    prompt_change: Annotated[
        Literal["next", "all"],
        Field(description="who hears new words: the next picture that begins, or all that are in flight too"),
        LiveOptions(Effect.CONDITIONING, group=Group.PACING),
    ] = "next"
    morph: Annotated[
        float,
        Field(ge=0, le=60, description="how long another prompt, seed or look takes to be there; 0 is a cut"),
        LiveOptions(Effect.FRAME, unit="s", stays=True, group=Group.MOVEMENT),
    ] = 0.0
    morph_pictures: Annotated[
        int,
        Field(ge=0, le=1000, description="the same as a number of pictures; above 0 it counts instead of the time"),
        LiveOptions(Effect.FRAME, unit="pictures", stays=True, group=Group.MOVEMENT),
    ] = 0
    mode: Annotated[
        Literal["image", "text"],
        Field(description="image redraws the incoming picture; text draws from the prompt alone"),
        LiveOptions(Effect.FRAME),
    ] = "image"
    strength: Annotated[
        float,
        Field(ge=0, le=1, description="how far the picture leaves its source: 0 keeps it, 1 forgets it"),
        LiveOptions(Effect.FRAME),
    ] = 0.6
    steps: Annotated[
        int,
        Field(ge=1, le=50, description="network evaluations from pure noise to a finished picture"),
        LiveOptions(Effect.FRAME),
    ] = 4
    guidance: Annotated[
        float,
        Field(ge=1, le=10, description="classifier-free guidance; 1 is off and twice as fast"),
        LiveOptions(Effect.FRAME),
    ] = 1.0
    guidance_kind: Annotated[
        Literal["full", "self_negative", "onetime_negative", "free"],
        Field(
            description="full asks the network twice a step, onetime_negative once and comes near it; the others differ"
        ),
        LiveOptions(Effect.FRAME),
    ] = "full"
    seed: Annotated[
        int, Field(ge=0, le=2**31 - 1, description="which noise the picture grows from"), LiveOptions(Effect.FRAME)
    ] = 0
    seed_to: Annotated[
        int,
        Field(ge=0, le=2**31 - 1, description="the seed at the other end of seed_mix"),
        LiveOptions(Effect.FRAME, group=Group.MOVEMENT),
    ] = 1
    seed_mix: Annotated[
        float,
        Field(ge=0, le=1, description="where between them the noise is: 0 is seed's own, 1 is seed_to's"),
        LiveOptions(Effect.FRAME, group=Group.MOVEMENT),
    ] = 0.0
    drift: Annotated[
        float,
        Field(ge=0, le=5, description="how fast the noise wanders, from a seed's own to ever other ones; 0 holds it"),
        LiveOptions(Effect.FRAME, unit="noises/s", group=Group.MOVEMENT),
    ] = 0.0
    feedback: Annotated[
        float,
        Field(ge=0, le=1, description="share of the last output in the next input; in text mode it is all of it"),
        LiveOptions(Effect.FRAME, group=Group.FEEDBACK),
    ] = 0.0
    feedback_zoom: Annotated[
        float,
        Field(ge=0.5, le=2, description="how much larger the fed back picture is each time round; 1 is none"),
        LiveOptions(Effect.FRAME, group=Group.FEEDBACK),
    ] = 1.0
    feedback_rotate: Annotated[
        float,
        Field(ge=-180, le=180, description="how far the fed back picture turns each time round, counter-clockwise"),
        LiveOptions(Effect.FRAME, unit="°", group=Group.FEEDBACK),
    ] = 0.0
    feedback_x: Annotated[
        float,
        Field(ge=-0.5, le=0.5, description="how far it moves to the right each time round, as a share of the width"),
        LiveOptions(Effect.FRAME, group=Group.FEEDBACK),
    ] = 0.0
    feedback_y: Annotated[
        float,
        Field(ge=-0.5, le=0.5, description="how far it moves up each time round, as a share of the height"),
        LiveOptions(Effect.FRAME, group=Group.FEEDBACK),
    ] = 0.0
    skip: Annotated[
        float,
        Field(ge=0, le=10, description="incoming pictures that differ less from the last one drawn are not drawn"),
        LiveOptions(Effect.FRAME, unit="%", group=Group.PACING),
    ] = 0.0
    skip_longest: Annotated[
        int,
        Field(ge=1, le=1000, description="after so many that were not drawn the next one is"),
        LiveOptions(Effect.FRAME, unit="pictures", group=Group.PACING),
    ] = 30
    low_latency: Annotated[
        bool,
        Field(description="one picture is finished before the next begins: the least delay, at a lower rate"),
        LiveOptions(Effect.FRAME, group=Group.PACING),
    ] = False
    frame_buffer: Annotated[
        int,
        Field(
            ge=1, le=4, description="pictures that begin together: more to a network call, each waits for the others"
        ),
        LiveOptions(Effect.FRAME, unit="pictures", group=Group.PACING),
    ] = 1
    max_rate: Annotated[
        int,
        Field(ge=0, le=240, description="the most pictures that are drawn a second; 0 is as many as can be"),
        LiveOptions(Effect.FRAME, unit="pictures/s", stays=True, group=Group.PACING),
    ] = 0
    preset: Annotated[
        str,
        Field(max_length=100, description="the look on air; setting it loads that look"),
        LiveOptions(Effect.FRAME, in_presets=False),
    ] = ""
    freeze: Annotated[
        bool, Field(description="hold the picture on air"), LiveOptions(Effect.OUTPUT, in_presets=False)
    ] = False
    blackout: Annotated[
        bool, Field(description="fade the output to black"), LiveOptions(Effect.OUTPUT, in_presets=False)
    ] = False
    brightness: Annotated[
        float, Field(ge=0, le=1, description="master fader"), LiveOptions(Effect.OUTPUT, in_presets=False)
    ] = 1.0
    fade: Annotated[
        float,
        Field(ge=0, le=30, description="how long blackout and its release take"),
        LiveOptions(Effect.OUTPUT, unit="s", in_presets=False),
    ] = 0.0

    @field_validator("prompt", mode="before")
    @classmethod
    def _one_text_is_a_prompt(cls, value: object) -> object:
        return ({"text": value},) if isinstance(value, str) else value


class RebuildParameters(BaseModel):
    """Parameters that a renderer is built with. A change of one starts a new renderer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Annotated[
        str,
        Field(max_length=1000, description="'shipped', or a folder in diffusers format"),
        LiveOptions(Effect.REBUILD),
    ] = "shipped"
    width: Annotated[
        int,
        Field(ge=64, le=2048, multiple_of=32, description="width of the picture the model draws"),
        LiveOptions(Effect.REBUILD, unit="px"),
    ] = 256
    height: Annotated[
        int,
        Field(ge=64, le=2048, multiple_of=32, description="height of the picture the model draws"),
        LiveOptions(Effect.REBUILD, unit="px"),
    ] = 256
    accelerator: Annotated[
        Literal["auto", "openvino", "onnxruntime", "tensorrt", "tensorrt_rtx", "eager", "compile", "cuda_graphs"],
        Field(description="what runs the network; auto takes the fastest that works here and says why"),
        LiveOptions(Effect.REBUILD),
    ] = "auto"
    attention: Annotated[
        Literal["sdpa", "flash", "xformers"],
        Field(
            description="what computes attention where torch runs the network: torch's own choice, or that one alone"
        ),
        LiveOptions(Effect.REBUILD),
    ] = "sdpa"
    fallback: Annotated[
        bool,
        Field(
            description="another accelerator may play where the one asked for can't; off, the reason is all there is"
        ),
        LiveOptions(Effect.REBUILD),
    ] = False
    engine: Annotated[
        str,
        Field(
            max_length=1000,
            description="a compiled network to play in the model's place, an ONNX or TensorRT file; empty is none",
        ),
        LiveOptions(Effect.REBUILD),
    ] = ""


class Parameters(RebuildParameters, LiveParameters):
    """One immutable snapshot of everything a performer can turn. The fields of the last base come first."""


class Action(NamedTuple):
    """Something that happens once when it is asked for; it has no value to read back."""

    address: str
    description: str
    argument: str = ""
    """What its one argument is, or empty if it takes none. A button's 0 (its release) does nothing."""


ACTIONS = (
    Action(
        "/panic",
        "cut to the safe picture, release freeze and blackout, put the look's own values back;"
        " the first picture drawn with them takes over",
    ),
    Action("/next", "load the next preset"),
    Action("/previous", "load the preset before"),
    Action("/save", "save the look as it is now", argument="the preset's name"),
    Action("/undo_save", "bring back what the last save replaced; several times for the saves before it"),
    Action("/prompt", "one prompt alone, at full weight", argument="the text"),
)
