"""The process that speaks with Ray, ``python -m daemon.cluster``: places renderers for one stage.

Ray's own code runs here and not in the stage: it is large, and ends its process when it loses its cluster. The stage
asks on standard input, a JSON object a line, and is answered on standard output:

* ``{"do": "start", "id", "build", "arguments", "environment", "renderers"}`` is answered by ``{"id", "key"}``, the
  public key of a renderer that is about to start, and after ``{"do": "go", "id"}`` by ``{"id", "node", "pid"}``;
* ``{"do": "kill", "id"}`` ends it;
* ``{"id", "status", "lines"}`` tells that it has ended, or could not be started.

It ends with its standard input.
"""

import argparse
import json
import logging
import os
import sys
import threading
from typing import Any

from daemon.cluster.address import LOCAL, ClusterAddress
from daemon.cluster.placed_renderer import PlacedRenderer, Places
from daemon.shared.process import normal_priority
from presets.errors import SettingsError

NOT_A_NODE = 3
"""Exit status if there is no such cluster, or this machine is no node of it."""


def connect(address: ClusterAddress) -> None:
    """Join the cluster as a driver. Raises what Ray raises."""
    address.prepare()
    import ray

    options: dict[str, Any] = {} if address.text != LOCAL else {"include_dashboard": False}
    ray.init(
        address=address.text,
        namespace=f"streamflow-live-{os.getpid()}",
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=False,
        **options,
    )


def serve(places: Places) -> None:
    """Answer the stage until it closes the pipe."""
    renderers: dict[str, PlacedRenderer] = {}
    lock = threading.Lock()

    def tell(message: dict[str, Any]) -> None:
        with lock:
            print(json.dumps(message), file=stage, flush=True)
        if "status" in message:
            renderers.pop(message["id"], None)

    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as stage:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # Ray prints
        tell({"ready": True})
        for line in sys.stdin:
            request = json.loads(line)
            name = request["id"]
            if request["do"] == "start":
                renderers[name] = PlacedRenderer(name, request, places, tell)
                renderers[name].begin()
            elif (renderer := renderers.get(name)) is not None:
                renderer.go() if request["do"] == "go" else renderer.kill()


def main() -> int:
    """Serve one stage. Return an exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    normal_priority()
    parser.add_argument("--address", required=True, help="HOST:PORT of the cluster's head, or local")
    try:
        address = ClusterAddress.read(parser.parse_args().address)
        connect(address)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return NOT_A_NODE
    except (ConnectionError, RuntimeError, ValueError, OSError, AssertionError) as error:
        first = str(error).strip().partition("\n")[0]
        text = f"There is no Ray cluster at {address.text}, or this machine is no node of it: {first}"
        print(f"{text}. Join it by: ray start --address={address.text} --num-cpus=0", file=sys.stderr)
        return NOT_A_NODE
    serve(Places())
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # Ray's own end takes seconds, and the cluster notices this one
