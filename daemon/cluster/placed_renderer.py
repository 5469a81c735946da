"""`PlacedRenderer`: one renderer that Ray starts on a node, from the choice of the node to its end."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from daemon.cluster.build_files import named_files, with_files
from daemon.cluster.file_tree import ContentHashes, FileTree
from daemon.cluster.node_choice import ClusterNode, NodeChoice, rendering_nodes
from daemon.cluster.program_version import version_problem
from daemon.cluster.renderer_host import RendererHost
from presets.build import Build
from presets.errors import ModelError, StreamflowError

ANSWER = 120.0
"""Seconds for a node to start an actor, which imports this program, and for each of its short answers."""
LIVES = 2.0
"""Seconds for a node that is alive to kill a renderer."""
BLOCK = 32 << 20
"""Bytes of a file that are sent at once, through Ray's object store."""
KILLED = -9
"""Exit status of a renderer whose machine is gone."""
WAIT, LOOK = 5.0, 0.5
"""Seconds that a renderer waits for a place, and between two looks at the nodes. The stage then asks again."""

Tell = Callable[[dict[str, Any]], None]


class Places:
    """Nodes and file hashes that all renderers of one show share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        """Guards everything here."""
        self.choice = NodeChoice()
        self.hashes = ContentHashes()


class NoNode(StreamflowError):
    """No node of the cluster can take a renderer."""


class PlacedRenderer:
    """Life of one renderer, in a thread of its own."""

    def __init__(self, name: str, request: Mapping[str, Any], places: Places, tell: Tell) -> None:
        """`request` is that of the stage, `tell` answers it."""
        self._name = name
        self._request = request
        self._places = places
        self._tell = tell
        self._may_go = threading.Event()
        self._killed = threading.Event()
        self._host: Any = None
        self._node: ClusterNode | None = None
        self._is_lost = False

    def begin(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._live, name=f"renderer-{self._name}", daemon=True).start()

    def go(self) -> None:
        """Let the renderer connect: the stage knows its key."""
        self._may_go.set()

    def kill(self) -> None:
        """End the renderer, and the process that Ray has for it. Return at once."""
        self._killed.set()
        self._may_go.set()
        threading.Thread(target=self._end, name=f"end-{self._name}", daemon=True).start()

    def _end(self) -> None:
        import ray
        from ray.exceptions import RayError

        host = self._host
        if host is None:
            return
        try:
            # The end of its process would end it too, but for a renderer that is stuck.
            ray.get(host.kill.remote(), timeout=LIVES)
        except RayError:
            self._is_lost = True
        ray.kill(host)

    def _live(self) -> None:
        from ray.exceptions import GetTimeoutError, RayError

        status, lines = 1, [""]
        try:
            described = self._placed()
            build = self._build_there(described)
            self._tell({"id": self._name, "key": described["key"]})
            self._may_go.wait(ANSWER)
            arguments = [*self._request["arguments"], "--build", build.encode()]
            pid = self._ask("start", arguments, self._request["environment"])
            self._tell({"id": self._name, "node": self._there, "pid": pid})
            status, lines = self._ask("wait", patience=None)
        except StreamflowError as error:
            lines = [str(error)]
        except GetTimeoutError:
            lines = [f"{self._there} did not answer for {ANSWER:.0f} s; others may use its places"]
        except RayError as error:
            self._is_lost = self._is_lost or not self._killed.is_set()
            status, lines = KILLED, [f"{self._there} is lost: {type(error).__name__}"]
        finally:
            if not self._killed.is_set():
                self._end()
            self._leave()
            self._tell({"id": self._name, "status": status, "lines": lines})

    @property
    def _there(self) -> str:
        return f"node {self._node.name}" if self._node is not None else "a node"

    def _leave(self) -> None:
        """Free the place on the node."""
        if self._node is not None:
            with self._places.lock:
                self._places.choice.gives_back(self._node, self._is_lost)
            self._node = None

    def _placed(self) -> dict[str, Any]:
        """Start the actor on a node that has this program, and return its description. Raises as Ray and `NoNode`."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor, began = ray.remote(RendererHost), time.monotonic()
        while True:
            with self._places.lock:
                nodes = rendering_nodes(ray.nodes())
                self._node = node = self._places.choice.next(nodes)
                why = "" if node else self._places.choice.why_none(nodes)
            if node is None:
                if time.monotonic() - began > WAIT or self._killed.is_set():
                    raise NoNode(why)
                time.sleep(LOOK)
                continue
            options = actor.options(
                num_cpus=0 if node.has_gpu else 1,
                num_gpus=1 if node.has_gpu else 0,
                max_restarts=0,
                max_concurrency=4,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node.id, soft=False),
            )
            self._host = options.remote()
            try:
                described: dict[str, Any] = self._ask("describe")
                problem = version_problem(node.name, described["version"])
            except ray.exceptions.RaySystemError as error:
                problem = f"node {node.name} can't import streamflow-live: {str(error).strip().splitlines()[-1]}"
            if not problem:
                return described
            ray.kill(self._host)
            self._host = None
            self._places.choice.refused[node.id] = problem
            self._leave()

    def _build_there(self, described: Mapping[str, Any]) -> Build:
        """Send what the node lacks of the build's files, and return the build with their paths there."""
        build = Build.decode(self._request["build"])
        with self._places.lock:  # the disk is read once, also for several renderers that start at once
            paths = named_files(build)
            trees = {key: self._places.hashes.tree(path) for key, path in paths.items()}
        for key, tree in trees.items():
            by_digest = {entry.digest: entry.name for entry in tree.entries}
            for digest in self._ask("missing", list(by_digest)):
                root = paths[key] if tree.is_folder else paths[key].parent
                self._send(digest, str(root / by_digest[digest]))
        there = {key: self._ask("tree", *_plain(tree)) for key, tree in trees.items()}
        nodes = max(1, self._nodes())
        renderers = math.ceil(int(self._request["renderers"]) / nodes)
        has_gpu = self._node is not None and self._node.has_gpu
        threads = None if has_gpu or renderers < 2 else max(1, int(described["cores"]) // renderers)
        return with_files(build, there, threads)

    def _nodes(self) -> int:
        import ray

        return len(rendering_nodes(ray.nodes()))

    def _send(self, digest: str, path: str) -> None:
        import ray

        try:
            with open(path, "rb") as file:  # noqa: PTH123 - read in blocks
                while block := file.read(BLOCK):
                    self._ask("write", digest, ray.put(block))
        except OSError as error:
            raise ModelError(f"{path} can't be read: {error.strerror or error}.") from error
        self._ask("finish", digest)

    def _ask(self, method: str, *arguments: Any, patience: float | None = ANSWER) -> Any:
        """Call a method of the actor and return its result."""
        import ray

        return ray.get(getattr(self._host, method).remote(*arguments), timeout=patience)


def _plain(tree: FileTree) -> tuple[str, list[tuple[str, str, int]], bool]:
    return tree.name, [(entry.name, entry.digest, entry.size) for entry in tree.entries], tree.is_folder
