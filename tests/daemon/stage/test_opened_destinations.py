"""Messages name only hosts and NDI senders that the user opened, in every spelling."""

from pathlib import Path

import pytest

from daemon.stage.opened_destinations import read_destinations
from daemon.stage.opened_places import ADD_SINK, OpenedPlaces
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.settings import Settings
from presets.errors import SettingsError
from presets.library import Library

OPEN = (
    "192.168.1.20:554",
    "10.1.0.0/16",
    "Cam.local",
    "[fd00::7]:5555",
    "ndi:STAGE-PC",
    "ndi:FOH (Resolume)",
    "*:5600",
)
CAMERA = "stream:rtsp://me:s3cret@10.9.9.9/live"


@pytest.fixture
def opened(tmp_path: Path) -> OpenedPlaces:
    opened = OpenedPlaces(tmp_path, {"/source": CAMERA})
    sinks = ("zmq+connect:tcp://10.8.8.8:5555?size=64x64", "ndi:wall")
    opened.open(Settings(source="zmq:5555", sinks=sinks, allow_destinations=read_destinations(OPEN)))
    return opened


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("/source", "zmq+connect:tcp://127.0.0.1:5555"),
        ("/source", "zmq+connect:localhost:5555"),
        ("/source", "zmq:5556"),
        ("/source2", "stream:http://[::1]:8080/a"),
        ("/source", "stream:udp://127.0.0.1:1234"),
        (ADD_SINK, "zmq:tcp://127.0.0.9:*"),
        ("/source", "shm:frames"),
        ("/source", "stream:rtsp://192.168.1.20/live"),
        ("/source", "stream:rtsp://me:other@192.168.1.20:554/live?transport=udp"),
        ("/source", "stream:https://CAM.local:8443/a"),
        ("/source2", "zmq+connect:tcp://10.1.2.3:5555"),
        (ADD_SINK, "zmq+connect:tcp://[fd00::7]:5555"),
        (ADD_SINK, "zmq:tcp://*:5600"),
        ("/source", "ndi:stage-pc (Resolume)"),
        ("/source", "ndi:FOH (Resolume)"),
        ("/source", CAMERA),
        ("/source", "stream:rtsp://me:***@10.9.9.9/live"),
        (ADD_SINK, "zmq+connect:tcp://10.8.8.8:5555?fps=5"),
        (ADD_SINK, "ndi:wall"),
    ],
)
def test_open_destinations(opened: OpenedPlaces, address: str, text: str) -> None:
    opened.check(address, text)
    opened.check_on_disk(address, text)


@pytest.mark.parametrize(
    ("address", "text", "option"),
    [
        ("/source", "zmq+connect:tcp://10.0.0.9:5555", "10.0.0.9:5555"),
        ("/source", "zmq+connect:tcp://127.0.0.1:0;10.0.0.9:5555", "'[127.0.0.1:0;10.0.0.9]:5555'"),
        ("/source", "zmq+connect:tcp://2130706433:5555", "2130706433:5555"),
        ("/source", "zmq+connect:tcp://0.0.0.0:5555", "0.0.0.0:5555"),
        ("/source", "zmq+connect:tcp://127.0.0.1.evil.example:5555", "127.0.0.1.evil.example:5555"),
        ("/source", "zmq:tcp://0.0.0.0:5556", "0.0.0.0:5556"),
        (ADD_SINK, "zmq:tcp://*:5556", "0.0.0.0:5556"),
        (ADD_SINK, "zmq:tcp://eth0:5556", "eth0:5556"),
        (ADD_SINK, "zmq:tcp://[::]:5556", "'[::]:5556'"),
        ("/source", "stream:rtsp://192.168.1.20:555/live", "192.168.1.20:555"),
        ("/source", "stream:http://192.168.1.20/live", "192.168.1.20:80"),
        ("/source", "stream:rtsp://me:s3cret@10.9.9.9/other", "10.9.9.9:554"),
        ("/source", "stream:rtsp://me:guess@10.9.9.9/live", "10.9.9.9:554"),
        ("/source", "stream:http://127.0.0.1:80@evil.example/", "evil.example:80"),
        ("/source", "stream:http://127.0.0.1\\@evil.example/", ""),
        ("/source", "stream:http://127.0.0.1\x00.evil.example/", ""),
        ("/source", "stream:udp://127.0.0.1:1234?localaddr=10.0.0.1", "10.0.0.1:1234"),
        ("/source", "stream:udp://@239.0.0.1:1234", "239.0.0.1:1234"),
        ("/source", "stream:udp://@:1234", "0.0.0.0:1234"),
        ("/source2", "ndi:FOH (Other)", "'ndi:FOH (Other)'"),
        ("/source2", "NDI:other", "ndi:other"),
        (ADD_SINK, "ndi:", "ndi:streamflow-live"),
        (ADD_SINK, "zmq+connect:10.9.9.9:554", "10.9.9.9:554"),
    ],
)
def test_closed_destinations(opened: OpenedPlaces, address: str, text: str, option: str) -> None:
    with pytest.raises(SettingsError) as refused:
        opened.check(address, text)
    assert f"--allow-destination {option}" in str(refused.value)


def test_a_refusal_opens_what_it_says(tmp_path: Path) -> None:
    for text, option in (
        ("zmq+connect:tcp://10.0.0.9:5555", "10.0.0.9:5555"),
        ("stream:rtsp://[fd00::9]/a", "[fd00::9]:554"),
        ("ndi:FOH (Other)", "ndi:FOH (Other)"),
        ("ndi:FOH (Other)", "ndi:"),
    ):
        opened = OpenedPlaces(tmp_path, {})
        with pytest.raises(SettingsError):
            opened.check("/source", text)
        opened.open(Settings(allow_destinations=read_destinations([option])))
        opened.check("/source", text)


@pytest.mark.parametrize(
    "text", ["", "a b", "10.0.0.0/40", "host:70000", "host:x", "http://a/b", "STAGE-PC (Resolume)"]
)
def test_wrong_option_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--allow-destination takes HOST"):
        read_destinations([text])


def test_presets_open_what_they_name(tmp_path: Path) -> None:
    """The store has no sources here: it asks for one as the stage's switch does."""
    (tmp_path / "far.yaml").write_text('source: "ndi:FOH (Other)"\n')
    store = ParameterStore(Library(tmp_path))
    with pytest.raises(SettingsError):
        store.opened.check("/source", "ndi:FOH (Other)")
    assert store.apply("/preset", ["far"], "osc:1").accepted
    store.opened.check("/source", "ndi:FOH (Other)")
