"""A process that only keeps a rate: the ticks that it misses are those that nothing on this busy machine can keep."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_CODE = """
import sys, threading, time
period, over = int(sys.argv[1]), threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
due, missed = time.monotonic_ns(), 0
while not over.is_set():
    time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
    late = (time.monotonic_ns() - due) // period
    missed += late
    due += (late + 1) * period
print(missed)
"""


@contextmanager
def bare_clock(fps: float = 30) -> Iterator[list[int]]:
    """Keep a rate beside the block. The list has the number of missed ticks after it."""
    missed: list[int] = []
    command = [sys.executable, "-S", "-c", _CODE, str(round(1e9 / fps))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield missed
        finally:
            output, _ = process.communicate(timeout=30)
            missed.append(int(output))
