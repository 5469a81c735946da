"""Takeover: a show with a backup is killed, and one reader of its output waits for that of the backup."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from benchmarks.show.received_frames import ReceivedFrame, tick_intervals_ms
from benchmarks.show.show_process import FIRST_FRAME, ShowProcess
from benchmarks.stream.measure_pipeline import MODEL, NAME
from daemon.shared.clock import NS

FPS = 30
LOOK = {"/strength": 0.37, "/bpm": 131.0, "/freeze": False}
"""Values that the backup has to have when it takes over."""


class BackupProcess(ShowProcess):
    """A backup of another show. It has no sink of its own."""

    def __init__(self, folder: Path, first: ShowProcess) -> None:
        super().__init__(folder, {}, options=("--backup", f"127.0.0.1:{first.control_port}"))
        self.command = [each for each in self.command if each not in (str(folder / "look.yaml"), "--fresh")]
        for option in ("--source", "--sink", "--fps"):
            place = self.command.index(option)
            del self.command[place : place + 2]

    def wait_until(self, **wanted: object) -> dict[str, Any]:
        """Return the state of the pair once it has these values. Raise `NotMeasured` if it does not get them."""
        deadline = time.monotonic() + FIRST_FRAME
        while time.monotonic() < deadline:
            pair: dict[str, Any] = self.status().get("backup", {})
            if all(pair.get(key) == value for key, value in wanted.items()):
                return pair
            time.sleep(0.05)
        raise NotMeasured(f"the backup did not become {wanted}")


def measure_backup(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Kill the first of two shows, and measure the gap of the output and the time to the backup's first new picture."""
    gaps, waits, same = [], [], True
    for loss in range(plan.kills):
        first = ShowProcess(plan.folder / f"first-{loss}", MODEL, source="card:?size=256x256", fps=FPS)
        with first, BackupProcess(plan.folder / f"backup-{loss}", first) as backup:
            progress(f"starting a show and its backup, {loss + 1} of {plan.kills}")
            first.first_frame()
            for address, value in LOOK.items():
                first.set_value(address, value)
            backup.wait_for_renderer(lambda renderer: bool(renderer["phase"] == "playing"), "the backup")
            backup.wait_until(on_air=False, differs={})
            time.sleep(2.0)
            progress(f"kill -9 of the first show, {loss + 1} of {plan.kills}")
            lost_at = time.monotonic_ns()
            first.kill()
            backup.wait_until(on_air=True)
            first.reader.wait_for(lambda frame: frame.rendered, 10.0, "a picture of the backup", lost_at + NS // 4)
            time.sleep(1.0)
            frames = first.reader.since(lost_at - NS)
            gaps.append(max(tick_intervals_ms(frames)) / 1000)
            waits.append((new_picture(frames, lost_at).at - lost_at) / NS)
            same = same and all(backup.value(address) == value for address, value in LOOK.items())
    yield {
        "configuration": f"kill -9 of a show with a backup, {NAME}, output at {FPS} fps, on one machine",
        "losses": len(gaps),
        "gap_s": statistics.median(gaps),
        "gap_at_most_s": max(gaps),
        "new_picture_after_s": statistics.median(waits),
        "same_parameters": same,
    }
    yield SpeedTarget("gap of the output until the backup plays, s", max(gaps), 1.5, at_least=False)


def new_picture(frames: list[ReceivedFrame], lost_at: int) -> ReceivedFrame:
    """Return the second picture of the backup. The first one may be from before.

    Raises:
        NotMeasured: there is none.
    """
    later = [frame for frame in frames if frame.at > lost_at + NS // 4]
    for frame in later:
        if frame.rendered and frame.index != later[0].index:
            return frame
    raise NotMeasured("the backup drew no new picture")
