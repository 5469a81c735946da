"""Options of ``streamflow-live run`` about the machine, which stand in a panel of their own in --help."""

from typing import Annotated, Any

import typer

from presets.build import TextEncoderRule, UnderstudyMode

MACHINE = "Machine"
"""Panel of the options in --help."""

MOST_THREADS = 1024
"""Most threads of a model. Torch crashes with millions, and starts each."""

ThreadsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_THREADS,
        help="Processor threads for the model (default: one for each core).",
        rich_help_panel=MACHINE,
    ),
]
GpuShareOption = Annotated[
    float | None,
    typer.Option(
        min=0.05,
        max=1,
        help="Share of the GPU's memory and time to use, if other programs draw too.",
        rich_help_panel=MACHINE,
    ),
]
TextEncoderOption = Annotated[
    TextEncoderRule,
    typer.Option(
        help="Large text encoder once its texts are encoded: keep it in memory, free it, or (auto) free it if"
        " memory is short.",
        rich_help_panel=MACHINE,
    ),
]
RenderersOption = Annotated[
    int,
    typer.Option(
        min=1,
        max=64,
        help="Renderers that draw at once: one a GPU, or several on a processor. docs/many-renderers.md tells of them.",
        rich_help_panel=MACHINE,
    ),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT|local",
        help="Have a Ray cluster run the renderers: the address of its head, or 'local' for one on this machine alone.",
        rich_help_panel=MACHINE,
    ),
]
UnderstudyOption = Annotated[
    UnderstudyMode,
    typer.Option(
        help="A second renderer, loaded and waiting, that takes over from a lost one: auto (on a processor with"
        " enough memory), on, or off.",
        rich_help_panel=MACHINE,
    ),
]
SkipMemoryCheckOption = Annotated[
    bool,
    typer.Option(
        "--skip-memory-check",
        help="Load a model even if the memory seems to be too short for it.",
        rich_help_panel=MACHINE,
    ),
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Log more, the renderer's messages too.", rich_help_panel=MACHINE)
]


def renderer_settings(renderers: int, cluster: str | None, understudy: UnderstudyMode) -> dict[str, Any]:
    """Return the settings of these options by name. Raises `SettingsError` for a cluster that can't be named so."""
    from daemon.cluster.address import ClusterAddress

    address = ClusterAddress.read(cluster) if cluster else None
    return {"renderers": renderers, "cluster": address, "understudy": understudy}
