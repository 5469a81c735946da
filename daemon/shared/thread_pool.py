"""Work that is done at once, by threads of its own: the pipeline starts none, and is handed this."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def run_in_threads(work: Sequence[Callable[[], Any]]) -> Iterator[Any]:
    """Begins all of it, a piece a core, and yields the answers in order; a piece that fails raises there."""
    executor = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="at-once")
    futures = [executor.submit(piece) for piece in work]
    executor.shutdown(wait=False)
    return (future.result() for future in futures)
