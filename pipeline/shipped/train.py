"""Command that trains the shipped model from scratch: ``python -m pipeline.shipped.train``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.shipped.configuration import MODEL_FOLDER, PLAN
from pipeline.shipped.networks import ModelUnfit
from pipeline.shipped.source_pictures import PicturesMissing
from pipeline.shipped.stages import ModelTraining

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def train(
    output: Annotated[Path, typer.Option(help="Folder to write the model to.")] = MODEL_FOLDER,
    work: Annotated[Path, typer.Option(help="Folder for checkpoints and cached images.")] = Path(".training"),
    photographs: Annotated[
        Path, typer.Option(help="Folder that Debian's lomiri-wallpapers-16.04 and openclipart-png are unpacked in.")
    ] = Path("/"),
    start: Annotated[
        Path | None, typer.Option(help="Exported model to train further, in place of random weights.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Continue from the checkpoints in the work folder.")] = False,
    quick: Annotated[bool, typer.Option(help="Run every stage in about half a minute, for tests.")] = False,
    autoencoder_minutes: Annotated[float | None, typer.Option(help="Minutes for the autoencoder.")] = None,
    flow_minutes: Annotated[float | None, typer.Option(help="Minutes for the flow.")] = None,
    polish_minutes: Annotated[float | None, typer.Option(help="Minutes for the decoder alone, 0 to skip it.")] = None,
    words_minutes: Annotated[float | None, typer.Option(help="Minutes for the text encoder alone.")] = None,
    autoencoder_rate: Annotated[float | None, typer.Option(help="Learning rate of the autoencoder.")] = None,
    flow_rate: Annotated[float | None, typer.Option(help="Learning rate of the flow.")] = None,
    composed_share: Annotated[
        float | None, typer.Option(help="Share of the flow's passes over motifs without a source, 0 to 1.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of torch. Fewer than cores where others work.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of images, captions and weights.")] = None,
) -> None:
    """Draw the images, train the autoencoder, the text encoder and the flow, and write the model folder."""
    if threads is not None:
        torch.set_num_threads(threads)
    options: dict[str, Any] = {
        "autoencoder_minutes": autoencoder_minutes,
        "flow_minutes": flow_minutes,
        "polish_minutes": polish_minutes,
        "words_minutes": words_minutes,
        "autoencoder_rate": autoencoder_rate,
        "flow_rate": flow_rate,
        "composed_share": composed_share,
        "seed": seed,
    }
    plan = replace(
        PLAN.quick() if quick else PLAN, **{key: value for key, value in options.items() if value is not None}
    )
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("starting", total=1.0)

        def report(share: float, line: str) -> None:
            progress.update(bar, completed=share, description=line)

        try:
            training = ModelTraining(plan, work, output, report, resume, photographs, start)
        except (ModelUnfit, PicturesMissing) as error:
            console.print(str(error))
            raise typer.Exit(2) from error
        for name, stage in training.stages():
            summary = stage()
            console.print(f"{name}: {summary}")
    console.print(f"{output}: {training.export() / 1e6:.1f} MB, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    app()
