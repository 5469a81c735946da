"""``window:`` sink without a display: the choice of one, the place of the picture, messages and refusals."""

import pytest

from io_bridges.uri import make_sink, refuse_duplicates
from io_bridges.window.messages import WindowReport, WindowSettings
from io_bridges.window.placement import Display, choose_display, place_picture, plain_size
from presets.errors import SettingsError

LAPTOP = Display(1, "laptop", 0, 0, 1920, 1080)
BEAMER = Display(2, "beamer", 1920, 0, 1280, 720)


@pytest.mark.parametrize(
    ("displays", "wanted", "fullscreen", "chosen"),
    [
        ([LAPTOP], None, None, (LAPTOP, False)),
        ([LAPTOP], None, True, (LAPTOP, True)),
        ([LAPTOP, BEAMER], None, None, (BEAMER, True)),
        ([LAPTOP, BEAMER], None, False, (BEAMER, False)),
        ([LAPTOP, BEAMER], 1, None, (LAPTOP, True)),
        ([LAPTOP, BEAMER], 2, False, (BEAMER, False)),
    ],
)
def test_display_is_chosen(displays, wanted, fullscreen, chosen):
    assert choose_display(displays, wanted, fullscreen) == chosen


def test_picture_is_placed():
    assert place_picture((512, 512), (1920, 1080), "fit") == (420, 0, 1080, 1080)
    assert place_picture((512, 512), (1920, 1080), "fill") == (0, -420, 1920, 1920)
    assert place_picture((512, 512), (1920, 1080), "stretch") == (0, 0, 1920, 1080)
    assert plain_size((512, 256), LAPTOP) == (512, 256)
    assert plain_size((3840, 2160), LAPTOP) == (1728, 972)


def test_messages_survive_the_pipe():
    settings = WindowSettings("window-1", 64, 48, display=2, fit="fill")
    assert WindowSettings.decode(settings.encode()) == settings
    report = WindowReport("open", "", 2, True, (320, 240), 7, True)
    assert WindowReport.decode(report.encode()) == report
    for words in (b"libGL error: no driver\n", b"{}\n", b"[]\n", b'{"state": "odd", "size": [1, 2]}\n'):
        assert WindowReport.decode(words) is None


@pytest.mark.parametrize("uri", ["window:?display=0", "window:?fit=zoom", "window:?fullscreen=often", "window:left"])
def test_wrong_windows_are_explained(uri):
    with pytest.raises(SettingsError):
        make_sink(uri)


def test_two_windows_want_two_displays():
    refuse_duplicates("card:", ["window:?display=1", "window:?display=2"])
    with pytest.raises(SettingsError, match="another display"):
        refuse_duplicates("card:", ["window:?display=2", "window:?display=2&fit=fill"])
