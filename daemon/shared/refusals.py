"""`Refusals`: how often messages were refused, by sender and by reason; bounded memory, bounded logging.

A stuck or hostile sender can make neither the counts nor the log grow: the oldest names fold into ``others``, and the
log has one line a second at most.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

log = logging.getLogger("control")

MOST_NAMES = 32
LONGEST = 120
LOG_INTERVAL = 1.0
OTHERS = "others"


class Refusals:
    """Counts of refused messages; safe from any thread."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` gives seconds on a monotonic clock; it paces the log."""
        self._now = now
        self._lock = threading.Lock()
        self._total = 0
        self._senders: OrderedDict[str, int] = OrderedDict()
        self._reasons: OrderedDict[str, int] = OrderedDict()
        self._others = {"senders": 0, "reasons": 0}
        self._log_at = -LOG_INTERVAL
        self._unlogged = 0

    def count(self, sender: str, reason: str, sentence: str = "") -> None:
        """One more. `reason` is what it is counted under, `sentence` what the log says (`reason` if empty)."""
        sender, reason = _plain(sender), _plain(reason)
        with self._lock:
            self._total += 1
            self._others["senders"] += _more(self._senders, sender)
            self._others["reasons"] += _more(self._reasons, reason)
            now = self._now()
            if now - self._log_at < LOG_INTERVAL:
                self._unlogged += 1
                return
            self._log_at, unlogged, self._unlogged = now, self._unlogged, 0
        besides = f" (and {unlogged} more since the last such line)" if unlogged else ""
        log.warning("%s: refused: %s%s", sender, _plain(sentence) or reason, besides)

    def status(self) -> dict[str, object]:
        """``total``, and the counts by sender and by reason, those last heard last; JSON-able."""
        with self._lock:
            return {
                "total": self._total,
                "by_sender": _with_others(self._senders, self._others["senders"]),
                "by_reason": _with_others(self._reasons, self._others["reasons"]),
            }


def _more(counts: "OrderedDict[str, int]", name: str) -> int:
    """Count `name` once more; returns what the name that had to go for it had."""
    counts[name] = counts.get(name, 0) + 1
    counts.move_to_end(name)
    return counts.popitem(last=False)[1] if len(counts) > MOST_NAMES else 0


def _with_others(counts: "OrderedDict[str, int]", others: int) -> dict[str, int]:
    return {**counts, OTHERS: counts.get(OTHERS, 0) + others} if others else dict(counts)


def _plain(text: str) -> str:
    """Cut, and on one line: what came over the wire must not forge a line of the log."""
    return "".join(character if character.isprintable() else " " for character in text[:LONGEST])
