"""Declaration of the parameters of the source: where frames come from."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from presets.declaration import Effect, LiveOptions


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


SOURCE_KEYS = frozenset(SourceParameters.model_fields)
"""Keys of the parameters of the source."""
