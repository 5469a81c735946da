"""Two bare ZeroMQ hops, ``python -m benchmarks.show.frame_relay``: pictures in, stamped as the echo does, pictures out.

It is a show without a stage: what a delay through the show is held against.
"""

import json
import threading
from typing import Any

import numpy as np
import zmq

from benchmarks.child_process import answer_requests
from daemon.renderer.echo_stream import stamp


class FrameRelay:
    """A SUB that senders connect to, a PUB that readers connect to, one thread between them."""

    def open(self) -> dict[str, Any]:
        """Bind both, on ports the system chooses; answers their addresses."""
        context = zmq.Context()
        self._in, self._out = context.socket(zmq.SUB), context.socket(zmq.PUB)
        self._in.subscribe(b"")
        for end in (self._in, self._out):
            end.linger = 0
            end.bind("tcp://127.0.0.1:0")
        threading.Thread(target=self._run, daemon=True).start()
        into, out = (end.getsockopt_string(zmq.LAST_ENDPOINT) for end in (self._in, self._out))
        return {"in": into, "out": out}

    def _run(self) -> None:
        count = 0
        while True:
            header, pixels = self._in.recv_multipart(copy=False)
            meta = json.loads(header.bytes)
            picture = np.frombuffer(pixels.buffer, np.uint8).reshape(meta["shape"]).copy()
            stamp(picture)
            count += 1
            meta |= {"tick": count, "index": count, "source_index": count, "revision": 0}
            self._out.send_multipart([json.dumps(meta).encode(), picture.data], copy=False)


def main() -> None:
    """Answer until the bench is gone."""
    answer_requests({"open": FrameRelay().open})


if __name__ == "__main__":
    main()
