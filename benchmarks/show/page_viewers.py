"""Pages that show the live picture, as far as the show sees them: ``python -m benchmarks.show.page_viewers``.

Each answers a picture at once, as a browser that has drawn it.
"""

import asyncio
import time
from typing import Any

from websockets.asyncio.client import connect

from benchmarks.child_process import answer_requests


async def _view(url: str, seen: list[int]) -> None:
    async with connect(url, max_size=None) as socket:
        async for picture in socket:
            seen.append(len(picture))
            await socket.send("next")


async def _watch(port: int, pages: int, seconds: float) -> dict[str, Any]:
    seen: list[int] = []
    began = time.monotonic()
    tasks = [asyncio.create_task(_view(f"ws://127.0.0.1:{port}/ws/picture", seen)) for _ in range(pages)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    lasted = time.monotonic() - began
    return {"fps": len(seen) / pages / lasted, "mbit_a_second": sum(seen) * 8e-6 / pages / lasted}


def watch(port: int, pages: int, seconds: float) -> dict[str, Any]:
    """Watch the picture of a show on so many pages. Return pictures and megabits a second of each page."""
    return asyncio.run(_watch(port, pages, seconds))


def main() -> None:
    """Answer requests until standard input ends."""
    answer_requests({"watch": watch})


if __name__ == "__main__":
    main()
