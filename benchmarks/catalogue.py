"""Table of all measurements, in the order they run."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from benchmarks.model.measure_model import measure_model
from benchmarks.paper.measure_ablation import measure_ablation, measure_forward
from benchmarks.paper.measure_latency import measure_autoencoder, measure_decode, measure_latency
from benchmarks.paper.measure_quality import measure_quality
from benchmarks.paper.measure_speed import measure_rivals, measure_sizes, measure_table
from benchmarks.plan import BenchPlan, Measure, Progress
from benchmarks.report.findings import Finding
from benchmarks.show.measure_backup import measure_backup
from benchmarks.show.measure_daemon import measure_daemon
from benchmarks.show.measure_delay import measure_delay, measure_message
from benchmarks.show.measure_flood import measure_flood
from benchmarks.show.measure_frames import measure_frames
from benchmarks.show.measure_fuzz import measure_fuzz
from benchmarks.show.measure_models import measure_models
from benchmarks.show.measure_morph import measure_morph
from benchmarks.show.measure_page import measure_page
from benchmarks.show.measure_renderers import measure_renderers
from benchmarks.show.measure_scripted import measure_scripted
from benchmarks.show.measure_show import measure_interval, measure_recovery, measure_start
from benchmarks.show.measure_sweep import measure_sweep
from benchmarks.show.measure_switch import measure_switch
from benchmarks.show.measure_transport import measure_transport
from benchmarks.stream.measure_auto import measure_auto
from benchmarks.stream.measure_pipeline import measure_denoiser, measure_stream
from benchmarks.stream.measure_reuse import measure_reuse
from benchmarks.stream.measure_steps import measure_affine, measure_mixed, measure_overhead, measure_pipelining
from presets.errors import SettingsError


class Measurement(NamedTuple):
    """One measurement. A new measurement is a new row of `MEASUREMENTS`."""

    name: str
    description: str
    measure: Measure
    by_name_only: bool = False
    """True for a long measurement, which runs only if its name or its group is given."""
    quick: bool = False
    """True if ``--quick`` includes it."""
    group: str = ""
    """Name that selects several measurements."""
    by_row: bool = False
    """True if it skips the rows in `BenchPlan.known`, so that ``--resume`` continues row by row."""
    whole_when_alone: bool = False
    """True if ``--quick`` lets it end when it is the only one: minutes go by before its first figure."""


def _measure_eight_bits(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Import torch only for the measurement that computes in this process."""
    from benchmarks.stream.measure_eight_bits import measure_eight_bits

    yield from measure_eight_bits(plan, progress)


PAPER: Mapping[str, Any] = {"by_name_only": True, "group": "paper", "by_row": True}

