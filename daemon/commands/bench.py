"""``streamflow-live bench``: the promised speed, measured here."""

import signal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from daemon.commands.terminal import Terminal

PAPER = "The paper's measurements"


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="a few, within three minutes; figures scatter more")] = False,
    only: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="only these measurements; 'paper' is all of the paper's")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.05, max=600, help="of each turn that is counted (default: 5; quick: 1)")
    ] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="write the document to this file, row by row")] = None,
    results: Annotated[
        Path | None, typer.Option(help="folder for DATE-DEVICE.json, .md and plots, as in benchmarks/results")
    ] = None,
    go_on: Annotated[
        bool,
        typer.Option(
            "--resume", help="leave out what the document there has (--json's first), of this machine and versions"
        ),
    ] = False,
    list_them: Annotated[bool, typer.Option("--list", help="say what can be measured, and stop")] = False,
    model: Annotated[
        str, typer.Option(help="'shipped', or a folder in diffusers format", rich_help_panel=PAPER)
    ] = "shipped",
    architecture: Annotated[
        str | None, typer.Option(help="a true network with random weights, as sd15-perflow", rich_help_panel=PAPER)
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=64, max=2048, help="px a side", rich_help_panel=PAPER, show_default="the model's")
    ] = None,
    steps: Annotated[str, typer.Option(help="the step counts", rich_help_panel=PAPER)] = "1,4,8",
    precision: Annotated[
        str, typer.Option(help="float32, float16 or bfloat16, of every row", rich_help_panel=PAPER)
    ] = "",
    accelerators: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="only these", rich_help_panel=PAPER)
    ] = None,
    full_autoencoder: Annotated[
        bool, typer.Option("--full-autoencoder", help="begin with Stable Diffusion's own", rich_help_panel=PAPER)
    ] = False,
    largest: Annotated[int | None, typer.Option(help="px a side of `sizes`", rich_help_panel=PAPER)] = None,
    pictures: Annotated[int, typer.Option(min=3, help="that `quality` compares", rich_help_panel=PAPER)] = 24,
    footage: Annotated[
        Path | None, typer.Option(help="the clip that `quality` redraws (default: the card)", rich_help_panel=PAPER)
    ] = None,
    clip: Annotated[
        Path | None, typer.Option(help="a CLIP model's folder, for the CLIP score", rich_help_panel=PAPER)
    ] = None,
    inception: Annotated[
        Path | None, typer.Option(help="a TorchScript Inception, for the Fréchet distance", rich_help_panel=PAPER)
    ] = None,
) -> None:
    """Measure this machine. Status 0 even where a target is missed; 1 where something could not be measured."""
    # Imported here so that --help of every command answers at once.
    from dataclasses import replace

    from benchmarks import catalogue, machine, options, runner
    from benchmarks.plan import BenchPlan, EvaluationSettings
    from benchmarks.report import plots, resume, tables
    from benchmarks.report.document import Results, write_text
    from daemon.shared.scratch_folder import scratch_folder
    from presets.errors import SettingsError, StreamflowError

    if list_them:
        for measurement in catalogue.MEASUREMENTS:
            print(f"{measurement.name:<11} {measurement.description}")
        return
    chosen = catalogue.chosen(only, quick)
    given: dict[str, Any] = {
        "size": size or (options.architecture_size(architecture) if architecture else 256),
        "precision": options.known_precision(precision),
        "steps": options.whole_numbers(steps, "--steps"),
        "accelerators": options.accelerators(accelerators),
        "largest": largest,
        "pictures": pictures,
        "footage": footage,
        "clip": clip,
        "inception": inception,
    }
    about = {"model": architecture or model, "full_autoencoder": full_autoencoder}
    plain = {key: value if isinstance(value, int | None) else str(value) for key, value in (about | given).items()}
    facts = machine.facts() | {"quick": quick, "subject": plain}
    slug = machine.slug(facts["gpu"] or facts["device"]) + (f"-{architecture}" if architecture else "")
    out, err = Terminal(highlight=False), Terminal(stderr=True, highlight=False)
    found = Results(facts)
    stem = f"{facts['date'][:10]}-{slug}"
    if go_on and (path := resume.earlier(as_json, results, slug)):
        document = resume.read_document(path)
        if reason := resume.other(document, facts):
            if path in (as_json, results and results / f"{stem}.json"):  # where this one would be written
                raise SettingsError(
                    f"{path} is of another bench ({reason}): name another place, or leave --resume out to write over it"
                )
            err.print(f"{path} is of another bench ({reason}): all is measured anew", style="yellow", markup=False)
        else:
            stem = resume.stem_of(path, document, results, slug, stem)
            resume.take_over(found, document)
            err.print(f"going on from {path}: {len(found.rows)} rows", soft_wrap=True, markup=False)
    found.paths = tuple(path for path in (as_json, results and results / f"{stem}.json") if path)
    found.save()  # a place that can't be written is said before anything is measured
    if warning := machine.busy():
        err.print(warning, style="yellow", soft_wrap=True, markup=False)
    # SIGTERM ends a bench as Ctrl-C does: by way of every block that ends a child.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    said = TextColumn("{task.description}", markup=False)
    columns = (SpinnerColumn(), said, MofNCompleteColumn(), TimeElapsedColumn())
    with (
        scratch_folder() as folder,
        Progress(*columns, console=err) as progress,
    ):
        bar = progress.add_task("", total=len(chosen))

        def watch(name: str, text: str) -> None:
            done = len(set(found.complete) & {measurement.name for measurement in chosen})
            progress.update(bar, completed=done, description=f"{name}: {text}")

        def tell(name: str, finding: Any) -> None:
            if isinstance(finding, StreamflowError):
                err.print(f"[red]{name}:[/red] {escape(str(finding))}", soft_wrap=True)
            elif isinstance(finding, dict):
                err.print(Text(tables.line(finding)), soft_wrap=True)

        subject = EvaluationSettings(model=model, name="shipped model" if model == "shipped" else Path(model).name)
        if architecture and not {measurement.name for measurement in chosen} <= set(found.complete):
            watch(architecture, "writing its weights")
            subject = options.write_architecture(architecture, folder)
        subject = replace(subject, **given, full_autoencoder=full_autoencoder or subject.full_autoencoder)
        pairs, kills = (2, 1) if quick else (5, 3)
        plan = BenchPlan(folder, seconds or (1.0 if quick else 5.0), pairs, kills, quick, subject)
        runner.run(chosen, plan, found, watch, tell)
    tables.print_tables(found.document(), out)
    if results is not None:
        write_text(results / f"{stem}.md", tables.markdown(found.document()))
        out.print(plots.written(found.document(), results, stem), soft_wrap=True, markup=False)
    if missed := sum(not target.met for target in found.targets):
        out.print(f"\n{missed} of {len(found.targets)} targets are missed here.")
    if found.failures:
        raise typer.Exit(1)
