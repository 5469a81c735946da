"""A scripted show of ten minutes: set list, morphs and prompts on beats, LFOs, panic, and a look saved with a mistake.

The beats are counted from `/resync`. A look that is asked for between two beats has to be on air on the next one: its
error is the time from that beat to the first frame at the sink that was drawn with it. The controls are recorded, and
rendered onto a clip afterwards.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from benchmarks.show.osc_sender import OscSender
from benchmarks.show.received_frames import (
    ReceivedFrame,
    distinct_fps,
    distinct_frames,
    intervals_ms,
    quantile,
    tick_intervals_ms,
)
from benchmarks.show.rendered_script import render_script
from benchmarks.show.show_process import ShowProcess
from benchmarks.show.show_script import BEAT, BPM, OWN_LOOK, ShowScript, write_files
from benchmarks.stream.measure_pipeline import MODEL
from daemon.shared.clock import NS

FPS = 30
PERIOD_MS = 1000 / FPS
MINUTES_PER_SECOND = 2.0
"""Minutes of a show for each second of a turn in the plan: ten minutes by default."""
QUICK = 64.0
"""Seconds of a show with ``--quick``."""
LANDING = 1.5
"""Seconds after a beat within which a look has to be on air to count as landed on it."""


class Landing(NamedTuple):
    """A look that was asked for, and the beat that it had to be on."""

    name: str
    sent_at: int
    beat_at: int
    revision: int
    """Revision of the picture on air when it was asked for."""


class PlayedScript(NamedTuple):
    """Everything that was seen of a scripted show."""

    seconds: float
    began: int
    ended: int
    frames: list[ReceivedFrame]
    landings: list[Landing]
    panics: list[int]
    before: dict[str, Any]
    """Status at the start."""
    after: dict[str, Any]
    grown_mib: float
    """Growth of the memory of stage and renderer."""


def measure_scripted(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Play the script, read every frame at the sink, and render the recorded controls."""
    folder = plan.folder / "scripted"
    controls = folder / "controls.jsonl"
    played = _play_show(plan, folder, controls, progress)
    frames, began, ended = played.frames, played.began, played.ended
    errors = [error for landing in played.landings if (error := beat_error_ms(landing, frames)) is not None]
    if not errors:
        raise NotMeasured("no look came on its beat")
    refused = played.after["refusals"]["total"] - played.before["refusals"]["total"]
    if not refused or OWN_LOOK not in str(played.after["refusals"]):
        raise NotMeasured("the look with a mistake was not refused")
    yield {
        "configuration": f"a scripted show at {BPM:g} beats a minute, 256x256, output at {FPS} fps",
        "minutes": played.seconds / 60,
        "fps": distinct_fps(frames, began, ended),
        "ticks": len(frames),
        **_gaps(frames),
        "missed_ticks": played.after["missed_ticks"] - played.before["missed_ticks"],
        "slates": sum(not frame.rendered for frame in frames) - sum(_slates(frames, at) for at in played.panics),
        "black": sum(not frame.is_lit for frame in frames),
        **_beats(errors, len(played.landings)),
        "panics": len(played.panics),
        "panic_to_pictures_ms": max((_pictures_after(frames, at) for at in played.panics), default=0.0),
        "refused": refused,
        "restarts": played.after["renderer"]["restarts"],
        "memory_grows_mib": played.grown_mib,
    }
    yield SpeedTarget("longest gap of the output in a scripted show, periods", _longest(frames), 2.0, at_least=False)
    p95 = quantile([abs(error) for error in errors], 0.95) / PERIOD_MS
    yield SpeedTarget("error of a look on its beat (p95), periods", p95, 0.5, at_least=False)
    progress("rendering the recorded controls")
    yield render_script(folder, controls, played.seconds / 2 if plan.quick else played.seconds, FPS)


