"""A flood of OSC messages, ``python -m benchmarks.osc_flood``, from a process of its own."""

import time
from typing import Any

from benchmarks.child_requests import answer_requests
from benchmarks.osc_sender import OscSender, osc_message

_BEAT = 0.002


def flood(port: int, address: str, low: float, high: float, rate: float, seconds: float) -> dict[str, Any]:
    """`rate` messages a second to a UDP port of loopback, a fader drawn up and down; answers how many were sent."""
    fader = [osc_message(address, low + (high - low) * abs(step - 50) / 50) for step in range(100)]
    sent = 0
    began = time.monotonic()
    with OscSender(port) as osc:
        while (elapsed := time.monotonic() - began) < seconds:
            while sent < elapsed * rate:
                osc.send_datagram(fader[sent % len(fader)])
                sent += 1
            time.sleep(_BEAT)
    return {"sent": sent, "per_second": sent / (time.monotonic() - began)}


def main() -> None:
    """Answer until the bench is gone."""
    answer_requests({"flood": flood})


if __name__ == "__main__":
    main()
