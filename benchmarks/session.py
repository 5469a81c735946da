"""One run of the bench, from the command's options to the printed tables and the written documents."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from benchmarks import catalogue, machine, options, runner
from benchmarks.plan import BenchPlan, EvaluationSettings
from benchmarks.report import plots, resume, tables
from benchmarks.report.document import Results, write_text
from daemon.shared.scratch_folder import scratch_folder
from presets.errors import SettingsError, StreamflowError


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """Options of ``streamflow-live bench`` as given on the command line."""

    quick: bool
    only: str | None
    seconds: float | None
    json_path: Path | None
    results: Path | None
    resume: bool
    model: str
    architecture: str | None
    size: int | None
    steps: str
    precision: str
    accelerators: str | None
    among: str | None
    full_autoencoder: bool
    largest: int | None
    pictures: int
    footage: Path | None
    clip: Path | None
    inception: Path | None
    sheets: Path | None

    def evaluation_fields(self) -> dict[str, Any]:
        """Return the fields of `EvaluationSettings` that the options set. Raise `SettingsError` for a bad value."""
        own_size = options.architecture_size(self.architecture) if self.architecture else 256
        return {
            "size": self.size or own_size,
            "precision": options.known_precision(self.precision),
            "steps": options.whole_numbers(self.steps, "--steps"),
            "accelerators": options.accelerators(self.accelerators),
            "among": options.several_models(self.among),
            "largest": self.largest,
            "pictures": self.pictures,
            "footage": self.footage,
            "clip": self.clip,
            "inception": self.inception,
            "sheets": self.sheets,
        }


def run_bench(given: BenchOptions, out: Console, err: Console) -> bool:
    """Measure, print and write. Return False if something could not be measured.

    Raises:
        SettingsError: an option is wrong, or a file cannot be written. Nothing has been measured then.
    """
    chosen = catalogue.chosen(given.only, given.quick)
    fields = given.evaluation_fields()
    facts = _facts(given, fields)
    slug = machine.slug(facts["gpu"] or facts["device"])
    slug += f"-{given.architecture}" if given.architecture else ""
    slug += "" if given.model == "shipped" else f"-{machine.slug(Path(given.model).name)}"
    found = Results(facts)
    stem = _resume(given, found, slug, err)
    found.paths = _document_paths(given, stem)
    found.save()  # a place that can't be written is reported before anything is measured
    if warning := machine.busy():
        err.print(warning, style="yellow", soft_wrap=True, markup=False)
    with _one_interrupt():
        _measure(given, fields, chosen, found, err)
    tables.print_tables(found.document(), out)
    if given.results is not None:
        write_text(given.results / f"{stem}.md", tables.markdown(found.document()))
        out.print(plots.write_plots(found.document(), given.results, stem), soft_wrap=True, markup=False)
    if missed := sum(not target.met for target in found.targets):
        out.print(f"\n{missed} of {len(found.targets)} targets are missed here.")
    return not found.failures


@contextmanager
def _one_interrupt() -> Iterator[None]:
    """Raise `KeyboardInterrupt` on the first SIGINT or SIGTERM, and ignore those that follow.

    Every block that owns a child process ends it on `KeyboardInterrupt`. A second one would leave children running.
    """
    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        numbers.append(signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}

    interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        # The handler stays: Python reports a race for a signal that arrives while SIG_IGN takes its place.
        if not interrupted:
            interrupted = True
            raise KeyboardInterrupt

    for number in numbers:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _facts(given: BenchOptions, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the head of the document: facts about the machine, and the settings."""
    about = {"model": given.architecture or given.model, "full_autoencoder": given.full_autoencoder}
    set_by_options = about | {key: value for key, value in fields.items() if key != "sheets"}  # no figure depends on it
    plain = {key: value if isinstance(value, int | None) else str(value) for key, value in set_by_options.items()}
    return machine.facts() | {"quick": given.quick, "subject": plain}


def _document_paths(given: BenchOptions, stem: str) -> tuple[Path, ...]:
    in_results = given.results / f"{stem}.json" if given.results else None
    return tuple(path for path in (given.json_path, in_results) if path)


def _resume(given: BenchOptions, found: Results, slug: str, err: Console) -> str:
    """Restore an earlier document into `found` if --resume is given. Return the stem of the files to write.

    Raises:
        SettingsError: the document of another bench would be overwritten.
    """
    stem = f"{found.facts['date'][:10]}-{slug}"
    path = resume.find_earlier(given.json_path, given.results, slug) if given.resume else None
    if path is None:
        return stem
    document = resume.read_document(path)
    if reason := resume.difference(document, found.facts):
        if path in _document_paths(given, stem):
            raise SettingsError(
                f"{path} is of another bench ({reason}): give another path, or omit --resume to overwrite it"
            )
        err.print(f"{path} is of another bench ({reason}): everything is measured again", style="yellow", markup=False)
        return stem
    stem = resume.resumed_stem(path, document, given.results, slug, stem)
    resume.restore(found, document)
    err.print(f"resuming {path}: {len(found.rows)} rows", soft_wrap=True, markup=False)
    return stem


def _measure(
    given: BenchOptions,
    fields: dict[str, Any],
    chosen: Sequence[catalogue.Measurement],
    found: Results,
    err: Console,
) -> None:
    """Run the chosen measurements under a progress bar. Their findings go into `found`."""
    names = {measurement.name for measurement in chosen}
    text = TextColumn("{task.description}", markup=False)
    columns = (SpinnerColumn(), text, MofNCompleteColumn(), TimeElapsedColumn())
    with scratch_folder() as folder, Progress(*columns, console=err) as progress:
        bar = progress.add_task("", total=len(chosen))

        def on_progress(name: str, text: str) -> None:
            progress.update(bar, completed=len(set(found.complete) & names), description=f"{name}: {text}")

        def on_finding(name: str, finding: Any) -> None:
            if isinstance(finding, StreamflowError):
                err.print(f"[red]{name}:[/red] {escape(str(finding))}", soft_wrap=True)
            elif isinstance(finding, dict):
                err.print(Text(tables.line(finding)), soft_wrap=True)

        model = given.model
        settings = EvaluationSettings(model=model, name="shipped model" if model == "shipped" else Path(model).name)
        if given.architecture and not names <= set(found.complete):
            on_progress(given.architecture, "writing random weights")
            settings = options.write_architecture(given.architecture, folder)
        full_autoencoder = given.full_autoencoder or settings.full_autoencoder
        settings = replace(settings, **fields, full_autoencoder=full_autoencoder)
        pairs, kills = (2, 1) if given.quick else (5, 3)
        seconds = given.seconds or (1.0 if given.quick else 5.0)
        runner.run(
            chosen, BenchPlan(folder, seconds, pairs, kills, given.quick, settings), found, on_progress, on_finding
        )
