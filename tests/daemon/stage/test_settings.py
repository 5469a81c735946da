"""Settings as they are typed, and the status as Prometheus text."""

import os
from pathlib import Path

import pytest

from daemon.stage.prometheus import prometheus_text
from daemon.stage.settings import Address, Settings, parse_address, parse_size
from presets.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9000", Address("127.0.0.1", 9000)),
        ("0.0.0.0:9000", Address("0.0.0.0", 9000)),
        ("[::1]:80", Address("::1", 80)),
        ("fe80::1%lo:80", Address("fe80::1%lo", 80)),
        ("stage-2.local:80", Address("stage-2.local", 80)),
        ("off", None),
        ("0", Address("127.0.0.1", 0)),
    ],
)
def test_address_is_loopback_by_default(text: str, address: Address | None) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "port", "70000", "-1", "host:", "٣٠٠", "[::1", "::1]:80", "[]:]:80", "a b:80", "http://a:80", "ho:st:80"],
)
def test_invalid_address(text: str) -> None:
    with pytest.raises(SettingsError, match="HOST:PORT"):
        parse_address(text)


@pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:80"])
def test_address_round_trip(text: str) -> None:
    assert str(parse_address(text)) == text


def test_sizes() -> None:
    assert parse_size("640x480") == (640, 480)
    assert parse_size("64X64") == (64, 64)
    for text in ("640", "x", "640x", "9x9", "99999x64", "-64x64", "64x64x3"):
        with pytest.raises(SettingsError, match="WIDTHxHEIGHT"):
            parse_size(text)


def test_rate_of_a_sink() -> None:
    Settings(sinks=("png:frames?fps=29.97",), fps=30000 / 1001)
    Settings(sinks=("png:frames?fps=30", "zmq:?fps=0.5"), fps=30)
    with pytest.raises(SettingsError, match=r"fps is at most the show's rate of 30 \(--fps\), not 60"):
        Settings(sinks=("png:frames", "zmq:?fps=60"), fps=30)


def test_pixels_of_all_sinks() -> None:
    settings = Settings(sinks=(), output_size=(256, 256))
    settings.check_pixels(8 * ["ndi:wall?size=3840x2160"])
    settings.check_pixels(["shm:a?size=8192x8184", "shm:b"])
    with pytest.raises(SettingsError, match="'shm:b': the sinks would have 67 million pixels together"):
        settings.check_pixels(["shm:a?size=8192x8192", "shm:b"])


def test_prometheus_text() -> None:
    sinks = [
        {"uri": "png:a", "number": 1, "latency_ms": 51.5, "latency_p99_ms": 80.0},
        {"uri": "web:", "number": 0, "latency_ms": None, "latency_p99_ms": None},
    ]
    several = {"playing": 2, "wanted": 3, "late": 4, "each": [{"pid": 7, "place": "GPU 1", "fps": 9.5}]}
    renderer = {"phase": "playing", "restarts": 2, "renderers": several}
    status = {"fps": 31.5, "ticks": 12, "renderer": renderer, "sinks": sinks}
    text = prometheus_text(status).decode()
    assert 'streamflow_sink_latency_milliseconds{number="1",quantile="0.5",sink="png:a"} 51.5' in text
    assert 'streamflow_sink_latency_milliseconds{number="1",quantile="0.99",sink="png:a"} 80.0' in text
    assert "web:" not in text, "an unknown value is left out"
    assert "streamflow_rendered_fps 31.5" in text
    assert "streamflow_ticks_total 12.0" in text
    assert "streamflow_renderer_restarts_total 2.0" in text
    assert "streamflow_renderer_playing 1.0" in text
    assert "streamflow_renderers_playing 2.0" in text
    assert 'streamflow_renderer_fps{pid="7",place="GPU 1"} 9.5' in text
    assert "streamflow_late_pictures_total 4.0" in text
    assert "streamflow_latency" not in text, "an unknown value is left out"
    assert "streamflow_osc" not in text, "OSC is off"
    for lost, line in ((7, "streamflow_osc_lost_total 7.0"), (None, "")):
        osc = {"name": "osc", "accepted": 5, "superseded": 3, "lost": lost}
        text = prometheus_text({**status, "controls": [{"name": "web"}, osc]}).decode()
        assert 'streamflow_osc_messages_total{outcome="superseded"} 3.0' in text
        assert line in text
        assert ("streamflow_osc_lost" in text) is (lost is not None)


@pytest.mark.parametrize(
    ("first", "second"),
    [("zmq:5600", "zmq:*:5600?socket=pull"), ("camera:0", "camera:0"), ("stream:tcp://a", "stream:tcp://a")],
)
def test_two_sources_of_one_input(first: str, second: str) -> None:
    with pytest.raises(SettingsError, match="can't be open at once: give each source an input of its own"):
        Settings(source=first, source2=second)


def test_two_sources(tmp_path: Path) -> None:
    clip = f"file:{tmp_path / 'clip.mp4'}"
    settings = Settings(source=clip, source2=clip)
    assert settings.sources == {"/source": clip, "/source2": clip}
    with pytest.raises(SettingsError, match="are the same address"):
        Settings(source2="zmq:5556")
    with pytest.raises(SettingsError, match="'spoon:' is not a source"):
        Settings(source2="spoon:")


def test_check_of_a_source_asks_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(source="zmq:5600", sinks=("zmq:ipc:///tmp/frames",))
    sinks = [*settings.sinks, "png:/mnt/frames", "record:/mnt/take.mp4"]

    def hang(*_: object, **__: object) -> None:
        raise AssertionError("a disk that hangs would stop the control that asks")

    monkeypatch.setattr(os, "stat", hang)
    monkeypatch.setattr(os, "lstat", hang)
    settings.check_source("file:/mnt/clip.mp4", "zmq:ipc:///mnt/frames", sinks)
    with pytest.raises(SettingsError, match="is not a source"):
        settings.check_source("/mnt/clip.mp4", "", sinks)
    with pytest.raises(SettingsError, match="has the same address already"):
        settings.check_source("zmq:ipc:///tmp/../tmp/frames", "", sinks)
