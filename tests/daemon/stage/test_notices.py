"""Notices: which state of a show gives which sentence."""

import logging
from pathlib import Path

import pytest
from show import Show, until

from daemon.stage.notices import Notice, NoticeLog, size_notice, still_notice
from presets.parameters import Parameters


def test_other_size_than_at_start() -> None:
    notice = size_notice((576, 576), (256, 256), (256, 256))
    assert notice is not None
    assert notice.text == "Drawing at 576x576; output stays 256x256 (set with --output-size at start)."


@pytest.mark.parametrize(
    ("drawn", "output"), [((256, 256), (256, 256)), ((256, 256), (1920, 1080)), ((1920, 1080), (1920, 1080))]
)
def test_size_as_set_gives_no_notice(drawn: tuple[int, int], output: tuple[int, int]) -> None:
    assert size_notice(drawn, output, (256, 256)) is None


def test_still_text_mode() -> None:
    notice = still_notice(Parameters(mode="text"), moving=False)
    assert notice is not None
    assert notice.text == "Text mode draws the same picture: turn up drift or feedback, or change the prompt."
    assert still_notice(Parameters(mode="text"), moving=True) is None
    assert still_notice(Parameters(mode="text", feedback=0.1), moving=False) is None
    assert still_notice(Parameters(), moving=False) is None


def test_notice_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = NoticeLog()
    log.update([Notice("lost", "warning", "no frames for 3 s")])
    log.update([Notice("lost", "warning", "no frames for 4 s")])
    log.update([])
    log.update([Notice("lost", "warning", "no frames for 3 s"), Notice("still", "info", "the same picture")])
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "no frames for 3 s"),
        ("WARNING", "no frames for 3 s"),
        ("INFO", "the same picture"),
    ]


def test_running_show_has_notices(tmp_path: Path) -> None:
    def texts() -> list[str]:
        return [notice["text"] for notice in show.status()["notices"]]

    def logged(text: str) -> int:
        return " ".join(show.log.read_text().split()).count(text)

    with Show(tmp_path / "show", "--source", "card:", "--size", "64x64") as show:
        until(lambda: show.status()["rendered"])
        assert texts() == []
        show.set(width=96, mode="text")
        still = "Text mode draws the same picture: turn up drift or feedback, or change the prompt."
        size = "Drawing at 96x64; output stays 64x64 (set with --output-size at start)."
        until(lambda: texts() == [size, still])
        meta, _ = show.picture(lambda meta, pixels: True)
        assert meta["shape"] == [64, 64, 3]
        until(lambda: logged(size) == logged(still) == 1)
        show.set(drift=0.5, width=64)
        until(lambda: texts() == [])
    assert logged(size) == logged(still) == 1
