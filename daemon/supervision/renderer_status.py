"""What the show says of its renderers: the one that is shown, and the one that is on its way."""

from typing import Any

from daemon.supervision.renderer_process import RendererProcess


def described(renderer: RendererProcess) -> dict[str, Any]:
    """A renderer as the status has it, JSON-able."""
    peer = renderer.peer
    return {
        "phase": peer.phase,
        "text": peer.text,
        "fraction": peer.fraction,
        "pid": renderer.pid,
        "step_ms": round(peer.seconds * 1000, 2),
        "in_flight": peer.in_flight,
        "pacing": peer.pacing,
        "delivered": peer.delivered,
        "misplaced": peer.misplaced,
        "size": list(peer.size),
        **peer.description,
    }


def meanwhile(on_air: RendererProcess, coming: RendererProcess) -> str:
    """``plays on eager while tensorrt is built (43 %)``: what is on air, what is awaited and how far it is."""
    plays = on_air.peer.description.get("accelerator", on_air.build.accelerator)
    awaited = coming.peer.slow or coming.build.accelerator
    what = str(coming.build) if awaited in (plays, "auto") else awaited
    how_far = f" ({coming.peer.fraction:.0%})".replace("%", " %") if coming.peer.fraction > 0 else ""
    return f"plays on {plays} while {what} is built{how_far}"


def too_short_for_both(on_air: RendererProcess, coming: RendererProcess, verdict: str) -> str:
    """Why what was coming is given up, where the memory did not suffice for it beside what draws the same."""
    ahead = "; streamflow-live build makes it ready ahead of a show" if coming.peer.slow else ""
    return f"the memory is too short for it beside {on_air.build}, which is on air{ahead}: {verdict}"
