"""Declaration of the movement of other parameters: the tempo, and the low-frequency oscillators (LFOs)."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from presets.declaration import LFOS, Effect, Group, LiveOptions

BEATS_IN_A_BAR = 4

NO_TARGET = "none"
"""Target of an LFO that moves nothing. `presets.parameter_table.LFO_TARGETS` has the others."""

LfoShape = Literal[
    "sine",
    "triangle",
    "rise",
    "fall",
    "square",
    "pulse",
    "noise",
    "steps",
    "envelope",
    "level",
    "bass",
    "mid",
    "treble",
    "onset",
]
"""Periodic shapes, one that starts on an event, and the features of the sound, `presets.movement.Heard`."""


class Lfo(BaseModel):
    """One oscillator and the number that it moves."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    target: Annotated[
        str,
        Field(max_length=100, description="number that this LFO moves around its value; none leaves the LFO out"),
    ] = NO_TARGET
    shape: Annotated[
        LfoShape,
        Field(
            description="course of one period: rise and fall are saws, pulse jumps up and dies away, noise wanders"
            " smoothly, steps jump, envelope rises and falls once at each start; or of the sound that run --audio"
            " hears: level, bass, mid, treble, onset"
        ),
    ] = "sine"
    amount: Annotated[
        float,
        Field(
            ge=-1, le=1, description="swing to each side, as a share of half of the number's range; below 0 inverted"
        ),
    ] = 0.5
    period: Annotated[float, Field(ge=0.05, le=600, description="length of one period, in beats or seconds")] = 4.0
    timing: Annotated[Literal["beats", "seconds"], Field(description="unit of the period")] = "beats"
    phase: Annotated[float, Field(ge=0, le=1, description="place in the period at which beat 0 finds it")] = 0.0
    attack: Annotated[
        float, Field(ge=0, le=1, description="share of an envelope's period in which it rises; it falls in the rest")
    ] = 0.0
    start: Annotated[
        Literal["beat", "onset", "trigger"],
        Field(description="start of an envelope: each beat, each onset of the sound, or /lfo/1/trigger alone"),
    ] = "beat"


class LfoParameters(BaseModel):
    """Parameters that move others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bpm: Annotated[
        float,
        Field(ge=20, le=400, description="tempo of the LFOs that count beats; /tap sets it too"),
        LiveOptions(Effect.FRAME, unit="beats/min", in_presets=False, stays=True, group=Group.LFO, moves=False),
    ] = 120.0
    quantise: Annotated[
        Literal["off", "beat", "bar"],
        Field(description="looks that are asked for wait for the next beat, or for the next bar of four beats"),
        LiveOptions(Effect.FRAME, in_presets=False, stays=True, group=Group.LFO),
    ] = "off"
    lfo: Annotated[
        tuple[Lfo, ...],
        Field(max_length=LFOS, description="oscillators that move numbers"),
        LiveOptions(Effect.FRAME, group=Group.LFO),
    ] = ()
