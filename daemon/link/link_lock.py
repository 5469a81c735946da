"""`LinkLock`: CURVE keys of one run. Renderers on other machines are let in by the public keys that they make there."""

import zmq
from zmq.auth.thread import ThreadAuthenticator

HEARTBEAT, SILENCE = 1000, 5000
"""Milliseconds between two signs of life of a connection, and without one until it ends."""
LARGEST = 1 << 28
"""Bytes of a message. A picture of the largest size has 200 MB."""


class LinkLock:
    """Lets through a socket whoever has the secret of a key that was admitted. Any thread may admit."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        """Make the key pair of the stage, which ends with it, and start the thread that answers handshakes."""
        self.public, self._secret = zmq.curve_keypair()
        self._admitted: set[bytes] = set()
        self._authenticator = ThreadAuthenticator(context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback(domain="*", credentials_provider=self)

    def callback(self, domain: str, key: bytes) -> bool:
        """Return True if a public key, in Z85, is let in. `zmq.auth` calls it for each handshake."""
        return key in self._admitted

    def admit(self, key: str) -> None:
        """Let in a renderer by its public key, in Z85."""
        self._admitted.add(key.encode())

    def lock(self, socket: "zmq.Socket[bytes]") -> None:
        """Have the socket want keys. Call it before `bind`."""
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = self.public, self._secret
        keep_alive(socket)
        socket.setsockopt(zmq.MAXMSGSIZE, LARGEST)

    def close(self) -> None:
        """End the thread. Call it before the context is destroyed."""
        self._authenticator.stop()


def keep_alive(socket: "zmq.Socket[bytes]") -> None:
    """Have a connection end when the other machine is gone without a word."""
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENCE)


def present_keys(socket: "zmq.Socket[bytes]", server: str, keys: str) -> None:
    """Have a renderer's socket encrypt, and show who it is.

    Args:
        socket: Socket that is about to connect.
        server: Public key of the stage, in Z85.
        keys: Public and secret key of the renderer, in Z85, with a space between.
    """
    public, _, secret = keys.partition(" ")
    socket.curve_serverkey = server.encode()
    socket.curve_publickey, socket.curve_secretkey = public.encode(), secret.encode()
    keep_alive(socket)
