"""The command that makes the shipped model from nothing: ``python -m pipeline.shipped.train``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.shipped.configuration import MODEL_FOLDER, PLAN
from pipeline.shipped.stages import Workshop

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def train(
    output: Annotated[Path, typer.Option(help="Folder the model is written to.")] = MODEL_FOLDER,
    work: Annotated[Path, typer.Option(help="Folder for checkpoints and cached pictures.")] = Path(".training"),
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoints in the work folder.")] = False,
    quick: Annotated[bool, typer.Option(help="Walk through every stage in half a minute; for tests.")] = False,
    autoencoder_minutes: Annotated[float | None, typer.Option(help="Minutes for the autoencoder.")] = None,
    flow_minutes: Annotated[float | None, typer.Option(help="Minutes for the flow.")] = None,
    distil_minutes: Annotated[float | None, typer.Option(help="Minutes for distillation; 0 leaves it out.")] = None,
    polish_minutes: Annotated[float | None, typer.Option(help="Minutes for the decoder alone, at the end.")] = None,
    pictures: Annotated[int | None, typer.Option(help="Scenes the flow learns from.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of pictures, captions and weights.")] = None,
) -> None:
    """Draw the pictures, train the autoencoder, the flow and its few-step student, and write the model folder."""
    asked: dict[str, Any] = {
        "autoencoder_minutes": autoencoder_minutes,
        "flow_minutes": flow_minutes,
        "distil_minutes": distil_minutes,
        "polish_minutes": polish_minutes,
        "pictures": pictures,
        "seed": seed,
    }
    plan = replace(PLAN.quick() if quick else PLAN, **{key: value for key, value in asked.items() if value is not None})
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("beginning", total=1.0)

        def report(share: float, line: str) -> None:
            progress.update(bar, completed=share, description=line)

        workshop = Workshop(plan, work, output, report, resume)
        for name, stage in workshop.stages():
            summary = stage()
            console.print(f"{name}: {summary}")
    console.print(f"{output}: {workshop.export() / 1e6:.1f} MB, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    app()
