"""Options of ``streamflow-live run`` that say who reaches a show, and which places its messages may name."""

from pathlib import Path
from typing import Annotated

import typer

from daemon.commands.run_options import CONTROL, SHOW
from daemon.stage.settings import Settings

OscAllowOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ADDRESS|NETWORK",
        help="Whom OSC and OSCQuery hear beyond this machine, as in 192.168.1.0/24. Repeatable. It keeps strangers out,"
        " and protects from nobody who forges an address: OSC has no passwords and no encryption.",
        rich_help_panel=CONTROL,
    ),
]
WebTokenOption = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN|new",
        envvar="STREAMFLOW_LIVE_WEB_TOKEN",
        help="Token of a page that is open to a network (default: one that is made and kept). It protects the page,"
        " HTTP and WebSockets from who lacks it, not from who listens in: nothing is encrypted.",
        rich_help_panel=CONTROL,
    ),
]
AllowFolderOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FOLDER",
        help="Let messages name files of this folder, to read and to write. Repeatable. Otherwise they may name only"
        " the folders of presets, recordings and models, and what presets and this command line name.",
        rich_help_panel=SHOW,
    ),
]
AllowDestinationOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HOST[:PORT]|NETWORK|ndi:NAME",
        help="Let messages name sources and sinks there: a host, a network such as 192.168.1.0/24, an NDI sender or"
        " its machine, or ndi: for all of NDI. Repeatable. Otherwise they may name only this machine, and what presets"
        " and this command line name.",
        rich_help_panel=SHOW,
    ),
]


def opened(folders: list[Path] | None, destinations: list[str] | None) -> Settings:
    """Return settings with these places open to messages. Raises `SettingsError` for one that is not valid."""
    from daemon.stage.opened_destinations import read_destinations
    from daemon.stage.opened_places import allowed_folders

    return Settings(
        allow_folders=allowed_folders(folders or ()), allow_destinations=read_destinations(destinations or ())
    )
