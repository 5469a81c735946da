"""A model made ready in this process, with a progress bar: what `render` and `build` begin with."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from daemon.commands.terminal import Terminal
from daemon.shared.thread_pool import run_in_threads
from pipeline.image_stream import ImageStream
from presets.build import Build
from presets.parameters import Parameters


def progress_bar() -> Progress:
    """On standard error, so that standard output can be piped."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Terminal(stderr=True))


def ready_stream(parameters: Parameters, threads: int | None, progress: Progress) -> ImageStream:
    """The stream that these parameters ask for. Raises what `ImageStream.build` raises."""
    loading = progress.add_task("loading the model", total=100)
    stream = ImageStream.build(
        Build.of(parameters, threads=threads),
        lambda text, fraction: progress.update(loading, description=text, completed=round(fraction * 100)),
        run_in_threads,
    )
    progress.update(loading, description=f"{stream.description['accelerator']} is ready", completed=100)
    return stream
