"""Minimum cuts of directed graphs, by Dinic's algorithm.

A cut splits the nodes into those that stay with the source and those that go with the sink; it costs the
capacities of the edges that lead from the former to the latter. The cheapest one is where the largest flow is stuck
(E. A. Dinic, "Algorithm for solution of a problem of maximum flow in networks with power estimation", 1970).
Nothing here recurses: chains of operations are thousands long.
"""

from __future__ import annotations

__all__ = ["INFINITE", "MinCut"]

INFINITE = 1 << 62


class MinCut:
    """A graph with a source (node 0) and a sink (node 1), and its cheapest cut.

    Example:
        >>> graph = MinCut()
        >>> a, b = graph.node(), graph.node()
        >>> for edge in (graph.SOURCE, a, 3), (a, b, 1), (b, graph.SINK, 2):
        ...     graph.edge(*edge)
        >>> cost, near = graph.cut()
        >>> cost, near[a], near[b]
        (1, True, False)
    """

    SOURCE = 0
    SINK = 1

    def __init__(self) -> None:
        # Edge 2k leads one way and 2k + 1 back; each has what more it can carry.
        self._heads: list[int] = []
        self._room: list[int] = []
        self._edges: list[list[int]] = [[], []]

    def node(self) -> int:
        """A new node."""
        self._edges.append([])
        return len(self._edges) - 1

    def edge(self, tail: int, head: int, capacity: int) -> None:
        """An edge from one node to another. Capacities are integers: sums of fractions would never get stuck."""
        self._edges[tail].append(len(self._heads))
        self._edges[head].append(len(self._heads) + 1)
        self._heads += (head, tail)
        self._room += (capacity, 0)

    def cut(self) -> tuple[int, list[bool]]:
        """The cost of the cheapest cut, and for each node whether it is on the source's side.

        Of several cheapest cuts it is the one nearest to the source.
        """
        total = 0
        while True:
            levels = self._levels()
            if levels[self.SINK] < 0:
                return total, [level >= 0 for level in levels]
            total += self._fill(levels)

    def _levels(self) -> list[int]:
        """How many edges with room lead from the source to each node at least; -1 where none do."""
        levels = [-1] * len(self._edges)
        levels[self.SOURCE] = 0
        queue = [self.SOURCE]
        heads, room = self._heads, self._room
        for node in queue:
            level = levels[node] + 1
            for e in self._edges[node]:
                head = heads[e]
                if levels[head] < 0 and room[e]:
                    levels[head] = level
                    queue.append(head)
        return levels

    def _fill(self, levels: list[int]) -> int:
        """Sends what fits along shortest paths, and returns how much that is."""
        heads, room, edges = self._heads, self._room, self._edges
        following = [0] * len(edges)
        total, path, node = 0, list[int](), self.SOURCE
        while True:
            if node == self.SINK:
                amount = min(room[e] for e in path)
                total += amount
                keep = len(path)
                for i in range(len(path) - 1, -1, -1):
                    e = path[i]
                    room[e] -= amount
                    room[e ^ 1] += amount
                    if not room[e]:
                        keep = i
                # Back to before the first edge that is full now.
                node = heads[path[keep] ^ 1]
                del path[keep:]
                continue
            out, position, level = edges[node], following[node], levels[node] + 1
            while position < len(out):
                e = out[position]
                if room[e] and levels[heads[e]] == level:
                    break
                position += 1
            following[node] = position
            if position < len(out):
                path.append(out[position])
                node = heads[out[position]]
            elif path:
                node = heads[path.pop() ^ 1]
                following[node] += 1
            else:
                return total
