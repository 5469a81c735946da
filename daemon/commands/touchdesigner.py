"""``streamflow-live touchdesigner``: print what to paste into TouchDesigner."""

from pathlib import Path
from typing import Annotated

import typer

import io_bridges
from daemon.commands.terminal import Terminal


def touchdesigner(
    page: Annotated[str, typer.Option(help="Address of the show's page.")] = "http://127.0.0.1:8090",
    osc_port: Annotated[int, typer.Option(help="UDP port of the show's OSC.")] = 9000,
    into: Annotated[str, typer.Option(help="COMP to build the component in.")] = "/project1",
) -> None:
    """Print the lines that build the show's component in TouchDesigner.

    Paste them into the Textport (Alt+T) while the show is running with
    --source shm:touchdesigner --sink shm:streamflow. docs/touchdesigner.md
    goes step by step. Untested inside TouchDesigner itself.
    """
    root = Path(str(io_bridges.__file__)).parents[1]
    lines = (
        f"import sys; sys.path.append({str(root)!r})",
        "from io_bridges.touchdesigner.component import build",
        f"build(op({into!r}), page={page!r}, osc=('127.0.0.1', {osc_port}))",
    )
    Terminal(highlight=False).print("\n".join(lines), soft_wrap=True, markup=False)