MEASUREMENTS = (
    Measurement("stream", "distinct frames per second of the bare stream", measure_stream, quick=True),
    Measurement("daemon", "the daemon against the bare pipeline, in interleaved pairs", measure_daemon),
    Measurement("denoiser", "one batched call against single calls, and whole frames", measure_denoiser),
    Measurement("auto", "every accelerator and precision against `auto`, interleaved", measure_auto, by_name_only=True),
    Measurement("reuse", "gain and error of `reuse` on a moving clip, interleaved", measure_reuse, by_name_only=True),
    Measurement("eight_bits", "pictures of fp8 and int8 against float32", _measure_eight_bits, by_name_only=True),
    Measurement("overhead", "time of a stream step outside the network call", measure_overhead),
    Measurement("affine", "a batched solver step against diffusers' scheduler, one sample at a time", measure_affine),
    Measurement("mixed", "steps and strength that change every frame, against constant ones", measure_mixed),
    Measurement("pipelining", "speed-up by streaming, for 1 to 8 steps", measure_pipelining),
    Measurement("delay", "delay added by the stage before and after the renderer", measure_delay, quick=True),
    Measurement("message", "the first frame that follows an OSC message", measure_message, quick=True),
    Measurement("transport", "pictures between two processes: the bridges, and pyzmq alone", measure_transport),
    Measurement("frames", "frames of other layouts, and pictures between two drawn ones", measure_frames),
    Measurement("morph", "the rate during a morph", measure_morph),
    Measurement("flood", "the rate under 5,000 to 50,000 OSC messages per second, and what is lost", measure_flood),
    Measurement(
        "fuzz",
        "130,000 damaged messages on every port: crashes, gaps and memory",
        measure_fuzz,
        by_name_only=True,
        whole_when_alone=True,
    ),
    Measurement("page", "the stage with four pages that show the picture, against none", measure_page),
    Measurement("renderers", "2, 4 and 8 renderers against one, interleaved", measure_renderers, by_name_only=True),
    Measurement("start", "time from `run` to the slate and to the first frame", measure_start),
    Measurement("interval", "regularity of the output ticks, beside a bare metronome", measure_interval),
    Measurement("recovery", "kill -9 of the renderer: output gap and time to recover", measure_recovery),
    Measurement("backup", "kill -9 of a show with a backup: output gap until that plays", measure_backup),
    Measurement("switch", "a change of accelerator on a running show: the longest output gap", measure_switch),
    Measurement(
        "models", "ten changes of the model on a running show: gaps and memory", measure_models, by_name_only=True
    ),
    Measurement(
        "sweep", "ten minutes of random control changes: lost frames and memory", measure_sweep, by_name_only=True
    ),
    Measurement(
        "scripted",
        "ten minutes of a show by script: looks on beats, LFOs, panic, a broken look",
        measure_scripted,
        by_name_only=True,
        whole_when_alone=True,
    ),
    Measurement(
        "model",
        "quality of the model's pictures: words, source, motion, steps",
        measure_model,
        by_name_only=True,
        whole_when_alone=True,
    ),
    Measurement("table1", "rivals, the vanilla loop, and every gain over it", measure_table, quick=True, **PAPER),
    Measurement("rivals", "the stream directly against its rivals", measure_rivals, **PAPER),
    Measurement("ablation", "gain of each part, by removing one at a time", measure_ablation, **PAPER),
    Measurement("latency", "latency of a frame beside the frame rate", measure_latency, quick=True, **PAPER),
    Measurement("forward", "one call for mixed timesteps, against one call for each", measure_forward, **PAPER),
    Measurement("decode", "several frames decoded in one call, against one by one", measure_decode, **PAPER),
    Measurement("quality", "frames of the stream against those of diffusers", measure_quality, **PAPER),
    Measurement("sizes", "64 to 1024 px, each accelerator, each mode", measure_sizes, **PAPER),
    Measurement("autoencoder", "the tiny autoencoder against the full one", measure_autoencoder, **PAPER),
)

ALL = "all"


def chosen(names: str | None, quick: bool = False) -> tuple[Measurement, ...]:
    """Return the measurements of a comma-separated list of names and groups, in the order of the table.

    None selects all but the long ones, or the quick ones if `quick`. ``all`` selects everything.

    Raises:
        SettingsError: a name is unknown, or the list is empty.
    """
    if names is None:
        return tuple(each for each in MEASUREMENTS if (each.quick if quick else not each.by_name_only))
    wanted = {name.strip() for name in names.split(",")} - {""}
    groups = {each.group for each in MEASUREMENTS} - {""}
    known = {each.name for each in MEASUREMENTS} | groups | {ALL}
    unknown = sorted(wanted - known)
    listed = ", ".join([*(each.name for each in MEASUREMENTS), *sorted(groups), ALL])
    if unknown:
        raise SettingsError(f"--only has no measurement {', '.join(map(repr, unknown))}; it takes some of {listed}")
    if not wanted:
        raise SettingsError(f"--only names nothing; it takes some of {listed}")
    return tuple(each for each in MEASUREMENTS if wanted & {each.name, each.group, ALL})
