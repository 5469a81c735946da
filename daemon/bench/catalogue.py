"""The measurements of the bench by name, in the order they run."""

from typing import NamedTuple

from daemon.bench.measure_daemon import measure_daemon
from daemon.bench.measure_delay import measure_delay, measure_message
from daemon.bench.measure_flood import measure_flood
from daemon.bench.measure_pipeline import measure_denoiser, measure_stream
from daemon.bench.measure_show import measure_interval, measure_recovery, measure_start
from daemon.bench.measure_steps import measure_affine, measure_mixed, measure_overhead, measure_pipelining
from daemon.bench.measure_sweep import measure_sweep
from daemon.bench.measure_switch import measure_switch
from daemon.bench.results import Measure
from presets.errors import SettingsError


class Measurement(NamedTuple):
    """A row of the table: another measurement is another one of these."""

    name: str
    description: str
    measure: Measure
    asked_for: bool = False
    """Whether it is taken only when it is named: it lasts."""


MEASUREMENTS = (
    Measurement("stream", "the bare stream: distinct pictures a second", measure_stream),
    Measurement("daemon", "the daemon against the bare pipeline, interleaved pairs", measure_daemon),
    Measurement("denoiser", "one batched call against single calls; whole pictures beside it", measure_denoiser),
    Measurement("overhead", "a step of the stream beyond its network call", measure_overhead),
    Measurement("affine", "a solver's step for many samples, against diffusers' scheduler one by one", measure_affine),
    Measurement("mixed", "steps and strength another every picture, against constant ones", measure_mixed),
    Measurement("pipelining", "what streaming saves, for 1 to 8 steps", measure_pipelining),
    Measurement("delay", "what the stage adds before and after the renderer", measure_delay),
    Measurement("message", "which picture has an OSC message first", measure_message),
    Measurement("flood", "the rate under 5,000 OSC messages a second", measure_flood),
    Measurement("start", "from `run` to the slate and to the first picture", measure_start),
    Measurement("interval", "how evenly the output ticks, beside a bare metronome", measure_interval),
    Measurement("recovery", "kill -9 of the renderer: gap and time to recover", measure_recovery),
    Measurement("switch", "another accelerator on a running show: the longest gap of the output", measure_switch),
    Measurement("sweep", "ten minutes of faders at random: nothing lost, memory flat", measure_sweep, asked_for=True),
)


def chosen(names: str | None) -> tuple[Measurement, ...]:
    """The measurements in a comma-separated list, in their own order; for None all but those that last.

    Raises `SettingsError`.
    """
    if names is None:
        return tuple(measurement for measurement in MEASUREMENTS if not measurement.asked_for)
    wanted = {name.strip() for name in names.split(",")} - {""}
    known = {measurement.name: measurement for measurement in MEASUREMENTS}
    unknown = sorted(wanted - known.keys())
    if unknown or not wanted:
        raise SettingsError(
            f"the bench measures no {', '.join(map(repr, unknown)) or 'nothing'}; it knows {', '.join(known)}"
        )
    return tuple(measurement for name, measurement in known.items() if name in wanted)
