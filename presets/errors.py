"""The errors of streamflow-live: one base class, a shallow tree, each with a sentence a VJ can act on.

    StreamflowError
    ├── SettingsError           a command-line option or address that can't be meant as it stands
    ├── PresetError             a preset file is refused whole: path, line, what was expected
    │   └── ConfirmationNeeded  a save that replaces a shipped preset, until it is sent again
    ├── ParameterRefused        a live value that can't be coerced; what was on air stays on air
    ├── BridgeError             a source, sink or control failed while it was open
    │   └── BridgeUnavailable   it can't run here: why, and what to install or start
    ├── ModelError              a model folder that is missing, incomplete or of an unknown kind
    ├── AcceleratorUnavailable  a requested accelerator can't work here: why, and what would mend it
    ├── BuildError              what a look needs could not be made ready ahead of the show
    ├── CacheError              what was built can't be kept on disk; it plays all the same
    ├── MemoryShort             the memory of the device or of the machine does not suffice
    ├── ScheduleError           steps, strength or timesteps outside what the schedule can take
    ├── StreamError             a latent, slot or conditioning that does not fit the stream
    └── RendererError           the renderer process could not be started, or gave up

They live at the bottom of the import order so that every folder can raise them.
"""


class StreamflowError(Exception):
    """Base of every error this program raises on purpose; ``str(error)`` is a sentence for a person."""


class SettingsError(StreamflowError):
    """A command-line option or an address that can't be meant as it stands."""


class PresetError(StreamflowError):
    """A preset or state file that is refused whole: its path, its line and what was expected."""


class ConfirmationNeeded(PresetError):
    """A save that replaces a shipped preset, until the same request is sent again."""


class ParameterRefused(StreamflowError):
    """A live value that can't be coerced to what the parameter takes."""


class BridgeError(StreamflowError):
    """A source, sink or control failed; it may be opened again."""


class BridgeUnavailable(BridgeError):
    """A source, sink or control that can't run on this machine as it is."""


class ModelError(StreamflowError):
    """A model folder that is missing, incomplete or of an unknown kind."""


class AcceleratorUnavailable(StreamflowError):
    """A requested accelerator that can't work here."""


class BuildError(StreamflowError):
    """What a look needs could not be made ready ahead of the show."""


class CacheError(StreamflowError):
    """What was built can't be kept on disk."""


class MemoryShort(StreamflowError):
    """The memory of the device or of the machine does not suffice; a smaller size or model may fit."""


class ScheduleError(StreamflowError):
    """Steps, strength or a timestep outside what the schedule can take."""


class StreamError(StreamflowError):
    """A latent, slot or conditioning that does not fit the stream."""


class RendererError(StreamflowError):
    """The renderer process could not be started, or died too often."""
