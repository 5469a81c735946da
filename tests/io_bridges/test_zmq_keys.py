"""ZeroMQ sockets beyond loopback: who has a key gets in; no key, a wrong one and a replayed handshake do not."""

import contextlib
import json
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from typer.testing import CliRunner
from web_show_control import WebShow
from zmq.auth import load_certificate
from zmq_rig import PIXELS, array_message, read_until

from daemon.__main__ import app
from io_bridges.zmq_control import ZmqControl
from io_bridges.zmq_keys import FOLDER_VARIABLE, KeyFolder, is_open, read_client_key
from io_bridges.zmq_source import BindingZmqSource
from presets.errors import BridgeUnavailable, SettingsError

Key = tuple[bytes, bytes | None]


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyFolder:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "keys"))
    return KeyFolder()


@pytest.fixture
def viewer(keys: KeyFolder, tmp_path: Path) -> Key:
    return load_certificate(keys.make("viewer", tmp_path))


@pytest.fixture
def control(viewer: Key) -> Iterator[ZmqControl]:
    control = ZmqControl("tcp://0.0.0.0:*")
    control.open(WebShow())  # type: ignore[arg-type]
    thread = threading.Thread(target=control.serve)
    thread.start()
    yield control
    control.stop()
    thread.join(20)
    control.close()
    assert not thread.is_alive()


def port_of(control: ZmqControl) -> int:
    return int(control.address.rpartition(":")[2])


def reply(port: int, key: Key | None, server: bytes | None, patience: int = 700) -> object:
    """Return the reply to a request of a client with these keys; None if there is none in time."""
    with zmq.Context() as context, context.socket(zmq.REQ) as asker:
        asker.linger = 0
        if key is not None:
            asker.curve_publickey, asker.curve_secretkey = key[0], key[1] or b""
            asker.curve_serverkey = server or b""
        asker.connect(f"tcp://127.0.0.1:{port}")
        asker.send_json({"do": "presets"})
        return asker.recv_json() if asker.poll(patience) else None


def test_only_keys_open_the_control(control: ZmqControl, keys: KeyFolder, viewer: Key) -> None:
    port, server = port_of(control), keys.server().public
    answer = reply(port, viewer, server, 20_000)
    assert isinstance(answer, dict)
    assert answer["ok"]
    assert reply(port, None, None) is None, "no key"
    assert reply(port, zmq.curve_keypair(), server) is None, "a key that nobody let in"
    assert reply(port, viewer, zmq.curve_keypair()[0]) is None, "another server's key"
    assert control.status()["requests"] == 1


def test_replayed_handshake_is_refused(control: ZmqControl, keys: KeyFolder, viewer: Key) -> None:
    """A recorded handshake lets nobody in: each connection has keys of its own."""
    sent = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        client = threading.Thread(target=reply, args=[proxy.getsockname()[1], viewer, keys.server().public, 20_000])
        client.start()
        near, _ = proxy.accept()
        with near, socket.create_connection(("127.0.0.1", port_of(control))) as far:
            back = threading.Thread(target=copy, args=[far, near, bytearray()])
            back.start()
            copy(near, far, sent)
            back.join(20)
        client.join(20)
    assert control.status()["requests"] == 1
    assert len(sent) > 500, "greeting, hello, initiate and a request"
    with socket.create_connection(("127.0.0.1", port_of(control)), timeout=20) as again, contextlib.suppress(OSError):
        again.sendall(sent)
        while again.recv(4096):
            pass
    assert control.status()["requests"] == 1
    assert isinstance(reply(port_of(control), viewer, keys.server().public, 20_000), dict), "others still get in"


