"""The process of one processor, ``python -m daemon.processors``: it runs the user's file, and nothing else of the show.

Requests and answers are lines of JSON, on the standard input and output that it was started with. Pictures lie in two
segments of shared memory. Whatever the file prints goes to standard error.
"""

import json
import os
import queue
import signal
import sys
import threading
from typing import Any

from daemon.processors.foreign_code import ForeignFunction, place_in
from daemon.processors.memory_limit import limit_memory
from daemon.processors.picture_segments import WorkerSegments
from daemon.shared.offline_environment import stay_offline
from daemon.shared.process import lower_priority
from presets.errors import BridgeError, ProcessorError


class AnswerChannel:
    """The standard output that the process was started with. Each line is one write, so that threads may share it."""

    def __init__(self) -> None:
        self._to = os.dup(1)
        os.dup2(2, 1)

    def send(self, **answer: Any) -> None:
        """Write one answer. Without a reader the process ends."""
        try:
            os.write(self._to, json.dumps(answer).encode() + b"\n")
        except OSError:
            os._exit(0)


def read_requests(stream: Any, requests: "queue.SimpleQueue[dict[str, Any]]", answers: AnswerChannel) -> None:
    """Queue the requests. Say where the file is when asked, although it may loop. End the process with the stage."""
    path = ""
    for line in stream:
        request = json.loads(line)
        path = request.get("path", path)
        if "where" in request:
            answers.send(where=place_in(path, threading.main_thread().ident))
        else:
            requests.put(request)
    os._exit(0)


def main() -> int:
    """Run the processor that the first request has until the stage is gone. Return 1 if it can't be run."""
    answers = AnswerChannel()
    stream = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    # The stage decides when the show ends: Ctrl-C in a terminal reaches the whole process group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stay_offline()
    lower_priority()
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=read_requests, args=(stream, requests, answers), name="requests", daemon=True).start()
    first = requests.get()
    limit_memory(first["memory"])
    try:
        function = ForeignFunction(first["path"], first["source"], first["moment"])
    except ProcessorError as error:
        answers.send(failed=str(error))
        return 1
    answers.send(ready=True)
    segments = WorkerSegments()
    while True:
        request = requests.get()
        number = request["picture"]
        try:
            segments.use(request["segments"], request["shape"])
            segments.answer(function.call(segments.picture, request["values"]))
        except (ProcessorError, BridgeError) as error:
            answers.send(picture=number, problem=str(error))
        else:
            answers.send(picture=number)


if __name__ == "__main__":
    sys.exit(main())
