"""Declaration of the processors: files of the user's that change pictures before they are drawn, or after.

A place takes the name of a file in the folder of processors, never a path. Its numbers are those that the file declares
first, second and so on, each as a share of its range.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from presets.declaration import Effect, Group, LiveOptions

PROCESSORS = 4
"""Number of places."""

PROCESSOR_VALUES = 4
"""Most numbers that a processor may declare."""

NAME_PATTERN = r"^([A-Za-z_][A-Za-z0-9_-]{0,63})?$"
"""Form of a name: one that no path has. Empty is none."""


Share = Annotated[float, Field(ge=0, le=1, description="number of the processor, as a share of its range")]


class ProcessorPlace(BaseModel):
    """One processor and its numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[
        str,
        Field(
            max_length=64,
            pattern=NAME_PATTERN,
            description="processor in this place: the name of a file in the folder of processors; empty is none",
        ),
    ] = ""
    active: Annotated[bool, Field(description="false passes pictures by this processor")] = True
    value1: Share = 0.5
    value2: Share = 0.5
    value3: Share = 0.5
    value4: Share = 0.5

    @property
    def values(self) -> tuple[float, ...]:
        """Shares of the ranges of its numbers, 0 to 1, in their order."""
        return self.value1, self.value2, self.value3, self.value4


class ProcessorParameters(BaseModel):
    """Parameters of the processors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    processor: Annotated[
        tuple[ProcessorPlace, ...],
        Field(max_length=PROCESSORS, description="files of yours that change pictures, in this order"),
        LiveOptions(Effect.SOURCE, group=Group.PROCESSORS),
    ] = ()
