from pathlib import Path

import pytest

from daemon.stage.initial_values import initial_values
from daemon.stage.prometheus import prometheus_text
from daemon.stage.settings import Address, parse_address, parse_size
from daemon.stage.state_file import StateFile
from presets.errors import PresetError, SettingsError
from presets.library import Library


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9000", Address("127.0.0.1", 9000)),
        ("0.0.0.0:9000", Address("0.0.0.0", 9000)),
        ("[::1]:80", Address("::1", 80)),
        ("off", None),
        ("0", Address("127.0.0.1", 0)),
    ],
)
def test_an_address_is_loopback_unless_it_says_otherwise(text: str, address: Address | None) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "port", "70000", "-1", "host:", "٣٠٠"])
def test_an_address_that_can_not_be_meant(text: str) -> None:
    with pytest.raises(SettingsError, match="HOST:PORT"):
        parse_address(text)


@pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:80"])
def test_an_address_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_address(text)) == text


def test_sizes() -> None:
    assert parse_size("640x480") == (640, 480)
    assert parse_size("64X64") == (64, 64)
    for text in ("640", "x", "640x", "9x9", "99999x64", "-64x64", "64x64x3"):
        with pytest.raises(SettingsError, match="WIDTHxHEIGHT"):
            parse_size(text)


def test_a_show_begins_with_the_state_then_the_look_then_the_size(tmp_path: Path) -> None:
    library = Library(tmp_path / "presets")
    values = initial_values(library, None, "fire", (320, 192))
    assert values["/preset"] == "fire"
    assert "fire" in str(values["/prompt/1/text"])
    assert (values["/width"], values["/height"]) == (320, 192)
    assert initial_values(library, None, None, None)["/preset"] == "neon", "a first show has a look too"
    state = tmp_path / "state.json"
    StateFile(state).save_if_changed(values | {"/seed": 77}, at_once=True)
    again = initial_values(library, state, None, None)
    assert (again["/preset"], again["/seed"], again["/width"]) == ("fire", 77, 320)
    with pytest.raises(PresetError, match="no-such"):
        initial_values(library, None, "no-such", None)
    with pytest.raises(SettingsError, match="32"):
        initial_values(library, None, None, (250, 256))


def test_the_exposition_is_prometheus_text() -> None:
    text = prometheus_text({"fps": 31.5, "ticks": 12, "renderer": {"phase": "playing", "restarts": 2}}).decode()
    assert "streamflow_rendered_fps 31.5" in text
    assert "streamflow_ticks_total 12.0" in text
    assert "streamflow_renderer_restarts_total 2.0" in text
    assert "streamflow_renderer_playing 1.0" in text
    assert "streamflow_latency" not in text, "what is not known yet is left out"
