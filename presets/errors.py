"""Errors of streamflow-live: one base class and a shallow tree, each with a sentence that a VJ can act on.

    StreamflowError
    ├── SettingsError           a command-line option or address that can't be used
    ├── PresetError             a preset file that is refused whole: path, line, expected value
    │   └── ConfirmationNeeded  a save that replaces a shipped preset, until it is sent again
    ├── ControlsError           a recording of controls that is refused whole: path, line, expected value
    ├── ParameterRefused        a live value that can't be coerced; the output stays as it was
    ├── BridgeError             a source, sink or control failed while it was open
    │   └── BridgeUnavailable   it can't run here: the reason, and what to install or start
    ├── ModelError              a model folder that is missing, incomplete or of an unknown kind
    │   └── ModelTooLarge       a model that needs more memory than there is, even alone
    ├── AcceleratorUnavailable  an accelerator that can't work here: the reason and the remedy
    ├── BuildError              an engine that could not be built ahead of the show
    ├── CacheError              an engine that can't be stored on disk; it still plays
    ├── MemoryShort             too little memory on the device or the machine
    ├── ScheduleError           steps, strength or timesteps out of the schedule's range
    ├── StreamError             a latent, slot or conditioning that does not fit the stream
    ├── ProcessorError          a file of a processor that is refused, or one that fails: file, line, problem
    └── RendererError           a renderer process that could not be started, or died too often

They are at the bottom of the import order so that every folder can raise them.
"""


class StreamflowError(Exception):
    """Base of every error this program raises on purpose. ``str(error)`` is a sentence for the user."""


class SettingsError(StreamflowError):
    """A command-line option or an address that can't be used."""


class PresetError(StreamflowError):
    """A preset or state file that is refused whole, with its path, the line and the expected value."""


class ConfirmationNeeded(PresetError):
    """A save that replaces a shipped preset, until the same request is sent again."""


class ControlsError(StreamflowError):
    """A recording of controls that is refused whole, with its path, the line and what was expected."""


class ParameterRefused(StreamflowError):
    """A live value that can't be coerced to the parameter's type."""


class BridgeError(StreamflowError):
    """A source, sink or control failed; it may be opened again."""


class BridgeUnavailable(BridgeError):
    """A source, sink or control that can't run on this machine now."""


class ModelError(StreamflowError):
    """A model folder that is missing, incomplete or of an unknown kind."""


class ModelTooLarge(ModelError):
    """A model that needs more memory than there is, even if nothing else plays."""


class AcceleratorUnavailable(StreamflowError):
    """A requested accelerator that can't work here."""


class BuildError(StreamflowError):
    """An engine that could not be built ahead of the show."""


class CacheError(StreamflowError):
    """An engine that can't be stored on disk."""


class MemoryShort(StreamflowError):
    """Too little memory on the device or the machine. A smaller size or model may fit."""


class ScheduleError(StreamflowError):
    """Steps, strength or a timestep out of the schedule's range."""


class StreamError(StreamflowError):
    """A latent, slot or conditioning that does not fit the stream."""


class ProcessorError(StreamflowError):
    """A file of a processor that is refused, or a processor that fails, with its file, the line and the problem."""


class RendererError(StreamflowError):
    """A renderer process that could not be started, or died too often."""
