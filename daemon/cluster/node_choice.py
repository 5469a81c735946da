"""`NodeChoice`: the node of a Ray cluster for the next renderer: the one with the fewest, for what it has."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

SUSPECT = 30.0
"""Seconds in which a node that did not answer gets no renderer. Ray takes as long to notice that a machine is gone."""


class ClusterNode(NamedTuple):
    """A node that may render."""

    id: str
    address: str
    places: int
    """Renderers that it takes."""
    has_gpu: bool
    """True if each of them has a GPU, False for a processor's core."""

    @property
    def name(self) -> str:
        """Address and the first digits of the id: several nodes of a test have one address."""
        return f"{self.address} ({self.id[:6]})"


def rendering_nodes(nodes: Iterable[Mapping[str, Any]]) -> list[ClusterNode]:
    """Return the nodes that render, from what ``ray.nodes()`` returns.

    A node takes as many renderers as it has GPUs. Without a GPU anywhere, it takes as many as Ray may use cores of it:
    none if it was started with ``--num-cpus=0``.
    """
    alive = [node for node in nodes if node["Alive"]]
    for resource, has_gpu in (("GPU", True), ("CPU", False)):
        found = [
            ClusterNode(node["NodeID"], node["NodeManagerAddress"], places, has_gpu)
            for node in alive
            if (places := int(node["Resources"].get(resource, 0)))
        ]
        if found:
            return found
    return []


class NodeChoice:
    """Counts renderers by node. One thread at a time."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._lost_at: dict[str, float] = {}
        self.refused: dict[str, str] = {}
        """Nodes that can't play for this program, and why, by id."""

    def next(self, nodes: Iterable[ClusterNode]) -> ClusterNode | None:
        """Return the node for another renderer, and count it there; None if none is left."""
        free = [node for node in nodes if node.id not in self.refused and self._taken[node.id] < node.places]
        free = [node for node in free if not self._is_suspect(node)]
        if not free:
            return None
        node = min(free, key=lambda each: (self._taken[each.id], each.id))
        self._taken[node.id] += 1
        return node

    def why_none(self, nodes: Sequence[ClusterNode]) -> str:
        """Return why no node can take a renderer."""
        if not nodes:
            return "the Ray cluster has no node that renders. Add one by: ray start --address=HOST:PORT"
        problems = [self.refused[node.id] for node in nodes if node.id in self.refused]
        left = [node for node in nodes if node.id not in self.refused]
        problems += [f"node {node.name} does not answer" for node in left if self._is_suspect(node)]
        places = sum(node.places for node in left if not self._is_suspect(node))
        if places:
            what = "GPUs" if nodes[0].has_gpu else "cores"
            problems.insert(0, f"all {places} {what} that the cluster has for renderers are taken")
        return "; ".join(problems)

    def gives_back(self, node: ClusterNode, lost: bool) -> None:
        """Count a renderer of a node that has ended. `lost` if the node no longer answers."""
        self._taken[node.id] -= 1
        if lost:
            self._lost_at[node.id] = time.monotonic()

    def _is_suspect(self, node: ClusterNode) -> bool:
        lost_at = self._lost_at.get(node.id)
        return lost_at is not None and time.monotonic() - lost_at < SUSPECT