def copy(source: socket.socket, target: socket.socket, seen: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            seen += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def test_frames_are_locked_too(keys: KeyFolder, viewer: Key) -> None:
    source = BindingZmqSource("tcp://0.0.0.0:0")
    source.open()
    try:
        address = str(source.status()["address"]).replace("0.0.0.0", "127.0.0.1")
        with zmq.Context() as context, context.socket(zmq.PUB) as stranger, context.socket(zmq.PUB) as sender:
            stranger.linger = sender.linger = 0
            sender.curve_publickey, sender.curve_secretkey = viewer[0], viewer[1] or b""
            sender.curve_serverkey = keys.server().public
            stranger.connect(address)
            sender.connect(address)

            def send() -> None:
                stranger.send_multipart(array_message(PIXELS[:8]))
                sender.send_multipart(array_message(PIXELS))

            frame = read_until(source, send, lambda frame: True)
            for _ in range(20):
                send()
                other = source.read(0.02)
                assert other is None or other.pixels.shape == PIXELS.shape, "the stranger's is smaller"
        assert frame.pixels.shape == PIXELS.shape
    finally:
        source.close()


def test_no_clients_no_socket(keys: KeyFolder) -> None:
    for bridge in (BindingZmqSource("tcp://0.0.0.0:0"), BindingZmqSource("tcp://[::]:0")):
        with pytest.raises(BridgeUnavailable, match="streamflow-live keys make NAME"):
            bridge.open()
    with pytest.raises(BridgeUnavailable, match="streamflow-live keys make NAME"):
        ZmqControl("tcp://0.0.0.0:*").open(WebShow())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("tcp://127.0.0.1:5556", False),
        ("tcp://[::1]:5556", False),
        ("tcp://127.8.9.1:1", False),
        ("ipc:///tmp/frames", False),
        ("tcp://0.0.0.0:5556", True),
        ("tcp://*:5556", True),
        ("tcp://eth0:5556", True),
        ("tcp://[fe80::1]:5556", True),
        ("tcp://192.168.1.2:*", True),
    ],
)
def test_addresses_that_are_open(address: str, expected: bool) -> None:
    assert is_open(address) is expected


def test_damaged_keys_are_refused(keys: KeyFolder, tmp_path: Path) -> None:
    keys.make("one", tmp_path)
    for damage in (b"", b"\xff\xfe", b'curve\n    public-key = "short"\n'):
        (keys.clients_folder / "two.key").write_bytes(damage)
        with pytest.raises(BridgeUnavailable, match=r"two\.key"):
            BindingZmqSource("tcp://0.0.0.0:0").open()


def test_keys_command(keys: KeyFolder, tmp_path: Path) -> None:
    run = CliRunner().invoke
    made = run(app, ["keys", "make", "viewer", "--into", str(tmp_path)])
    assert made.exit_code == 0, made.output
    secret = tmp_path / "viewer.key_secret"
    public, private = load_certificate(secret)
    assert private
    if sys.platform != "win32":
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert stat.S_IMODE((keys.folder / "server.key_secret").stat().st_mode) == 0o600
    other = zmq.curve_keypair()[0].decode()
    assert run(app, ["keys", "add", "desk", other]).exit_code == 0
    listed = run(app, ["keys", "list"]).output
    assert keys.server().public.decode() in listed
    assert public.decode() in listed
    assert other in listed
    assert private.decode() not in listed
    assert keys.server().secret.decode() not in listed
    dashed = "-" + other[1:]
    assert run(app, ["keys", "add", "desk", dashed]).exit_code == 0
    assert keys.clients()["desk"] == dashed.encode()
    assert run(app, ["keys", "remove", "desk"]).exit_code == 0
    assert set(keys.clients()) == {"viewer"}
    for wrong in (["make", "../up"], ["make", "viewer"], ["add", "x", "short"], ["remove", "nobody"], ["make", ""]):
        with pytest.raises(SettingsError):
            raise run(app, ["keys", *wrong]).exception or AssertionError(wrong)
    assert json.dumps(sorted(path.name for path in tmp_path.iterdir())) == '["keys", "viewer.key_secret"]'
    assert time.time() - secret.stat().st_mtime < 600


def test_file_of_a_client_has_all_it_needs(tmp_path: Path) -> None:
    keys = KeyFolder(tmp_path / "keys")
    path = keys.make("backup", tmp_path)
    read = read_client_key(path)
    assert (read.public, read.secret) == load_certificate(path)
    assert read.public == keys.clients()["backup"]
    assert read.server == keys.server().public
    whole = path.read_bytes()
    for damaged in (whole.replace(b"server-key", b"server"), whole.replace(b"secret-key", b"secret"), b"", b"\xff\x00"):
        path.write_bytes(damaged)
        with pytest.raises(SettingsError, match=r"backup\.key_secret"):
            read_client_key(path)
    with pytest.raises(SettingsError, match="nowhere"):
        read_client_key(tmp_path / "nowhere")
