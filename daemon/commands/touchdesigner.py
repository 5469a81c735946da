"""``streamflow-live touchdesigner``: print what to paste into TouchDesigner."""

from pathlib import Path
from typing import Annotated

import typer

import io_bridges
from daemon.commands.terminal import Terminal

INTO = "/project1"
"""COMP in which the component is built, unless another is named."""


def touchdesigner(
    page: Annotated[str, typer.Option(help="Address of the show's page.")] = "http://127.0.0.1:8090",
    osc_port: Annotated[int, typer.Option(help="UDP port of the show's OSC.")] = 9000,
    into: Annotated[str, typer.Option(help="COMP to build the component in.")] = INTO,
) -> None:
    """Print the lines that build the show's component in TouchDesigner.

    Paste them into the Textport (Alt+T) while the show is running with
    --source shm:touchdesigner --sink shm:streamflow. docs/touchdesigner.md
    goes step by step. 'streamflow-live layout touchdesigner -o FILE.py'
    writes them to a file. Untested inside TouchDesigner itself.
    """
    Terminal(highlight=False).print(build_lines(page, "127.0.0.1", osc_port, into), soft_wrap=True, markup=False)


def build_lines(page: str, host: str, osc_port: int, into: str = INTO) -> str:
    """Return the lines that build the component.

    Args:
        page: Address of the show's page.
        host: Host of the show's OSC.
        osc_port: UDP port of the show's OSC.
        into: COMP to build the component in.
    """
    lines = (
        f"import sys; sys.path.append({str(Path(str(io_bridges.__file__)).parents[1])!r})",
        "from io_bridges.touchdesigner.component import build",
        f"build(op({into!r}), page={page!r}, osc=({host!r}, {osc_port}))",
    )
    return "\n".join(lines)
