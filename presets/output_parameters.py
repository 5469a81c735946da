"""Declaration of the parameters of the output: what happens to a picture on its way out, whatever renderer drew it.

One that changes pixels is read in `io_bridges.output_grade`. The output clock reads the others.

Presets hold such a control only with `in_presets=True`. A float that they hold glides from preset to preset. `/panic`
resets it to the preset's own value, and to its default if the preset has none, unless it `stays`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from presets.declaration import Effect, Group, LiveOptions


class OutputParameters(BaseModel):
    """Parameters that act at the next tick of the output clock. A preset holds those that say so (`in_presets`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    freeze: Annotated[bool, Field(description="hold the picture on air"), LiveOptions(Effect.OUTPUT)] = False
    blackout: Annotated[bool, Field(description="fade the output to black"), LiveOptions(Effect.OUTPUT)] = False
    brightness: Annotated[
        float,
        Field(ge=0, le=1, description="master fader; 0 is black"),
        LiveOptions(Effect.OUTPUT),
    ] = 1.0
    between: Annotated[
        Literal["hold", "blend", "flow"],
        Field(
            description="pictures between two drawn ones: none, cross-faded or moved; the output is one picture later"
        ),
        LiveOptions(Effect.OUTPUT, in_presets=True, stays=True, group=Group.PACING),
    ] = "hold"
    fade: Annotated[
        float,
        Field(ge=0, le=30, description="time that blackout and its release take"),
        LiveOptions(Effect.OUTPUT, unit="s", stays=True, moves=False),
    ] = 0.0
    lock: Annotated[
        bool,
        Field(
            description="refuse what could disturb the show: model, size, sources, sinks, saves, Ctrl-C; looks,"
            " faders, blackout and panic work"
        ),
        LiveOptions(Effect.OUTPUT, stays=True),
    ] = False
