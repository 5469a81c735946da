"""A Ray cluster of two nodes on loopback, as a process: ``kill`` and ``add`` on standard input change the second node.

A killed node is gone as a machine without power is: Ray's processes and the renderer die at once, with SIGKILL.
"""

import contextlib
import os
import sys
from typing import Any

import psutil

NODE = {
    "num_cpus": 1,
    "node_ip_address": "127.0.0.1",
    "object_store_memory": 80 << 20,
    "include_log_monitor": False,
    "no_monitor": True,
}
"""One renderer a node, and no process that a show needs nothing of."""


def kill(node: Any) -> None:
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    for process in (raylet, *raylet.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def main() -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={**NODE, "include_dashboard": False, "_system_config": {"enable_worker_prestart": False}},
    )
    second = cluster.add_node(**NODE)
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "kill":
            kill(second)
        else:
            second = cluster.add_node(**NODE)
        print("done", flush=True)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    os._exit(0)


if __name__ == "__main__":
    main()
