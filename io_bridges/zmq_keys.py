"""CURVE keys of ZeroMQ: the show's own pair, the public keys of the clients that it lets in, and the lock on a socket.

A socket that is bound beyond loopback talks to no one else. CURVE encrypts what it sends and receives (RFC 26/ZMTP).
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

import platformdirs
import zmq
from zmq.auth import load_certificate
from zmq.auth.thread import ThreadAuthenticator

from io_bridges.local_network import is_loopback
from presets.atomic_write import write_atomically
from presets.errors import BridgeUnavailable, SettingsError
from presets.paths import home_path

FOLDER_VARIABLE = "STREAMFLOW_LIVE_KEYS"
"""Environment variable with another folder for keys."""

MAKE = "streamflow-live keys make NAME"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PUBLIC = re.compile(r"[!-~]{40}")  # Z85


class KeyPair(NamedTuple):
    """A CURVE key pair in Z85."""

    public: bytes
    secret: bytes


class ClientKey(NamedTuple):
    """Keys of a client in Z85: its own pair, and the public key of the show that it connects to."""

    public: bytes
    secret: bytes
    server: bytes


def read_client_key(path: Path) -> ClientKey:
    """Return the keys of a file that `KeyFolder.make` wrote. Raises `SettingsError`."""
    public, secret = _read(path)
    found = re.search(r'^ *server-key = "([!-~]{40})"$', path.read_text(encoding="utf-8"), re.MULTILINE)
    if secret is None or found is None:
        raise SettingsError(f"{path}: it lacks the secret key, or that of the show. Make a new one there by: {MAKE}")
    return ClientKey(public, secret, found[1].encode())


class KeyFolder:
    """The folder of keys: ``server.key_secret``, and ``clients/NAME.key`` for each client that is let in."""

    def __init__(self, folder: Path | None = None) -> None:
        """Use a folder, by default that of the environment or of the user's configuration."""
        given = os.environ.get(FOLDER_VARIABLE)
        own = Path(platformdirs.user_config_dir("streamflow-live", appauthor=False)) / "keys"
        self.folder = folder or (home_path(given) if given else own)
        self.clients_folder = self.folder / "clients"

    def server(self) -> KeyPair:
        """Return the pair of the show, which is made if there is none. Raises `SettingsError` for a damaged file."""
        path = self.folder / "server.key_secret"
        if not path.exists():
            public, secret = zmq.curve_keypair()
            _write(path, public, secret)
            _write(path.with_suffix(".key"), public)
        public, read = _read(path)
        if read is None:
            raise SettingsError(f"{path}: it holds no secret key. Move it away, and another one is made")
        return KeyPair(public, read)

    def clients(self) -> dict[str, bytes]:
        """Return the public keys that are let in, by name. Raises `SettingsError` for a damaged file."""
        return {path.stem: _read(path)[0] for path in sorted(self.clients_folder.glob("*.key"))}

    def make(self, name: str, into: Path) -> Path:
        """Make the pair of a client, let it in, and return the file that it needs. Raises `SettingsError`.

        The file holds the public key of the show too.
        """
        path = into / f"{_checked(name)}.key_secret"
        if path.exists() or name in self.clients():
            raise SettingsError(f"There is a key {name!r} already. Choose another name, or remove it first")
        public, secret = zmq.curve_keypair()
        _write(path, public, secret, self.server().public)
        _write(self.clients_folder / f"{name}.key", public)
        return path

    def add(self, name: str, public: str) -> None:
        """Let in a client by its public key. Raises `SettingsError`."""
        if not _PUBLIC.fullmatch(public):
            raise SettingsError(f"{public[:60]!r} is no public key: it has 40 characters, as curve_keypair makes it")
        _write(self.clients_folder / f"{_checked(name)}.key", public.encode())

    def remove(self, name: str) -> None:
        """Let a client in no more. Raises `SettingsError` if there is none of the name."""
        path = self.clients_folder / f"{_checked(name)}.key"
        if not path.is_file():
            raise SettingsError(f"There is no client {name!r}. It is one of {', '.join(self.clients()) or 'none'}")
        path.unlink()


class CurveLock:
    """Lets only clients with keys through a socket that is bound beyond loopback."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], keys: KeyFolder) -> None:
        """Take the context of the socket, which has no other lock. Raises `BridgeUnavailable` without any client."""
        try:
            self._server, clients = keys.server(), keys.clients()
        except (OSError, SettingsError) as error:
            raise BridgeUnavailable(f"The keys for ZeroMQ can't be read: {error}") from error
        if not clients:
            raise BridgeUnavailable(
                f"A ZeroMQ socket that is open to a network needs a key for each client. Make one by: {MAKE}"
            )
        self._authenticator = ThreadAuthenticator(context)
        self._authenticator.start()
        self._authenticator.configure_curve(domain="*", location=str(keys.clients_folder))

    def lock(self, socket: zmq.Socket[bytes]) -> None:
        """Have the socket want keys. Call it before `bind`."""
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = self._server

    def close(self) -> None:
        """End the thread that answers handshakes. Call it before the context is destroyed."""
        self._authenticator.stop()


def lock_open_socket(
    context: zmq.Context[zmq.Socket[bytes]], socket: zmq.Socket[bytes], address: str
) -> CurveLock | None:
    """Lock a socket that is to be bound to an address beyond loopback. Return None for any other one.

    Raises:
        BridgeUnavailable: There are no keys.
    """
    if not is_open(address):
        return None
    lock = CurveLock(context, KeyFolder())
    lock.lock(socket)
    return lock


def is_open(address: str) -> bool:
    """Return True if other machines reach what is bound to a ZeroMQ endpoint."""
    host, colon, _ = address.removeprefix("tcp://").rpartition(":")
    return address.startswith("tcp://") and bool(colon) and not is_loopback(host.strip("[]"))


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{name[:64]!r} can't be the name of a key: letters, digits, _ and - can be")
    return name


def _write(path: Path, public: bytes, secret: bytes | None = None, server: bytes | None = None) -> None:
    """Write a certificate as `zmq.auth` reads it."""
    known = "" if server is None else f'    server-key = "{server.decode()}"\n'
    own = "" if secret is None else f'    secret-key = "{secret.decode()}"\n'
    text = f'#   A CURVE key of streamflow-live\nmetadata\n{known}curve\n    public-key = "{public.decode()}"\n{own}'
    try:
        write_atomically(path, text.encode(), private=secret is not None)
    except OSError as error:
        raise SettingsError(f"{path}: it can't be written: {error.strerror or error}") from error


def _read(path: Path) -> tuple[bytes, bytes | None]:
    try:
        public, secret = load_certificate(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: it is no key: {error}") from error
    if not _PUBLIC.fullmatch(public.decode("ascii", "replace")):
        raise SettingsError(f"{path}: its public key is damaged")
    return public, secret