def _play_show(plan: BenchPlan, folder: Path, controls: Path, progress: Progress) -> PlayedScript:
    presets, cues = write_files(folder)
    options = ("--set-list", str(cues), "--record-controls", str(controls))
    source = "pattern:tunnel?size=256x256&fps=30"
    with (
        ShowProcess(folder, MODEL | {"steps": 1}, source=source, fps=FPS, options=options) as show,
        OscSender(show.osc_port) as osc,
    ):
        script = ShowScript(presets, osc, QUICK if plan.quick else plan.seconds * MINUTES_PER_SECOND * 60)
        progress("starting a show")
        show.first_frame()
        time.sleep(3.0)
        before, memory = show.status(), sum(show.memory_mib())
        for address, value in (("/bpm", BPM), ("/quantise", "beat")):
            osc.send(address, value)
        time.sleep(0.5)
        osc.send("/resync")
        began = time.monotonic_ns()
        landings, panics = _play(script, show, progress, began)
        ended = time.monotonic_ns()
        after, grown = show.status(), sum(show.memory_mib()) - memory
    frames = [frame for frame in show.reader.frames if began <= frame.at < ended]
    return PlayedScript(script.seconds, began, ended, frames, landings, panics, before, after, grown)


def _play(script: ShowScript, show: ShowProcess, progress: Progress, began: int) -> tuple[list[Landing], list[int]]:
    """Perform the events at their beats. Return the looks that were asked for, and the times of the panics."""
    landings, panics = [], []
    for event in script.events():
        _wait_until(began + round(event.beat * BEAT * NS))
        progress(f"{event.name}, {event.beat * BEAT / 60:.1f} of {script.seconds / 60:.1f} minutes")
        sent = time.monotonic_ns()
        if event.is_quantised:
            beat = began + round((int(event.beat) + 1) * BEAT * NS)
            landings.append(Landing(event.name, sent, beat, show.reader.frames[-1].revision))
        if event.name == "panic":
            panics.append(sent)
        event.act()
    _wait_until(began + round(script.seconds * NS))
    return landings, panics


def beat_error_ms(landing: Landing, frames: Sequence[ReceivedFrame]) -> float | None:
    """Return the time from the beat to the first frame drawn with the look; None if there is none near the beat."""
    late = landing.beat_at + round(LANDING * NS)
    first = next((f for f in frames if landing.sent_at < f.at < late and f.revision > landing.revision), None)
    return None if first is None else (first.at - landing.beat_at) / 1e6


def _beats(errors: Sequence[float], asked: int) -> dict[str, float]:
    return {
        "looks_on_beats": len(errors),
        "looks_that_missed": asked - len(errors),
        "beat_error_p50_ms": statistics.median(errors),
        "beat_error_p95_ms": quantile([abs(error) for error in errors], 0.95),
        "beat_error_longest_ms": max(map(abs, errors)),
    }


def _gaps(frames: Sequence[ReceivedFrame]) -> dict[str, float]:
    gaps = tick_intervals_ms(frames)
    pictures = intervals_ms([frame.at for frame in distinct_frames(frames)])
    return {
        "gap_p99_ms": quantile(gaps, 0.99),
        "longest_gap_ms": max(gaps),
        "longest_time_without_new_picture_ms": max(pictures, default=0.0),
    }


def _longest(frames: Sequence[ReceivedFrame]) -> float:
    return max(tick_intervals_ms(frames)) / PERIOD_MS


def _slates(frames: Sequence[ReceivedFrame], panic: int) -> int:
    """Return the frames of the safe picture after a panic."""
    return sum(not frame.rendered and panic <= frame.at < panic + NS for frame in frames)


def _pictures_after(frames: Sequence[ReceivedFrame], panic: int) -> float:
    """Return the milliseconds from a panic until pictures are on air again after the safe picture."""
    # The safe picture may be left out: the first picture drawn after the panic takes its place.
    after = [frame for frame in frames if panic < frame.at < panic + 2 * NS]
    safe = next((place for place, frame in enumerate(after) if not frame.rendered), 0)
    back = next((frame for frame in after[safe:] if frame.rendered), None)
    if back is None:
        raise NotMeasured("no picture came after a panic")
    return (back.at - panic) / 1e6


def _wait_until(moment: int) -> None:
    time.sleep(max(0.0, (moment - time.monotonic_ns()) / NS))
