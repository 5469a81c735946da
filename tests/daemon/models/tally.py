"""`Tally`: pulls a model, and keeps what the pull announced and reported."""

from pathlib import Path

from daemon.models.pull import PullRequest, pull, pull_request


class Tally:
    """Bytes that a pull announced and reported."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.total = self.came = 0

    def pull(self, request: PullRequest | str, store: Path) -> Path:
        asked = pull_request(request) if isinstance(request, str) else request
        return pull(asked, store, self.said.append, self._set_total, self._add)

    def _set_total(self, count: int) -> None:
        self.total = count

    def _add(self, count: int) -> None:
        self.came += count
