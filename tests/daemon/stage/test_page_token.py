"""The token of the page: kept for this user alone, made anew on demand, and printed with the address."""

import stat
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import segno

from daemon.commands.page_invitation import invitation, page_urls, protections
from daemon.stage.page_token import page_token
from daemon.stage.settings import Address, Settings
from io_bridges.osc.admission import read_networks
from presets.errors import SettingsError


def test_token_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "state" / "page-token"
    assert page_token("127.0.0.1", file, None) == "", "this machine needs none"
    assert not file.exists()
    made = page_token("0.0.0.0", file, None)
    assert len(made) >= 20
    assert page_token("0.0.0.0", file, None) == made
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert page_token("0.0.0.0", file, "a-token-of-mine") == "a-token-of-mine"
    assert page_token("192.168.1.2", file, None) == "a-token-of-mine"
    assert page_token("0.0.0.0", file, "new") not in (made, "a-token-of-mine")
    file.write_bytes(b"\xff" * 100)
    assert len(page_token("::", file, None)) >= 20, "a damaged one is replaced"


@pytest.mark.parametrize("given", ["short", "with a space", "x" * 101, "semi;colon-token", "ümlaut-token-1"])
def test_weak_tokens_are_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(SettingsError, match="--web-token"):
        page_token("0.0.0.0", tmp_path / "token", given)


def test_open_page_needs_a_token() -> None:
    with pytest.raises(SettingsError, match=r"--web 0\.0\.0\.0:8090"):
        Settings(web=Address("0.0.0.0", 8090))
    Settings(web=Address("0.0.0.0", 8090), web_token="a-token-of-mine")


def test_invitation_has_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("io_bridges.local_network.local_addresses", lambda: ["192.168.1.7", "10.0.0.7"])
    urls = page_urls("0.0.0.0", 8090, "a-token-of-mine")
    assert urls == [f"http://{host}:8090/?token=a-token-of-mine" for host in ("192.168.1.7", "10.0.0.7")]
    text = invitation(urls, with_code=False)
    assert all(url in text for url in urls)
    assert "unencrypted" in text
    assert len(text.splitlines()) == 4
    assert len(invitation(urls, with_code=True).splitlines()) > 15
    assert "on none" in invitation([], with_code=True)


def test_open_ports_say_what_protects_them() -> None:
    assert protections(Settings(source="zmq:5600", sinks=("zmq:",))) == []
    settings = Settings(
        source="zmq:tcp://0.0.0.0:5600?socket=pull",
        sinks=("zmq:*:5601", "zmq:5602", "zmq:ipc:///tmp/x"),
        osc=Address("0.0.0.0", 9000),
        osc_allow=read_networks(["192.168.1.0/24", "10.0.0.5"]),
        control="tcp://192.168.1.2:5557",
    )
    lines = protections(settings)
    assert lines[0].startswith("OSC on 0.0.0.0:9000 hears 192.168.1.0/24, 10.0.0.5/32 and this machine. ")
    assert "forged" in lines[0]
    found = [line.split()[2] for line in lines[1:]]
    assert found == ["tcp://192.168.1.2:5557", "tcp://0.0.0.0:5600", "*:5601"]
    assert all("keys" in line for line in lines[1:])


def test_code_is_read_by_a_camera() -> None:
    """OpenCV reads the printed blocks: two rows of modules in one line of text."""
    url = "http://192.168.1.7:8090/?token=a-token-of-mine"
    lines = [line for line in invitation([url], with_code=True).splitlines() if set(line) & set("▀▄█")]
    upper = {"▀", "█"}
    lower = {"▄", "█"}
    rows = [[char in half for char in line.ljust(len(lines[0]))] for line in lines for half in (upper, lower)]
    modules = np.array(rows, dtype=np.uint8) * 255
    picture = cv2.resize(modules, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
    picture = cv2.copyMakeBorder(picture, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=255)
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(picture)
    assert text == url
    assert segno.make(url).version
