"""Candidates of `auto`: the ways to play a model on this machine, the likelier first.

A way is an accelerator, a precision, and on a processor how many inference requests run side by side on how many
threads. What can't win is no candidate: eager torch takes twice as long as OpenVINO on every processor measured.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

FIELDS = ("accelerator", "precision", "requests", "threads")
ROUNDS = 3
"""Rounds of `Choices.challengers`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to play a model."""

    accelerator: str
    precision: str = ""
    """float32, float16 or bfloat16; empty is the accelerator's own choice."""
    requests: int = 0
    """Inference requests side by side; 0 is the accelerator's own choice."""
    threads: int = 0
    """Threads of all requests together; 0 is the accelerator's own choice."""

    def words(self, fields: tuple[str, ...] = FIELDS) -> str:
        """Return these fields in words: ``openvino float32, 2 requests, 2 threads``."""
        name = " ".join(getattr(self, field) for field in FIELDS[:2] if field in fields and getattr(self, field))
        counts = ((field, getattr(self, field)) for field in FIELDS[2:] if field in fields and getattr(self, field))
        counted = [f"{count} {field if count > 1 else field[:-1]}" for field, count in counts]
        return ", ".join(filter(None, (name, *counted)))


@dataclass(frozen=True, slots=True)
class Choices:
    """Options that are left to a measurement, the likelier first in each."""

    kinds: tuple[tuple[str, str], ...]
    """Pairs of accelerator and precision."""
    requests: tuple[int, ...] = (0,)
    threads: tuple[int, ...] = (0,)

    @property
    def likeliest(self) -> Candidate:
        """The candidate that plays while nothing is measured."""
        return Candidate(*self.kinds[0], self.requests[0], self.threads[0])

    @property
    def open(self) -> bool:
        """True if there is more than one candidate."""
        return len(self.kinds) * len(self.requests) * len(self.threads) > 1

    def __contains__(self, candidate: object) -> bool:
        return (
            isinstance(candidate, Candidate)
            and (candidate.accelerator, candidate.precision) in self.kinds
            and candidate.requests in self.requests
            and candidate.threads in self.threads
        )

    def challengers(self, number: int, best: Candidate) -> list[Candidate]:
        """Return the challengers of `best` in a round: another kind, other requests or other threads, all else equal.

        `number` is below `ROUNDS`. A round starts from the best of the round before, which keeps their number small.
        """
        changes: tuple[list[dict[str, Any]], ...] = (
            [{"accelerator": name, "precision": precision} for name, precision in self.kinds],
            [{"requests": count} for count in self.requests],
            [{"threads": count} for count in self.threads],
        )
        others = [replace(best, **change) for change in changes[number]]
        return [other for other in others if other != best]


def as_json(candidate: Candidate) -> dict[str, Any]:
    """Return a candidate as `read_candidate` takes it."""
    return asdict(candidate)


def read_candidate(value: object) -> Candidate:
    """Read a candidate that anybody may have written. Raises `ValueError` with what is wrong."""
    if not isinstance(value, dict) or sorted(value) != sorted(FIELDS):
        raise ValueError(f"a candidate has {', '.join(FIELDS)}")
    accelerator, precision, requests, threads = (value[field] for field in FIELDS)
    if not (isinstance(accelerator, str) and isinstance(precision, str)):
        raise ValueError("accelerator and precision of a candidate are texts")
    if not all(type(count) is int and 0 <= count <= 4096 for count in (requests, threads)):
        raise ValueError("requests and threads of a candidate are whole numbers")
    return Candidate(accelerator, precision, requests, threads)
