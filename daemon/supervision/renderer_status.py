"""What the show says of its renderers: the one that is shown, and the one that is on its way."""

from typing import Any

from daemon.supervision.renderer_process import RendererProcess


def described(renderer: RendererProcess) -> dict[str, Any]:
    """A renderer as the status has it, JSON-able."""
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


def meanwhile(on_air: RendererProcess, coming: RendererProcess) -> str:
    """``plays on eager while tensorrt is built (43 %)``: what is on air, what is awaited and how far it is."""
    plays = on_air.report.description.values.get("accelerator", on_air.build.accelerator)
    takes_long, fraction = coming.report.takes_long, coming.report.progress.fraction
    awaited = coming.build.accelerator if takes_long is None else takes_long.accelerator
    what = str(coming.build) if awaited in (plays, "auto") else awaited
    how_far = f" ({fraction:.0%})".replace("%", " %") if fraction > 0 else ""
    return f"plays on {plays} while {what} is built{how_far}"


def too_short_for_both(on_air: RendererProcess, coming: RendererProcess, verdict: str) -> str:
    """Why what was coming is given up, where the memory did not suffice for it beside what draws the same."""
    ahead = "; streamflow-live build makes it ready ahead of a show" if coming.report.takes_long else ""
    return f"the memory is too short for it beside {on_air.build}, which is on air{ahead}: {verdict}"
