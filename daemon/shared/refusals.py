"""`Refusals`: counts of refused messages by sender and by reason, in bounded memory and with bounded logging.

A stuck or hostile sender can grow neither the counts nor the log: the oldest names fold into ``others``, and the log
gets at most one line per second.
"""

import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

log = logging.getLogger("control")

MOST_NAMES = 32
LONGEST = 120
"""Most characters of a sender or a reason."""
LONGEST_SENTENCE = 240
"""Most characters of a sentence in the log, which holds a path and a problem."""
LOG_INTERVAL = 1.0
OTHERS = "others"

_COUNT = re.compile(r" \(and [0-9]+ more\)$")


class Refusals:
    """Counts of refused messages. Any thread may use it."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` returns seconds on a monotonic clock, by which the log is limited."""
        self._now = now
        self._lock = threading.Lock()
        self._total = 0
        self._senders: OrderedDict[str, int] = OrderedDict()
        self._reasons: OrderedDict[str, int] = OrderedDict()
        self._others = {"senders": 0, "reasons": 0}
        self._log_at = -LOG_INTERVAL
        self._unlogged = 0

    def count(self, sender: str, reason: str, sentence: str = "") -> None:
        """Count a refusal under `reason`, and log `sentence`, or `reason` if it is empty."""
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
        besides = f" (and {unlogged} more since the last line like this)" if unlogged else ""
        log.warning("%s: refused: %s%s", sender, _shorten(sentence) or reason, besides)

    def status(self) -> dict[str, object]:
        """Return ``total`` and the counts by sender and by reason, the most recent last, ready for JSON."""
        with self._lock:
            return {
                "total": self._total,
                "by_sender": _with_others(self._senders, self._others["senders"]),
                "by_reason": _with_others(self._reasons, self._others["reasons"]),
            }


def _more(counts: "OrderedDict[str, int]", name: str) -> int:
    """Count `name`. Return the count of the name that was dropped for it, or 0."""
    counts[name] = counts.get(name, 0) + 1
    counts.move_to_end(name)
    return counts.popitem(last=False)[1] if len(counts) > MOST_NAMES else 0


def _with_others(counts: "OrderedDict[str, int]", others: int) -> dict[str, int]:
    return {**counts, OTHERS: counts.get(OTHERS, 0) + others} if others else dict(counts)


def _plain(text: str, longest: int = LONGEST) -> str:
    """Return the text cut and on one line, so that a message from the network can't forge a line of the log."""
    return "".join(character if character.isprintable() else " " for character in text[:longest])


def _shorten(sentence: str) -> str:
    """Return the sentence on one line, cut at a word if it is long. A count at its end, as in (and 4 more), stays."""
    sentence = _plain(sentence, 10 * LONGEST_SENTENCE)
    count = _COUNT.search(sentence)
    end = count[0] if count else ""
    text = sentence.removesuffix(end)
    if len(text) > LONGEST_SENTENCE:
        text = text[: LONGEST_SENTENCE + 1].rpartition(" ")[0] or text[:LONGEST_SENTENCE]
        text = text.rstrip(" ,;:") + " …"
    return text + end
