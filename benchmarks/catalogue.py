"""The measurements of the bench by name, in the order they run."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from benchmarks.paper.measure_ablation import measure_ablation, measure_forward
from benchmarks.paper.measure_latency import measure_autoencoder, measure_decode, measure_latency
from benchmarks.paper.measure_quality import measure_quality
from benchmarks.paper.measure_speed import measure_rivals, measure_sizes, measure_table
from benchmarks.plan import Measure
from benchmarks.show.measure_daemon import measure_daemon
from benchmarks.show.measure_delay import measure_delay, measure_message
from benchmarks.show.measure_flood import measure_flood
from benchmarks.show.measure_show import measure_interval, measure_recovery, measure_start
from benchmarks.show.measure_sweep import measure_sweep
from benchmarks.show.measure_switch import measure_switch
from benchmarks.stream.measure_pipeline import measure_denoiser, measure_stream
from benchmarks.stream.measure_steps import measure_affine, measure_mixed, measure_overhead, measure_pipelining
from presets.errors import SettingsError


class Measurement(NamedTuple):
    """A row of the table: another measurement is another one of these."""

    name: str
    description: str
    measure: Measure
    asked_for: bool = False
    """Whether it is taken only when it is named, or its group is: it lasts."""
    quick: bool = False
    """Whether ``--quick`` takes it."""
    group: str = ""
    """A name for several."""
    by_row: bool = False
    """Whether it leaves out the rows that an earlier bench has measured."""


PAPER: Mapping[str, Any] = {"asked_for": True, "group": "paper", "by_row": True}

MEASUREMENTS = (
    Measurement("stream", "the bare stream: distinct pictures a second", measure_stream, quick=True),
    Measurement("daemon", "the daemon against the bare pipeline, interleaved pairs", measure_daemon),
    Measurement("denoiser", "one batched call against single calls; whole pictures beside it", measure_denoiser),
    Measurement("overhead", "a step of the stream beyond its network call", measure_overhead),
    Measurement("affine", "a solver's step for many samples, against diffusers' scheduler one by one", measure_affine),
    Measurement("mixed", "steps and strength another every picture, against constant ones", measure_mixed),
    Measurement("pipelining", "what streaming saves, for 1 to 8 steps", measure_pipelining),
    Measurement("delay", "what the stage adds before and after the renderer", measure_delay, quick=True),
    Measurement("message", "which picture has an OSC message first", measure_message, quick=True),
    Measurement("flood", "the rate under 5,000 OSC messages a second", measure_flood),
    Measurement("start", "from `run` to the slate and to the first picture", measure_start),
    Measurement("interval", "how evenly the output ticks, beside a bare metronome", measure_interval),
    Measurement("recovery", "kill -9 of the renderer: gap and time to recover", measure_recovery),
    Measurement("switch", "another accelerator on a running show: the longest gap of the output", measure_switch),
    Measurement("sweep", "ten minutes of faders at random: nothing lost, memory flat", measure_sweep, asked_for=True),
    Measurement("table1", "rivals, the vanilla loop, and every gain upon it", measure_table, quick=True, **PAPER),
    Measurement("rivals", "the stream directly against the rivals", measure_rivals, **PAPER),
    Measurement("ablation", "what each part brings, taking one at a time out", measure_ablation, **PAPER),
    Measurement("latency", "a picture's age beside the pictures a second", measure_latency, quick=True, **PAPER),
    Measurement("forward", "one call for mixed timesteps, against one for each", measure_forward, **PAPER),
    Measurement("decode", "several pictures decoded in one call, against one by one", measure_decode, **PAPER),
    Measurement("quality", "the stream's pictures against diffusers' own", measure_quality, **PAPER),
    Measurement("sizes", "64 to 1024 px, each accelerator, each mode", measure_sizes, **PAPER),
    Measurement("autoencoder", "the tiny autoencoder against the full one", measure_autoencoder, **PAPER),
)

ALL = "all"


def chosen(names: str | None, quick: bool = False) -> tuple[Measurement, ...]:
    """The measurements in a comma-separated list of names and groups, in their own order.

    For None all but those that last, or if it must be `quick` those few; ``all`` is all of them.

    Raises `SettingsError`.
    """
    if names is None:
        return tuple(each for each in MEASUREMENTS if (each.quick if quick else not each.asked_for))
    wanted = {name.strip() for name in names.split(",")} - {""}
    groups = {each.group for each in MEASUREMENTS} - {""}
    known = {each.name for each in MEASUREMENTS} | groups | {ALL}
    unknown = sorted(wanted - known)
    if unknown or not wanted:
        listed = ", ".join([*(each.name for each in MEASUREMENTS), *sorted(groups), ALL])
        raise SettingsError(f"the bench measures no {', '.join(map(repr, unknown)) or 'nothing'}; it knows {listed}")
    return tuple(each for each in MEASUREMENTS if wanted & {each.name, each.group, ALL})
