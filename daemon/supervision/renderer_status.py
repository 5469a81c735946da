"""Status of the renderers: the one on air, the one that starts, and the words that the log and the page have for it."""

from typing import Any

from daemon.supervision.build_attempts import BuildAttempts
from daemon.supervision.lineup import Lineup
from daemon.supervision.renderer_process import RendererProcess
from presets.build import Build


def renderer_status(lineup: Lineup, attempts: BuildAttempts) -> dict[str, Any]:
    """Return the status of the renderer on air, or else of the candidate, ready for JSON."""
    candidate, on_air = lineup.candidate, lineup.on_air
    shown = on_air or candidate
    if shown is None:
        return {"state": lineup.state, "phase": "down", "text": attempts.reason, "fraction": 0.0, "pid": 0}
    status = {"state": lineup.state, **described(shown)}
    if on_air is not None:
        status["why"] = attempts.in_place_of(on_air.build) or status.get("why", "")
    if on_air is not None and candidate is not None:
        progress, takes_long = candidate.report.progress, candidate.report.takes_long
        if takes_long is not None and on_air.build == named_stand_in(candidate):
            status["why"] = f"until {takes_long.accelerator} is built"
        status["next"] = {
            "build": str(candidate.build),
            "phase": progress.phase,
            "text": progress.text,
            "fraction": progress.fraction,
        }
        status["meanwhile"] = meanwhile(on_air, candidate)
    return status


def described(renderer: RendererProcess) -> dict[str, Any]:
    """Return the status of one renderer, ready for JSON."""
    progress, stats = renderer.report.progress, renderer.report.deliveries
    return {
        "phase": progress.phase,
        "text": progress.text,
        "fraction": round(progress.fraction, 3),
        "pid": renderer.pid,
        "step_ms": round(stats.call.seconds * 1000, 2),
        "in_flight": stats.call.in_flight,
        "pacing": stats.call.pacing,
        "delivered": stats.delivered,
        "misplaced": stats.misplaced,
        "size": list(stats.size),
        **renderer.report.description.values,
    }


def named_stand_in(candidate: RendererProcess) -> Build | None:
    """Return the build that can play until the candidate does; None unless the candidate takes long."""
    takes_long = candidate.report.takes_long
    build = None if takes_long is None else candidate.build.with_accelerator(takes_long.stand_in)
    return None if build == candidate.build else build


def meanwhile(on_air: RendererProcess, coming: RendererProcess) -> str:
    """Return ``plays on eager while tensorrt is built (43 %)``, or what the coming one waits for."""
    plays = on_air.report.description.values.get("accelerator", on_air.build.accelerator)
    takes_long, progress = coming.report.takes_long, coming.report.progress
    if progress.phase == "verifying":
        return f"plays on {plays}, {progress.text}"
    awaited = coming.build.accelerator if takes_long is None else takes_long.accelerator
    what = str(coming.build) if awaited in (plays, "auto") else awaited
    done = f" ({progress.fraction:.0%})".replace("%", " %") if progress.fraction > 0 else ""
    return f"plays on {plays} while {what} is built{done}"


def too_short_for_both(on_air: RendererProcess, coming: RendererProcess, reason: str) -> str:
    """Return the message for a build that does not fit into memory beside the build on air."""
    ahead = "; streamflow-live build makes it ready ahead of a show" if coming.report.takes_long else ""
    return f"the memory is too short for it beside {on_air.build}, which is on air{ahead}: {reason}"
