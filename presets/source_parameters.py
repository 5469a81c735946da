"""Declaration of the parameters of the source: where frames come from."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from presets.declaration import Effect, Group, LiveOptions


class SourceParameters(BaseModel):
    """Parameters that act where frames come in. A preset leaves those that its file does not name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1000,
            description="where pictures come from, as --source takes it; the old one plays until the new one is open",
        ),
        LiveOptions(Effect.SOURCE, stays=True),
    ] = "card:"
    fit: Annotated[
        Literal["fill", "fit", "stretch"],
        Field(description="fill crops what does not fit the drawn size, fit shows all between bars, stretch distorts"),
        LiveOptions(Effect.SOURCE, stays=True),
    ] = "fill"
    zoom: Annotated[
        float,
        Field(ge=1, le=10, description="magnification of the source"),
        LiveOptions(Effect.SOURCE, stays=True),
    ] = 1.0
    pan_x: Annotated[
        float,
        Field(ge=-1, le=1, description="part of the source that is seen where it is cropped: -1 the left, 1 the right"),
        LiveOptions(Effect.SOURCE, stays=True),
    ] = 0.0
    pan_y: Annotated[
        float,
        Field(ge=-1, le=1, description="part of the source that is seen where it is cropped: -1 the bottom, 1 the top"),
        LiveOptions(Effect.SOURCE, stays=True),
    ] = 0.0
    flip_x: Annotated[
        bool, Field(description="mirror the source, left to right"), LiveOptions(Effect.SOURCE, stays=True)
    ] = False
    flip_y: Annotated[
        bool, Field(description="turn the source upside down, by mirroring"), LiveOptions(Effect.SOURCE, stays=True)
    ] = False
    source2: Annotated[
        str,
        Field(max_length=1000, description="second source, which lies over the first one; empty for none"),
        LiveOptions(Effect.SOURCE, stays=True, group=Group.MIX),
    ] = ""
    mix_mode: Annotated[
        Literal["fade", "add", "multiply", "screen", "difference", "luma_key", "chroma_key", "mask"],
        Field(
            description="way in which the second source changes the picture; luma_key lets its dark parts through,"
            " chroma_key those of one hue, and mask keeps the first source where the second is bright"
        ),
        LiveOptions(Effect.SOURCE, stays=True, group=Group.MIX),
    ] = "fade"
    mix: Annotated[
        float,
        Field(ge=0, le=1, description="amount of the second source; at 0 the first one plays alone"),
        LiveOptions(Effect.SOURCE, stays=True, group=Group.MIX),
    ] = 0.5
    key_hue: Annotated[
        float,
        Field(ge=0, le=1, description="hue that chroma_key removes: 0 is red, 0.333 green, 0.667 blue"),
        LiveOptions(Effect.SOURCE, stays=True, group=Group.MIX),
    ] = 0.333
    key_threshold: Annotated[
        float,
        Field(ge=0, le=1, description="brightness up to which luma_key removes, amount of hue chroma_key tolerates"),
        LiveOptions(Effect.SOURCE, stays=True, group=Group.MIX),
    ] = 0.2
    key_softness: Annotated[
        float,
        Field(ge=0, le=1, description="width of the edge above the threshold of a key; 0 is hard"),
        LiveOptions(Effect.SOURCE, stays=True, group=Group.MIX),
    ] = 0.1
    lost: Annotated[
        Literal["hold", "fade", "text", "slate"],
        Field(
            description="on air once the source is lost: its last picture, black, the prompt alone or the safe picture"
        ),
        LiveOptions(Effect.SOURCE, in_presets=False, stays=True),
    ] = "hold"
    lost_after: Annotated[
        float,
        Field(ge=0.5, le=600, description="time without a frame after which the source counts as lost"),
        LiveOptions(Effect.SOURCE, unit="s", in_presets=False, stays=True, moves=False),
    ] = 5.0
    lost_fade: Annotated[
        float,
        Field(ge=0, le=60, description="time that the change takes when the source is lost, and when it is back"),
        LiveOptions(Effect.SOURCE, unit="s", in_presets=False, stays=True, moves=False),
    ] = 2.0


SOURCE_KEYS = frozenset(SourceParameters.model_fields)
"""Keys of the parameters of the source."""
