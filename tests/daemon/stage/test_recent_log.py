"""The last lines of the log: bounded, and one line for one that repeats."""

import logging

from daemon.stage.recent_log import LONGEST, MOST_LINES, RecentLog


def logged(*messages: tuple[int, str]) -> list[dict[str, object]]:
    log, logger = RecentLog(), logging.Logger("test")
    logger.addHandler(log)
    for level, message in messages:
        logger.log(level, message)
    return log.lines()


def test_lines_have_level_and_text() -> None:
    lines = logged((logging.DEBUG, "no"), (logging.INFO, "on air"), (logging.CRITICAL, "x" * 9999))
    assert [(line["level"], line["text"]) for line in lines] == [("info", "on air"), ("error", "x" * LONGEST)]
    assert [line["number"] for line in lines] == [1, 2]


def test_newest_lines_are_kept() -> None:
    lines = logged(*((logging.INFO, f"line {number}") for number in range(MOST_LINES + 50)))
    assert len(lines) == MOST_LINES
    assert lines[-1]["text"] == f"line {MOST_LINES + 49}"


def test_repeated_line_takes_one_place() -> None:
    lines = logged((logging.INFO, "first"), *[(logging.WARNING, "again")] * 1000)
    assert [(line["text"], line["number"]) for line in lines] == [("first", 1), ("again", 1001)]
