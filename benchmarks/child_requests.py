"""The other end of `benchmarks.child_process`: requests from standard input, answers on what was standard output."""

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from presets.errors import StreamflowError

Handler = Callable[..., dict[str, Any]]


def answer_requests(handlers: Mapping[str, Handler]) -> None:
    """Do what is asked until standard input ends. Each request's ``do`` names a handler, its other keys its arguments.

    Whatever a library prints meanwhile goes to standard error, so that it can't stand between the answers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the bench decides when this ends
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = handlers[request.pop("do")](**request)
            except StreamflowError as error:
                answer = {"error": str(error)}
            print(json.dumps(answer), file=answers, flush=True)
