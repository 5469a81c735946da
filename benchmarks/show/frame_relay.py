"""Relay of frames over two bare ZeroMQ hops, ``python -m benchmarks.show.frame_relay``.

It stamps each frame as the echo renderer does. The delay of a show is compared with the delay of this relay.
"""

import json
import threading
from typing import Any

import numpy as np
import zmq

from benchmarks.child_process import answer_requests
from daemon.renderer.echo_stream import stamp


class FrameRelay:
    """A SUB socket for senders, a PUB socket for readers, and one thread between them."""

    def open(self) -> dict[str, Any]:
        """Bind both sockets to free ports and return their addresses."""
        context = zmq.Context()
        self._in, self._out = context.socket(zmq.SUB), context.socket(zmq.PUB)
        self._in.subscribe(b"")
        for socket in (self._in, self._out):
            socket.linger = 0
            socket.bind("tcp://127.0.0.1:0")
        threading.Thread(target=self._run, daemon=True).start()
        into, out = (socket.getsockopt_string(zmq.LAST_ENDPOINT) for socket in (self._in, self._out))
        return {"in": into, "out": out}

    def _run(self) -> None:
        count = 0
        while True:
            header, pixels = self._in.recv_multipart(copy=False)
            meta = json.loads(header.bytes)
            frame = np.frombuffer(pixels.buffer, np.uint8).reshape(meta["shape"]).copy()
            stamp(frame)
            count += 1
            meta |= {"tick": count, "index": count, "source_index": count, "revision": 0}
            self._out.send_multipart([json.dumps(meta).encode(), frame.data], copy=False)


def main() -> None:
    """Answer requests until standard input ends."""
    answer_requests({"open": FrameRelay().open})


if __name__ == "__main__":
    main()
