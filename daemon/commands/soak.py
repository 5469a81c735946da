"""``streamflow-live soak``: play a show for hours, break it all the time, and judge it."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from daemon.commands.terminal import Terminal, progress_bar, signals_as_ctrl_c
from daemon.shared.scratch_folder import scratch_folder
from presets.errors import SettingsError, StreamflowError


def soak(
    hours: Annotated[float, typer.Option(min=0.01, max=1000, help="Length of the soak.")] = 1.0,
    every: Annotated[float, typer.Option(min=5, max=3600, help="Seconds from one fault to the next.")] = 20.0,
    times: Annotated[
        int | None, typer.Option(min=1, help="Make each fault so many times, in place of --hours.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Make each fault once, ten seconds apart.")] = False,
    only: Annotated[str | None, typer.Option(metavar="FAULT,...", help="Make these faults only.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the order of the faults.")] = 1,
    model: Annotated[str, typer.Option(help="Model in place of the shipped one, as in a preset.")] = "",
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the verdict to this file, fault by fault.")
    ] = None,
    list_names: Annotated[bool, typer.Option("--list", help="List the faults and exit.")] = False,
) -> None:
    """Play a scripted show, break it every few seconds, and judge what came out.

    A show of its own plays on free ports. Its renderer is killed, stopped and starved of memory; its source and the
    clients of its sink are killed, frozen and lie; looks are saved with mistakes; floods and random bytes come in; its
    disk is full and its clock changes.
    The exit status is 1 if a target is missed.

    \b
    Examples:
      streamflow-live soak --hours 0.05
      streamflow-live soak --hours 8 --json night.json
      streamflow-live soak --only "renderer killed" --times 100
    """
    # Imported here so that --help of every command answers at once.
    from benchmarks import machine
    from benchmarks.report import tables
    from benchmarks.report.document import Results
    from benchmarks.soak.faults import FAULTS
    from benchmarks.soak.soak_show import NAME, Soak, SoakOptions

    out, err = Terminal(highlight=False), Terminal(stderr=True, highlight=False)
    if list_names:
        print("\n".join(FAULTS))
        return
    faults = [name.strip() for name in only.split(",")] if only else list(FAULTS)
    if unknown := [name for name in faults if name not in FAULTS]:
        raise SettingsError(f"--only has no fault {unknown[0]!r}; it takes some of {', '.join(FAULTS)}")
    problems = {name: problem for name in faults if (problem := FAULTS[name].problem())}
    if only and problems:
        raise SettingsError("; ".join(problems.values()))
    faults = [name for name in faults if name not in problems]
    results = Results(machine.facts(), (json_path,) if json_path else ())
    results.save()  # a file that can't be written is reported before anything starts
    if problems:
        results.leave_out(NAME, "; ".join(problems.values()))
    if warning := machine.busy():
        err.print(warning, style="yellow", soft_wrap=True, markup=False)
    with signals_as_ctrl_c(), scratch_folder() as folder, progress_bar() as bar:
        options = SoakOptions(hours, 10.0 if quick else every, seed, faults, model, 1 if quick else times or 0)
        task = bar.add_task("soak, minutes", total=round(options.longest / 60))
        tell = partial(bar.console.print, soft_wrap=True, markup=False, highlight=False)
        try:
            soaked = Soak(options, folder, results, tell)
            soaked.run(lambda made, seconds: bar.update(task, completed=round(seconds / 60)))
        except StreamflowError as error:
            results.fail(NAME, str(error))
    tables.print_tables(results.document(), out)
    if results.failures or not all(target.met for target in results.targets):
        raise typer.Exit(1)
