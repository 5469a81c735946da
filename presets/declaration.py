"""Vocabulary of the declaration in `presets.parameters`, and the actions, which have no value."""

from enum import StrEnum
from typing import NamedTuple


class Effect(StrEnum):
    """Place where a change of a parameter takes effect."""

    OUTPUT = "output"
    """In the stage, at the next tick of the output clock. It needs no renderer."""
    FRAME = "frame"
    """With the next picture admitted to the stream."""
    CONDITIONING = "conditioning"
    """With the first picture admitted after the text encoder has finished."""
    REBUILD = "rebuild"
    """In a new renderer, which takes over when it delivers."""
    SOURCE = "source"
    """In the stage, where frames come in: with the next frame. It needs no renderer."""


class Group(StrEnum):
    """Place of a control on a surface, in the order in which a performer looks for it."""

    PROMPTS = "prompts"
    STYLE = "style"
    MOVEMENT = "movement"
    LFO = "lfo"
    FEEDBACK = "feedback"
    LORAS = "loras"
    CONTROLNET = "controlnet"
    IP_ADAPTER = "ip_adapter"
    PROCESSORS = "processors"
    SOURCE = "source"
    MIX = "mix"
    OUTPUT = "output"
    PACING = "pacing"
    RENDERER = "renderer"


class LiveOptions(NamedTuple):
    """Properties of a parameter beyond its type and range."""

    effect: Effect
    unit: str = ""
    in_presets: bool | None = None
    """True for a control that a preset may hold; None for all but those with `Effect.OUTPUT`.

    No preset may black out or freeze a show.
    """
    stays: bool = False
    """True if a preset that does not name the parameter leaves it as it is; a performer sets it for all presets."""
    group: Group | None = None
    """Group on a surface; None follows from the effect."""
    moves: bool = True
    """False for a number that no LFO may move: a length of time, a speed that adds up, a limit."""


NORM, ADD = "/norm", "/add"
"""Ends of further addresses of a parameter: its value as a share of its range, and a change of its value."""

LOCK = "/lock"
"""Address of the switch under which a show refuses what could disturb it."""


LFOS = 4
"""Number of LFOs."""

TRIGGERS = tuple(f"/lfo/{place}/trigger" for place in range(1, LFOS + 1))
"""Addresses of the actions that start the envelope of an LFO, in the order of the LFOs."""


class Action(NamedTuple):
    """A command that happens once. It has no value to read back."""

    address: str
    description: str
    argument: str = ""
    """Description of its one argument; empty if it takes none. A button's 0 (its release) does nothing."""
    disturbs: bool = False
    """True for an action that a locked show refuses."""


ACTIONS = (
    Action(
        "/panic",
        "cut to the safe picture, release freeze and blackout, and go back to the preset's own values;"
        " the first picture drawn with them takes over",
    ),
    Action("/next", "load the next preset"),
    Action("/previous", "load the previous preset"),
    Action("/save", "save the controls as a preset", argument="the preset's name", disturbs=True),
    Action("/undo_save", "restore what the last save replaced; repeat for the saves before it", disturbs=True),
    Action("/sink/add", "add a sink, until the show ends", argument="the address of a sink", disturbs=True),
    Action("/sink/open", "open a sink that has stopped again", argument="the address of a sink, or its number"),
    Action("/sink/remove", "remove a sink", argument="the address of a sink, or its number", disturbs=True),
    Action("/cue/go", "go on to the next cue of the set list"),
    Action("/cue/back", "go back to the cue before"),
    Action("/cue/jump", "jump to a cue of the set list", argument="the number of a cue, or its preset"),
    Action("/record/controls", "record the controls to a new file", argument="the name of the recording"),
    Action("/record/stop", "end the recording of the controls"),
    Action("/play/controls", "play recorded controls once", argument="the name of the recording", disturbs=True),
    Action("/play/loop", "play recorded controls in a loop", argument="the name of the recording", disturbs=True),
    Action("/play/stop", "stop the recorded controls"),
    Action(
        "/midi/learn",
        "map the MIDI control that moves next",
        argument="an address, and a value if it needs one",
        disturbs=True,
    ),
    Action("/midi/cancel", "stop learning a MIDI control"),
    Action("/midi/forget", "remove a MIDI control", argument="the control, such as cc 7, or an address", disturbs=True),
    Action(
        "/audio/input",
        "hear another audio input, until the show ends",
        argument="a part of its name; default; off",
        disturbs=True,
    ),
    Action("/backup/take", "have the backup go on air in place of the first show"),
    Action("/backup/release", "have the first show go on air again in place of its backup"),
    Action("/tap", "set the tempo by taps, one for each beat"),
    Action("/beat", "set the beat of now, to the instant", argument="a number; 0 is the first beat of a bar"),
    Action("/resync", "start the beats anew: now is beat 0, the first of a bar"),
    *(Action(address, "start the envelope of this LFO") for address in TRIGGERS),
    Action("/prompt", "set one prompt alone, at full weight", argument="the text"),
)
